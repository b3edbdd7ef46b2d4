"""Made-up runs and trials, as a backtest would hand them to the ledger."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.canonical import digest_of
from backtest.ledger import Family, Trial
from backtest.ledger.identity import trial_base, trial_key
from candela.fills.records import TRADE

if TYPE_CHECKING:
    import numpy.typing as npt

FAMILY = Family("ma_cross", ("bitvavo:BTC/EUR",), "1h")
MANIFEST: dict[str, Any] = {
    "kind": "backtest",
    "strategy": {"name": "ma_cross", "source_digest": "sha256:aa"},
    "parameters": {"fast": 20, "slow": 50},
    "instruments": ["bitvavo:BTC/EUR"],
    "timeframe": "1h",
    "since": "2024-01-01T00:00:00Z",
    "until": None,
    "as_of": None,
    "data_digest": "sha256:dd",
    "rows": 100,
    "gaps": {"missing": 0, "expected": 100, "share": 0.0},
    "engine": "kernel",
    "execution": {"fill": "next_open"},
    "costs": {"taker_fee_bps": 10.0},
    "cash": 1e22,
    "seed": None,
    "versions": {"candela": "0.1.0"},
}
METRICS: dict[str, Any] = {
    "bars": 100,
    "bars_per_year": 8766.0,
    "sharpe": 1.5,
    "total_return": 0.25,
    "max_drawdown": 0.1,
    "skewness": float("nan"),
    "kurtosis": 3.25,
    "profit_factor": float("inf"),
    "win_rate": np.float64(0.5),
    "trades": np.int64(2),
}


@dataclass(frozen=True)
class Made:
    """A result with what the ledger records."""

    manifest: dict[str, Any]
    metrics: dict[str, Any]
    trades: npt.NDArray[np.void]
    trades_digest: str


def trades(rows: int = 2, seed: int = 1) -> npt.NDArray[np.void]:
    """Return so many trades with random figures."""
    made = np.zeros(rows, TRADE)
    random = np.random.default_rng(seed)
    made["entry_bar"] = np.arange(rows) * 3
    for name in ("units", "entry_price", "exit_price", "pnl"):
        made[name] = random.random(rows)
    return made


def made(*, draw: int = 1, metrics: dict[str, Any] | None = None, **changes: object) -> Made:
    """Return a run with those entries of the manifest changed."""
    manifest = MANIFEST | changes
    manifest["id"] = digest_of(manifest)
    records = trades(seed=draw)
    digest = "sha256:" + hashlib.sha256(records.tobytes()).hexdigest()
    return Made(manifest, METRICS | (metrics or {}), records, digest)


def point(number: int, base: str | None = None) -> Trial:
    """Return the trial of one point of a sweep over ``fast``."""
    parameters = {"fast": np.int64(number), "slow": 50.0}
    key = trial_key(base or trial_base(MANIFEST), parameters)
    return Trial(key, parameters, 100, 0.01 * number, number / 1000)
