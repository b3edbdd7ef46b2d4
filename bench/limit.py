"""The limit: hand-written loops in C on one core, built from the peers' sources where they are."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["PEERS", "Limit", "build_limit"]

Floats = npt.NDArray[np.float64]

PEERS: Final = Path(__file__).parents[2] / "shared" / "bench" / "peers"
FEE: Final = 0.001
CASH: Final = 100_000.0


class _Out(ctypes.Structure):
    _fields_ = (
        ("equity", ctypes.c_double),
        ("maxdd", ctypes.c_double),
        ("r1", ctypes.c_double),
        ("r2", ctypes.c_double),
        ("trades", ctypes.c_int64),
    )


def _at(array: npt.NDArray[np.generic]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


_int, _float = ctypes.c_int64, ctypes.c_double


class Limit:
    """The loops of kernel.c; each returns final equity and orders of its last account."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))

    def one(self, open_: Floats, close: Floats, fast: int, slow: int) -> tuple[float, int]:
        """One moving-average cross with drawdown and sums of returns."""
        out = _Out()
        self._library.w1(
            _at(open_), _at(close), _int(len(close)), _int(fast), _int(slow),
            _float(FEE), _float(CASH), 1, 1, ctypes.byref(out),
        )  # fmt: skip
        return out.equity, out.trades

    def pairs(self, open_: Floats, close: Floats, pairs: npt.NDArray[np.int64]) -> float:
        """Sweep pairs of windows with drawdown and sums of returns; the best equity."""
        windows = np.unique(pairs)
        means = np.empty((len(windows), len(close)))
        self._library.smas(
            _at(close), _int(len(close)), _at(windows), _int(len(windows)), _at(means)
        )
        first, second = (np.searchsorted(windows, pairs[:, side]) for side in (0, 1))
        slow = np.ascontiguousarray(pairs[:, 1])
        outs = (_Out * len(pairs))()
        self._library.w2_shared(
            _at(open_), _at(close), _int(len(close)), _at(means), _at(first), _at(second),
            _at(slow), _int(len(pairs)), _float(FEE), _float(CASH), 1, _int(2048), 1, outs,
        )  # fmt: skip
        return max(out.equity for out in outs)

    def stops(
        self, prices: tuple[Floats, Floats, Floats, Floats], stops: Floats, targets: Floats
    ) -> float:
        """Sweep stops and targets of an RSI entry; the best equity."""
        open_, high, low, close = prices
        outs = (_Out * len(stops))()
        self._library.w3_sweep(
            _at(open_), _at(high), _at(low), _at(close), _int(len(close)), _int(14), _float(30.0),
            _at(stops), _at(targets), _int(len(stops)), _float(FEE), _float(CASH), 1, outs,
        )  # fmt: skip
        return max(out.equity for out in outs)

    def pool(self, open_: Floats, close: Floats, cash: float, value: float) -> tuple[float, int]:
        """Trade (m, n) instruments on one pool of cash."""
        out, curve = _Out(), np.empty(close.shape[1])
        self._library.w4(
            _at(open_), _at(close), _int(close.shape[0]), _int(close.shape[1]), _int(20), _int(100),
            _float(FEE), _float(cash), _float(value), _at(curve), ctypes.byref(out),
        )  # fmt: skip
        return out.equity, out.trades


def build_limit(folder: Path) -> Limit | None:
    """Build kernel.c; None where there is no compiler or the peers' folder is absent."""
    compiler, source = shutil.which("cc"), PEERS / "kernel.c"
    if compiler is None or not source.is_file():
        return None
    library = folder / "libkernel.so"
    flags = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, str(source), "-o", str(library), "-lm"], check=True)
    return Limit(library)
