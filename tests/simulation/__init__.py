"""Histories of orders in virtual time: faults, kills and take-overs against the real desk."""
