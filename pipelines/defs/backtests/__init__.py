"""Backtests that were asked for or are due, as runs of Dagster."""
