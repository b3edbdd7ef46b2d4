"""Backtests that were asked for, their progress and their reports."""
