"""Stored candles: written versioned and exactly once, read now or as of then, gaps and rollups."""
