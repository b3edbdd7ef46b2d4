"""Prefix equivalence: proof on real bars that a strategy decides bar by bar as it does at once."""
