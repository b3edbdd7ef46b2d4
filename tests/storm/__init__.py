"""Storms: real processes, killed at any moment; afterwards books and venue must agree."""
