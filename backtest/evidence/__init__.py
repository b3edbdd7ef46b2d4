"""Luck or skill: what a result is worth after all the trials that led to it (ADR 0018)."""
