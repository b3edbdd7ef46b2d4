"""Backtest benchmarks beside the limit and vectorbt: one run, sweeps, stops, a pool, the start."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from backtest.barcache import BarCache, Kept
from backtest.data import load_bars
from backtest.manifest import Gaps
from backtest.portfolio import backtest_portfolio
from backtest.run import backtest
from backtest.spec import spec_of
from backtest.sweep.evaluate import evaluate
from bench.limit import CASH, PEERS, Limit, build_limit
from bench.parallel import run_parallel
from candela.fills.model import Costs, FillModel, Sizing
from candela.market.timeframe import Timeframe
from strategies.bars import COLUMNS, Bars
from strategies.conditions import crossed_below
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import rsi
from strategies.ma_cross import ma_cross
from strategies.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.candles import Bench
    from candela.db.connect import Database

__all__ = ["run_backtests"]

MODEL: Final = FillModel(costs=Costs(taker_fee_bps=10))
MINUTE: Final = Timeframe(60)
LEAST_S: Final = 0.2
VECTORBT_PAIRS: Final = 1_000
SWEEPS: Final = (1_000, 10_000)


class _Dip(Parameters):
    window: int = parameter(14, "Bars.", ge=2, le=100)


@strategy(name="dip", parameters=_Dip, warm_up=lambda one: one.window + 1)
def dip(bars: Bars, parameters: _Dip) -> Signals:
    """Buy where the RSI of simple means falls below 30."""
    return Signals(long_entries=crossed_below(rsi(bars.close, parameters.window, "simple"), 30.0))


def user_cpu(work: Callable[[], object]) -> float:
    """Return user CPU seconds of one call, repeated until they can be told."""
    calls = 1
    while True:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        for _ in range(calls):
            work()
        spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
        if spent >= LEAST_S:
            return spent / calls
        calls = max(calls + 1, int(calls * LEAST_S * 1.3 / max(spent, 0.01)))


def interleaved(turns: int, **works: Callable[[], object]) -> dict[str, float]:
    """Return the median user CPU of each, taken in turns."""
    for work in works.values():
        work()
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            spent[name].append(user_cpu(work))
    return {name: statistics.median(values) for name, values in spent.items()}


def grid(count: int) -> npt.NDArray[np.int64]:
    """Return (count, 2) pairs of windows, as the peers' ``common.pairs`` makes them."""
    sides = round(count**0.5)
    while count % sides:
        sides -= 1
    others = count // sides
    small = 50
    step = max(1, small // sides) if sides <= small else 1
    fast = [5 + step * place for place in range(sides)]
    slow = [fast[-1] + 5 + (4 if others <= small else 2) * place for place in range(others)]
    return np.array([(first, second) for first in fast for second in slow], dtype=np.int64)


class Backtests:
    """Real minutes on a gap-free grid, as the peers take them, and the table."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        self.limit: Limit | None = build_limit(folder)
        frame = bench.minutes.frame
        self.columns = {
            name: np.ascontiguousarray(frame[name].to_numpy(), dtype=np.float64) for name in COLUMNS
        }
        self.npz = folder / "minutes.npz"
        table: dict[str, Any] = {"ts": np.arange(frame.height), **self.columns}
        np.savez(self.npz, **table)

    def last(self, rows: int) -> dict[str, npt.NDArray[np.float64]]:
        """Return the last rows of every column."""
        return {name: np.ascontiguousarray(values[-rows:]) for name, values in self.columns.items()}

    def bars(self, rows: int) -> Bars:
        """Return fresh bars of the last rows: nothing is prepared or remembered."""
        return _bars(self.last(rows))

    def many_minutes(self, rows: int) -> dict[str, npt.NDArray[np.float64]]:
        """Return as many minutes, of further coins where one has not enough."""
        parts = [self.columns]
        for path in sorted((PEERS.parents[1] / "data" / "candles").glob("[!B]*_1m.parquet")):
            if sum(len(part["close"]) for part in parts) < rows:
                frame = pl.read_parquet(path).sort("time").unique("time", maintain_order=True)
                parts.append({name: frame[name].to_numpy().astype(float) for name in COLUMNS})
        return {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}

    def vectorbt(self, *words: str, data: Path | None = None) -> dict[str, Any] | None:
        """Run a peer's script for vectorbt; None where it is not there."""
        if not (PEERS / "p_vectorbt.py").is_file():
            return None
        script, source = str(PEERS / "p_vectorbt.py"), str(data or self.npz)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", script, source, *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else None

    def one_run(self, rows: int, aim: float) -> None:
        """One backtest with all figures, arrays in memory."""
        columns = self.last(rows)

        def ours() -> object:
            return backtest(
                ma_cross, _bars(columns), {"fast": 20, "slow": 100}, cash=CASH, model=MODEL
            )

        works: dict[str, Callable[[], object]] = {"ours": ours}
        if self.limit is not None:
            limit = self.limit
            works["limit"] = lambda: limit.one(columns["open"], columns["close"], 20, 100)
        spent = interleaved(self.bench.turns, **works)
        words = f"{spent['ours'] * 1e3:.3f} ms"
        if "limit" in spent:
            words += f" = {spent['ours'] / spent['limit']:.2f} x C ({spent['limit'] * 1e3:.3f})"
        peer = self.vectorbt("w1", "--n", str(rows), "--metrics", "stats")
        if peer is not None:
            cpu = peer["user"] + peer["sys"]
            words += f", {cpu / spent['ours']:.0f} x less than vectorbt ({cpu:.3f} s)"
        self.bench.add(
            f"backtest, {rows:,} rows, all figures", words, f"<= {aim:g} x C, >= 15 x vectorbt"
        )

    def sweep(self, count: int, rows: int = 100_000) -> None:
        """Sweep pairs of windows with drawdown and Sharpe for every pair."""
        columns, pairs = self.last(rows), grid(count)
        points = [{"fast": int(fast), "slow": int(slow)} for fast, slow in pairs]

        def ours() -> object:
            return evaluate(ma_cross, _bars(columns), points, model=MODEL, cash=CASH)

        works: dict[str, Callable[[], object]] = {"ours": ours}
        if self.limit is not None:
            limit = self.limit
            works["limit"] = lambda: limit.pairs(columns["open"], columns["close"], pairs)
        spent = interleaved(min(self.bench.turns, 3), **works)
        words = f"{spent['ours']:.3f} s"
        if "limit" in spent:
            words += f" = {spent['ours'] / spent['limit']:.2f} x C ({spent['limit']:.3f})"
        if count == max(SWEEPS):
            peer = self.vectorbt(
                *("w2", "--n", str(rows), "--combos", str(VECTORBT_PAIRS), "--metrics", "all"),
                *("--reps", "2"),
            )
            if peer is not None:
                cpu = (peer["user"] + peer["sys"]) / VECTORBT_PAIRS * count
                words += f", {cpu / spent['ours']:.0f} x less than vectorbt"
                words += f" ({cpu:.0f} s, from {VECTORBT_PAIRS} pairs)"
        self.bench.add(
            f"sweep, {count:,} pairs x {rows:,} rows", words, "<= 2.5 x C, >= 350 x vectorbt"
        )

    def stops(self, rows: int = 100_000, side: int = 100) -> None:
        """Sweep stops and targets of one entry rule."""
        columns = self.last(rows)
        stops, targets = (
            np.ascontiguousarray(values.ravel())
            for values in np.meshgrid(
                np.linspace(0.005, 0.05, side), np.linspace(0.01, 0.1, side), indexing="ij"
            )
        )
        points = [
            {"window": 14, "stop_loss": float(stop), "take_profit": float(target)}
            for stop, target in zip(stops, targets, strict=True)
        ]
        works: dict[str, Callable[[], object]] = {
            "returns": lambda: evaluate(
                dip, _bars(columns), points, model=MODEL, cash=CASH, detail="returns"
            ),
            "all": lambda: evaluate(dip, _bars(columns), points, model=MODEL, cash=CASH),
        }
        if self.limit is not None:
            limit = self.limit
            prices = (columns["open"], columns["high"], columns["low"], columns["close"])
            works["limit"] = lambda: limit.stops(prices, stops, targets)
        spent = interleaved(min(self.bench.turns, 3), **works)
        for name, aim in (("returns", "<= 2 x C"), ("all", "C takes neither drawdown nor Sharpe")):
            words = f"{spent[name]:.3f} s"
            if "limit" in spent:
                words += f" = {spent[name] / spent['limit']:.2f} x C ({spent['limit']:.3f})"
            what = "final equity" if name == "returns" else "all figures"
            self.bench.add(f"{len(points):,} stops x {rows:,} rows, {what}", words, aim)

    def pool(self, rows: int = 20_000) -> None:
        """Many instruments on one pool of cash."""
        columns = self.many_minutes(100 * rows)
        count = min(100, len(columns["close"]) // rows)
        tables = {
            name: np.ascontiguousarray(values[-count * rows :].reshape(count, rows))
            for name, values in columns.items()
        }
        cash, value = 2_000.0 * count, 1_000.0
        model = FillModel(
            costs=Costs(taker_fee_bps=10), sizing=Sizing(kind="fixed_value", value=value)
        )

        def ours() -> object:
            members = {
                f"bench:S{row}/USD": _bars(
                    {name: table[row] for name, table in tables.items()}, f"bench:S{row}/USD"
                )
                for row in range(count)
            }
            return backtest_portfolio(
                ma_cross, members, {"fast": 20, "slow": 100}, cash=cash, model=model
            )

        works: dict[str, Callable[[], object]] = {"ours": ours}
        if self.limit is not None:
            limit = self.limit
            works["limit"] = lambda: limit.pool(tables["open"], tables["close"], cash, value)
        spent = interleaved(self.bench.turns, **works)
        words = f"{spent['ours'] * 1e3:.1f} ms"
        if "limit" in spent:
            words += f" = {spent['ours'] / spent['limit']:.1f} x C ({spent['limit'] * 1e3:.1f})"
        npz = self.folder / "many.npz"
        table: dict[str, Any] = {"ts": np.arange(len(columns["close"])), **columns}
        np.savez(npz, **table)
        peer = self.vectorbt("w4", "--symbols", str(count), "--metrics", "stats", data=npz)
        if peer is not None:
            cpu = peer["user"] + peer["sys"]
            words += f", {cpu / spent['ours']:.0f} x less than vectorbt ({cpu:.2f} s)"
        self.bench.add(
            f"{count} instruments x {rows:,} rows, one cash pool", words, ">= 25 x vectorbt"
        )

    def growth(self) -> None:
        """Whether a sweep grows with its points, and with its rows."""
        points = [{"fast": int(fast), "slow": int(slow)} for fast, slow in grid(1_000)]
        spent = {
            (rows, count): user_cpu(
                lambda rows=rows, count=count: evaluate(
                    ma_cross, self.bars(rows), points[:count], model=MODEL, cash=CASH
                )
            )
            for rows, count in ((50_000, 250), (100_000, 250), (200_000, 250), (100_000, 1_000))
        }
        words = ", ".join(
            f"{count} x {rows // 1000}k: {seconds / count / rows * 1e9:.2f} ns"
            for (rows, count), seconds in spent.items()
        )
        self.bench.add("growth: a pair and bar costs", words, "the same")

    def disk(self, rows: int = 500_000) -> None:
        """From bars kept on disk to all figures."""
        cache = BarCache(self.folder / "bars")
        cache.put("bench", Kept(self.bars(rows), "sha256:0", Gaps(0, rows), None))

        def ours() -> None:
            kept = cache.get("bench")
            assert kept is not None
            backtest(ma_cross, kept.bars, {"fast": 20, "slow": 100}, cash=CASH, model=MODEL)

        spent = interleaved(self.bench.turns, ours=ours)["ours"]
        self.bench.add(
            f"kept on disk to figures, {rows:,} rows", f"{spent * 1e3:.2f} ms", "<= 10 ms"
        )

    def database(self, database: Database, rows: int = 500_000) -> None:
        """From the database to all figures: this process and the server's together."""
        frame = self.bench.minutes.frame
        spec = spec_of(
            {
                "strategy": "ma_cross",
                "instruments": ["bitfinex:BTC/USD"],
                "timeframe": "1m",
                "since": frame["time"][-rows],
                "gap_limit": 1.0,
            }
        )
        spent: list[float] = []
        for _ in range(max(self.bench.turns, 3)):
            before = _all_cpu()
            loaded = load_bars(database, spec)
            backtest(ma_cross, loaded.first, {"fast": 20, "slow": 100}, cash=CASH, model=MODEL)
            spent.append(_all_cpu() - before)
        self.bench.add(
            f"database to figures, {rows:,} rows, client and server",
            f"{statistics.median(spent):.2f} s CPU",
            "<= 0.35 s",
        )

    def start(self) -> None:
        """Measure imports and the first compiled call, in processes of their own."""
        code = (
            "import resource,sys;u=lambda:resource.getrusage(resource.RUSAGE_SELF).ru_utime\n"
            "import backtest.run,backtest.workbench;a=u()\n"
            "loaded=[n for n in ('vectorbt','pandas','scipy') if n in sys.modules]\n"
            "from bench.backtests import first_call;b=u();first_call();c=u()\n"
            "print(a,c-b,','.join(loaded) or 'none')"
        )
        runs = [
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True,
                cwd=Path(__file__).parents[1],
            ).stdout.split()
            for _ in range(self.bench.turns)
        ]  # fmt: skip
        imports = statistics.median(float(one[0]) for one in runs)
        first = statistics.median(float(one[1]) for one in runs)
        self.bench.add("import of the backtest package", f"{imports:.2f} s user", "<= 1.2 s")
        self.bench.add("it loads vectorbt, pandas, scipy", runs[0][2], "none")
        self.bench.add("first compiled backtest, from the disk", f"{first:.2f} s user", "<= 0.6 s")


def first_call() -> None:
    """Run a backtest of a few bars."""
    ones = np.full(300, 100.0) + np.sin(np.arange(300))
    backtest(ma_cross, _bars(dict.fromkeys(COLUMNS, ones)), {"fast": 3, "slow": 9})


@cache
def _times(rows: int) -> npt.NDArray[np.int64]:
    return np.arange(rows, dtype=np.int64) * 60_000_000


def _bars(columns: dict[str, npt.NDArray[np.float64]], instrument: str = "") -> Bars:
    return Bars(
        time=_times(len(columns["close"])),
        open=columns["open"],
        high=columns["high"],
        low=columns["low"],
        close=columns["close"],
        volume=columns["volume"],
        timeframe=MINUTE,
        instrument=instrument,
    )


def _all_cpu() -> float:
    """Return CPU seconds of this process and of the servers that it started or found."""
    import psutil

    own = psutil.Process().cpu_times()
    total = own.user + own.system
    for process in psutil.process_iter(["name", "uids"]):
        if process.info["name"] == "postgres" and process.info["uids"].real == os.getuid():
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def run_backtests(bench: Bench, folder: Path, database: Database) -> None:
    """Measure everything."""
    runs = Backtests(bench, folder)
    runs.start()
    for rows, aim in ((50_000, 5), (500_000, 2)):
        runs.one_run(rows, aim)
    for count in SWEEPS:
        runs.sweep(count)
    runs.stops()
    runs.pool()
    runs.growth()
    run_parallel(bench, runs.bars(100_000))
    runs.disk()
    runs.database(database)
