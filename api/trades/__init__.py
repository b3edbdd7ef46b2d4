"""Trades, as pages, one by one, and as CSV."""
