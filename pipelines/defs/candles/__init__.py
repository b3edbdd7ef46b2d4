"""Candles of each series and month, and what brings them."""
