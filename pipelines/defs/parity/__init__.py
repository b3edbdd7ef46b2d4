"""Parity: each night every bot is run again through the backtest, and differences are named."""
