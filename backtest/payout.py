"""Fixed-payout backtests: a strategy's calls and puts over bars, their figures and their ruin."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backtest.manifest import Origin, engine_digest, identity, versions
from backtest.payout_result import PayoutResult, mean_payout
from backtest.run import origin_of, year_of
from backtest.spec import BadSpec
from candela.metrics.figures import figures
from candela.metrics.trades import sums_of_trades
from candela.payout.breakeven import break_even_rate, edge_ratio, win_rate_interval
from candela.payout.contracts import Outcome
from candela.payout.rules import PayoutRules
from candela.payout.simulate import Played, simulate_payout
from strategies.bars import Bars
from strategies.conditions import Mask, events_of
from strategies.definition import Parameters, Strategy
from strategies.signals import Condition

__all__ = ["payout_backtest", "run_payout"]

Floats = npt.NDArray[np.float64]
Records = npt.NDArray[np.void]

_RULES: Final = PayoutRules()
_DEFAULT_CASH: Final = Decimal(1_000)
_SETTLED: Final = np.dtype(
    [("exit_bar", np.int64), ("pnl", np.float64), ("return_ratio", np.float64)]
)


def run_payout(
    strategy: Strategy[Any],
    bars: Bars,
    parameters: Mapping[str, Any] | Parameters | None = None,
    *,
    rules: PayoutRules = _RULES,
    cash: Decimal | float | str = _DEFAULT_CASH,
    payout: Floats | None = None,
    origin: Origin | None = None,
) -> PayoutResult:
    """Run a strategy's calls and puts; see `payout_backtest`.

    Raises
    ------
    BadParameters, StrategyFailed, BadSignals, BadCondition
        The strategy cannot be run so, or went wrong.
    BadSpec, BadDecisions, BadLadder
        The bars, the cash or the stakes allow no simulation.
    """
    chosen = parameters if isinstance(parameters, Parameters) else strategy.with_values(parameters)
    signals = strategy.signals(bars, chosen)
    return payout_backtest(
        bars,
        signals.calls,
        signals.puts,
        signals.expiry,
        rules,
        cash=cash,
        payout=payout,
        origin=origin,
        panes=signals.panes,
        strategy={"name": strategy.name, "source_digest": strategy.source_digest},
        parameters=chosen.model_dump(),
    )


def payout_backtest(
    bars: Bars,
    calls: Condition | None,
    puts: Condition | None,
    expiry: npt.NDArray[np.int64] | int,
    rules: PayoutRules = _RULES,
    *,
    cash: Decimal | float | str = _DEFAULT_CASH,
    payout: Floats | None = None,
    origin: Origin | None = None,
    panes: Mapping[str, Floats] | None = None,
    strategy: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> PayoutResult:
    """Play calls and puts, each decided at the close of its bar.

    Parameters
    ----------
    expiry
        Bars until expiry; one for all, or one for each bar.
    cash
        Money at the start, a whole number of money steps of the rules.
    payout
        (n,) payouts at each entry bar where they vary; 0 or NaN: none is offered.
    origin
        Where the bars came from; without it the manifest knows their digest only.
    strategy, parameters
        What the manifest says decided.

    Raises
    ------
    BadCondition
        Calls or puts are not one decision for each bar.
    BadSpec
        There are no bars, or no cash.
    BadDecisions, BadLadder
        The cash, an expiry, a payout or the stakes allow no simulation.
    """
    n = len(bars)
    if n == 0:
        raise BadSpec("There are no bars to run on.", "Choose a span that holds candles.")
    money = _money(cash)
    decided = events_of(calls, n, "calls"), events_of(puts, n, "puts")
    played = simulate_payout(
        bars.time,
        bars.open,
        bars.close,
        _mask(decided[0], n),
        _mask(decided[1], n),
        np.broadcast_to(np.asarray(expiry, dtype=np.int64), (n,))
        if np.ndim(expiry) == 0
        else np.asarray(expiry, dtype=np.int64),
        length_us=bars.timeframe.seconds * 1_000_000,
        rules=rules,
        cash=money,
        payout=payout,
    )

    def manifest() -> dict[str, Any]:
        return _manifest_of(
            bars, rules, money, origin, strategy or {}, parameters or {}, decided, expiry, payout
        )

    return PayoutResult(
        bars=bars,
        rules=rules,
        cash=money,
        metrics=_metrics(bars, played, rules),
        contracts=played.contracts,
        equity=played.equity,
        free_cash=played.cash,
        sums=played.sums,
        panes=panes or {},
        _payouts_vary=payout is not None,
        _manifest=manifest,
    )


def _metrics(bars: Bars, played: Played, rules: PayoutRules) -> dict[str, float | int]:
    contracts = played.contracts
    outcomes = contracts["outcome"]
    settled = int((outcomes != Outcome.OPEN).sum())
    ties = int((outcomes == Outcome.TIE).sum())
    wins = int((outcomes == Outcome.WIN).sum())
    decided = settled - ties if rules.refund_ties else settled
    win_rate = wins / decided if decided else float("nan")
    tie_rate = ties / settled if settled else float("nan")
    lowest, highest = win_rate_interval(wins, decided)
    payout = mean_payout(contracts, rules)
    refunded = tie_rate if rules.refund_ties and decided else 0.0
    edge = edge_ratio(payout, win_rate, tie_rate=refunded) if decided else float("nan")
    staked = float(contracts["stake"][outcomes != Outcome.OPEN].sum())
    trades = np.zeros(len(contracts), dtype=_SETTLED)
    trades["exit_bar"] = contracts["expiry_bar"]
    trades["pnl"] = contracts["pnl"]
    trades["return_ratio"] = contracts["pnl"] / contracts["stake"]
    length_s = bars.timeframe.seconds
    return {
        **figures(
            played.sums,
            sums_of_trades(trades),
            bars_per_year=year_of(bars),
            span_s=float(bars.time[-1] - bars.time[0]) / 1e6 + length_s,
            timeframe_s=length_s,
            benchmark_return=float(bars.close[-1] / bars.open[0] - 1.0),
        ),
        "win_rate": win_rate,
        "win_rate_low": lowest,
        "win_rate_high": highest,
        "break_even_rate": break_even_rate(payout),
        "mean_payout": payout,
        "edge": edge,
        "return_on_stakes": float(contracts["pnl"].sum()) / staked if staked else float("nan"),
        "decided": decided,
        "ties": ties,
        "tie_rate": tie_rate,
        "skipped": played.skipped,
        "late": played.late,
        "ruin_bar": played.ruin_bar,
    }


def _money(cash: Decimal | float | str) -> Decimal:
    try:
        money = Decimal(str(cash))
    except ArithmeticError:
        money = Decimal("NaN")
    if not (money.is_finite() and money > 0):
        message = f"A run cannot start with {cash} in cash."
        raise BadSpec(message, "Give a positive amount.")
    return money


def _mask(rows: npt.NDArray[np.int64], n: int) -> Mask:
    mask = np.zeros(n, dtype=np.bool_)
    mask[rows] = True
    return mask


def _manifest_of(
    bars: Bars,
    rules: PayoutRules,
    cash: Decimal,
    origin: Origin | None,
    strategy: Mapping[str, str],
    parameters: Mapping[str, Any],
    decided: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    expiry: npt.NDArray[np.int64] | int,
    payout: Floats | None,
) -> dict[str, Any]:
    source = origin or origin_of(bars)
    manifest: dict[str, Any] = {
        "kind": "payout",
        # Decisions that no strategy names are told by their digest.
        "strategy": dict(strategy) or {"decisions_digest": _digest(*decided)},
        "parameters": dict(parameters),
        "instruments": list(source.instruments),
        "reads": list(source.reads),
        "timeframe": source.timeframe,
        "since": source.since,
        "until": source.until,
        "as_of": source.as_of,
        "data_digest": source.digest,
        "rows": source.rows,
        "gaps": source.gaps.as_dict(),
        "engine": {"name": "candela", "digest": engine_digest()},
        "payout_rules": rules.model_dump(mode="json"),
        "expiry": expiry if isinstance(expiry, int) else _digest(np.asarray(expiry)),
        "payouts_digest": None if payout is None else _digest(payout),
        "cash": str(cash),
        "versions": versions(),
    }
    return {"id": identity(manifest), **manifest}


def _digest(*arrays: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(len(array).to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return f"sha256:{digest.hexdigest()}"
