"""Strategies: one definition each, pure functions of candles, for notebook, backtest and live."""
