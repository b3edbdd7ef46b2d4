"""The manifest of a run: everything that decides its outcome; its hash is the run's identity."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from candela.fills.model import FillModel

__all__ = ["Gaps", "Origin", "engine_digest", "identity", "versions", "write_manifest"]

# What a simulation is computed by: these change the numbers, the rest of the project does not.
_ENGINE: Final = ("candela/fills", "strategies")
_LIBRARIES: Final = ("candela", "numpy", "numba", "TA-Lib")


@dataclass(frozen=True, slots=True)
class Gaps:
    """How many candles the span should hold and does not."""

    missing: int
    expected: int

    @property
    def share(self) -> float:
        """Absent candles over expected ones, 0 to 1."""
        return self.missing / self.expected if self.expected else 0.0

    def as_dict(self) -> dict[str, int | float]:
        """Return the fields of the manifest."""
        return {"missing": self.missing, "expected": self.expected, "share": self.share}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bars came from, so that they can be read again.

    Attributes
    ----------
    digest
        Of the values; of several instruments, of their digests in order.
    """

    instruments: tuple[str, ...]
    timeframe: str
    since: str | None
    until: str | None
    as_of: str | None
    digest: str
    rows: int
    gaps: Gaps


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
        "timeframe": origin.timeframe,
        "since": origin.since,
        "until": origin.until,
        "as_of": origin.as_of,
        "data_digest": origin.digest,
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
    text = json.dumps(
        {key: value for key, value in manifest.items() if key != "id"},
        sort_keys=True,
        separators=(",", ":"),
        default=str,
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    found = {name.lower(): version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **found}


@cache
def engine_digest() -> str:
    """Return the sha256 of the source of the fill model and of the strategy vocabulary."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for folder in _ENGINE:
        for path in sorted((root / folder).glob("*.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def finite(value: float) -> float | None:
    """Return a figure as JSON can hold it: None where it is not defined."""
    return value if math.isfinite(value) else None
