"""Sweeps: many parameter values on the same bars."""
