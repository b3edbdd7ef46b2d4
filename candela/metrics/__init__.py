"""Every figure of a result, defined once: for backtests, live trading and reports."""
