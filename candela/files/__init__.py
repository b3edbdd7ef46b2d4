"""Candle files: known layouts, readers and the report on a file."""
