"""Absent candles: found, explained, repaired."""
