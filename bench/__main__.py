"""All benchmarks: ``python -m bench``."""

from __future__ import annotations

from bench.candles import main

main()
