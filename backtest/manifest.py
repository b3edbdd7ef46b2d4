"""The manifest of a run: everything that decides its outcome; its hash is the run's identity."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from backtest.canonical import digest_of
from candela.fills.model import FillModel

if TYPE_CHECKING:
    from candela.fills.full import FinerBars, Funding
    from strategies.bars import Bars

__all__ = [
    "Gaps",
    "Origin",
    "bars_digest",
    "engine_digest",
    "engine_sources",
    "identity",
    "joint_digest",
    "series_digest",
    "versions",
    "write_manifest",
]

# What a simulation is computed by: these change the numbers, the rest of the project does not.
_ENGINE: Final = (
    *("candela/bits.py", "candela/compiled.py", "candela/fills/*.py", "candela/market/*.py"),
    *("candela/metrics/*.py", "candela/payout/*.py", "strategies/*.py"),
    *("backtest/run.py", "backtest/data.py", "backtest/portfolio.py", "backtest/payout.py"),
    *("backtest/sweep/evaluate.py", "backtest/sweep/windows.py", "backtest/walkforward/*.py"),
)
_LIBRARIES: Final = ("candela", "numpy", "numba", "polars", "TA-Lib")


@dataclass(frozen=True, slots=True)
class Gaps:
    """How many candles are absent between the first and the last, and when those two begin."""

    missing: int
    expected: int
    first: str | None = None
    last: str | None = None

    @property
    def share(self) -> float:
        """Absent candles over expected ones, 0 to 1."""
        return self.missing / self.expected if self.expected else 0.0

    def as_dict(self) -> dict[str, int | float | str | None]:
        """Return the fields of the manifest."""
        return {
            "missing": self.missing,
            "expected": self.expected,
            "share": self.share,
            "first": self.first,
            "last": self.last,
        }

    @classmethod
    def over(cls, every: Iterable[Gaps]) -> Gaps:
        """Return those of several series together, from the earliest candle to the latest."""
        parts = list(every)
        return cls(
            missing=sum(one.missing for one in parts),
            expected=sum(one.expected for one in parts),
            first=min((one.first for one in parts if one.first is not None), default=None),
            last=max((one.last for one in parts if one.last is not None), default=None),
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bars came from, so that they can be read again.

    Attributes
    ----------
    instruments
        Those that are traded.
    digest
        Of all values that the run could see; of several series, of their digests in order.
    reads
        Further instruments that the strategy reads.
    funding_digest, finer_digest
        Of the funding rates and of the finer bars; None where the run uses none.
    """

    instruments: tuple[str, ...]
    timeframe: str
    since: str | None
    until: str | None
    as_of: str | None
    digest: str
    rows: int
    gaps: Gaps
    reads: tuple[str, ...] = ()
    funding_digest: str | None = None
    finer_digest: str | None = None


def write_manifest(
    *,
    strategy: Mapping[str, str],
    parameters: Mapping[str, Any],
    origin: Origin,
    model: FillModel,
    protection: Mapping[str, float | None],
    cash: float,
    seed: int,
    kind: str = "backtest",
) -> dict[str, Any]:
    """Return the manifest with its id."""
    manifest: dict[str, Any] = {
        "kind": kind,
        "strategy": dict(strategy),
        "parameters": dict(parameters),
        "instruments": list(origin.instruments),
        "reads": list(origin.reads),
        "timeframe": origin.timeframe,
        "since": origin.since,
        "until": origin.until,
        "as_of": origin.as_of,
        "data_digest": origin.digest,
        "funding_digest": origin.funding_digest,
        "finer_digest": origin.finer_digest,
        "rows": origin.rows,
        "gaps": origin.gaps.as_dict(),
        "engine": {"name": "candela", "digest": engine_digest()},
        "execution": model.execution.model_dump(),
        "costs": model.costs.model_dump(),
        "rules": model.rules.model_dump(),
        "sizing": model.sizing.model_dump(),
        "protection": dict(protection),
        "cash": cash,
        "seed": seed,
        "versions": versions(),
    }
    return {"id": identity(manifest), **manifest}


def identity(manifest: Mapping[str, Any]) -> str:
    """Return the sha256 of the canonical JSON of a manifest without its id, in hexadecimal."""
    return digest_of({key: value for key, value in manifest.items() if key != "id"})


def joint_digest(first: str, *more: str | None) -> str:
    """Return one digest for several in order; of one alone, itself. None counts as nothing."""
    present = [first, *(one for one in more if one is not None)]
    if len(present) == 1:
        return first
    return f"sha256:{hashlib.sha256(' '.join(present).encode()).hexdigest()}"


def bars_digest(bars: Bars) -> str:
    """Return the digest of bars and of the further instruments beside them, in order of name."""
    beside = [(name, bars.others[name].digest) for name in sorted(bars.others)]
    return joint_digest(bars.digest, *(part for pair in beside for part in pair))


def series_digest(series: Mapping[str, Funding] | Mapping[str, FinerBars]) -> str | None:
    """Return the digest of funding rates or finer bars by instrument; None where there are none."""
    if not series:
        return None
    digest = hashlib.sha256()
    for name, columns in series.items():
        times, *values = columns
        digest.update(f"{name} {len(columns)} {len(times)} ".encode())
        digest.update(np.ascontiguousarray(times, dtype="<i8").data)
        for column in values:
            # Adding a positive zero turns -0.0 into 0.0 and changes nothing else.
            digest.update(np.ascontiguousarray(np.asarray(column) + 0.0, dtype="<f8").data)
    return f"sha256:{digest.hexdigest()}"


@cache
def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    found = {name.lower(): version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **found}


def engine_sources() -> dict[str, Path]:
    """Return the files of all that turns bars into trades and figures, by path in the project."""
    root = Path(__file__).resolve().parents[1]
    found = (path for pattern in _ENGINE for path in sorted(root.glob(pattern)))
    return {path.relative_to(root).as_posix(): path for path in found}


@cache
def engine_digest() -> str:
    """Return the sha256 of the source of all that turns bars into trades and figures."""
    digest = hashlib.sha256()
    for name, path in engine_sources().items():
        digest.update(name.encode())
        digest.update(path.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def finite(value: float) -> float | None:
    """Return a figure as JSON can hold it: None where it is not defined."""
    return value if math.isfinite(value) else None
