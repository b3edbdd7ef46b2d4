"""Strategies, their parameters, and whether some are valid."""
