"""Parity: what a bot did, against the backtest on the bars it saw, difference by difference."""
