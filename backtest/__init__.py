"""History in, evidence out: backtests, sweeps, walk-forward and verdicts."""
