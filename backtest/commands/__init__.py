"""Commands of this room: backtest, sweep, walkforward, verdict, runs."""
