"""Candles, symbols and venues."""
