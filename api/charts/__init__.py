"""Candles of a bot with what it did on them."""
