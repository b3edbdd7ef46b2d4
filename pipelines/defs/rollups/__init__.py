"""Coarser candles for what changed."""
