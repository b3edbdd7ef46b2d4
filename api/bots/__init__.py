"""Bots: their configuration, versions, runs, and what they decided."""
