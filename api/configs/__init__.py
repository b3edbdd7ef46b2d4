"""Configurations of bots: read from a body, checked against strategy and catalogue."""
