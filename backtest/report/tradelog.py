"""The list of trades: as CSV, as rows of a table, and how long they lasted."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from backtest.report.numerals import amount, count, instant, iso, percent, span, tone, units
from backtest.report.reportable import Candles, Floats, Records
from candela.fills.records import Reason

__all__ = ["COLUMNS", "REASONS", "Holding", "TradeRow", "csv_link", "holdings", "table_rows"]

REASONS: Final = {
    Reason.SIGNAL: "signal",
    Reason.STOP: "stop",
    Reason.TARGET: "target",
    Reason.TRAILING: "trailing stop",
    Reason.REVERSAL: "reversal",
    Reason.STILL_OPEN: "still open",
    Reason.LIQUIDATION: "liquidation",
    Reason.EXPIRY: "expiry",
    Reason.LIMIT: "limit",
}
COLUMNS: Final = (
    "number",
    "instrument",
    "side",
    "entry_time",
    "entry_price",
    "exit_time",
    "exit_price",
    "units",
    "legs",
    "bars",
    "reason",
    "fees",
    "slippage",
    "funding",
    "pnl",
    "return",
)


class TradeRow(NamedTuple):
    """One trade as the table shows it, in words."""

    number: str
    pnl: str
    returned: str
    side: str
    reason: str
    entered: str
    entry_price: str
    left: str
    exit_price: str
    held: str
    units: str
    costs: str
    instrument: str
    tone: str


def reason_word(code: int) -> str:
    """Return the word for a reason; a code of a later version is shown as it is."""
    return REASONS[Reason(code)] if code in set(Reason) else f"reason {code}"


def side_word(direction: int, *, bets: bool) -> str:
    """Return long or short; call or put in a fixed-payout run."""
    if bets:
        return "call" if direction > 0 else "put"
    return "long" if direction > 0 else "short"


def held_bars(trades: Records, bars: int) -> Sequence[int]:
    """Return how many bars each trade lasted; one that is open lasts to the last bar."""
    last = np.where(trades["exit_bar"] < 0, bars - 1, trades["exit_bar"])
    return (last - trades["entry_bar"]).tolist()


def _names(trades: Records, instruments: Sequence[str]) -> list[str]:
    return [
        instruments[number] if 0 <= number < len(instruments) else str(number)
        for number in (int(row) for row in trades["instrument"])
    ]


def _lines(
    trades: Records, bars: Candles, instruments: Sequence[str], *, bets: bool
) -> Iterator[list[object]]:
    time = bars.time.tolist()
    held = held_bars(trades, len(bars))
    names = _names(trades, instruments)
    columns = {name: trades[name].tolist() for name in trades.dtype.names or ()}
    for row in range(len(trades)):
        exit_bar = columns["exit_bar"][row]
        yield [
            row + 1,
            names[row],
            side_word(columns["direction"][row], bets=bets),
            iso(time[columns["entry_bar"][row]]),
            columns["entry_price"][row],
            iso(time[exit_bar]) if exit_bar >= 0 else "",
            columns["exit_price"][row],
            columns["units"][row],
            columns["legs"][row],
            held[row],
            reason_word(columns["reason"][row]),
            columns["fees"][row],
            columns["slippage"][row],
            columns["funding"][row],
            columns["pnl"][row],
            columns["return_ratio"][row],
        ]


def csv_link(
    trades: Records, bars: Candles, instruments: Sequence[str], *, bets: bool = False
) -> str:
    """Return every trade as CSV inside a ``data:`` link; numbers in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["stake" if bets and name == "units" else name for name in COLUMNS])
    writer.writerows(_lines(trades, bars, instruments, bets=bets))
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(
        text.getvalue().encode()
    ).decode("ascii")


def table_rows(
    trades: Records,
    bars: Candles,
    instruments: Sequence[str],
    decimals: int,
    *,
    bets: bool = False,
) -> list[TradeRow]:
    """Return the trades as words; costs are fees and slippage, less funding received."""
    seconds = bars.timeframe.seconds
    time = bars.time.tolist()
    names = _names(trades, instruments)
    rows: list[TradeRow] = []
    for number, (trade, held) in enumerate(
        zip(trades, held_bars(trades, len(bars)), strict=True), start=1
    ):
        exit_bar = int(trade["exit_bar"])
        pnl = float(trade["pnl"])
        costs = float(trade["fees"] + trade["slippage"] - trade["funding"])
        rows.append(
            TradeRow(
                number=count(number),
                pnl=amount(pnl),
                returned=percent(float(trade["return_ratio"])),
                side=side_word(int(trade["direction"]), bets=bets),
                reason=reason_word(int(trade["reason"])),
                entered=instant(time[int(trade["entry_bar"])]),
                entry_price=amount(float(trade["entry_price"]), decimals),
                left=instant(time[exit_bar]) if exit_bar >= 0 else "still open",
                exit_price=amount(float(trade["exit_price"]), decimals),
                held=span(held * seconds),
                units=units(float(trade["units"])),
                costs=amount(costs),
                instrument=names[number - 1],
                tone=tone(pnl),
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class Holding:
    """The closed trades that lasted so many bars."""

    label: str
    trades: int
    win_rate: float
    mean_return: float
    pnl: float


_EDGES: Final = (0, 1, 2, 6, 21, 51, 201)


def holdings(trades: Records) -> list[Holding]:
    """Return the closed trades by their length in bars, shortest first; empty classes are left."""
    closed = trades[trades["exit_bar"] >= 0]
    length = closed["exit_bar"] - closed["entry_bar"]
    classes = np.searchsorted(_EDGES, length, side="right") - 1
    found: list[Holding] = []
    for number, low in enumerate(_EDGES):
        mine = closed[classes == number]
        if not len(mine):
            continue
        pnl: Floats = mine["pnl"]
        found.append(
            Holding(
                label=_class_label(number, low),
                trades=len(mine),
                win_rate=float(np.mean(pnl > 0)),
                mean_return=float(np.mean(mine["return_ratio"])),
                pnl=float(pnl.sum()),
            )
        )
    return found


def _class_label(number: int, low: int) -> str:
    if number + 1 == len(_EDGES):
        return f"{low}+"
    high = _EDGES[number + 1] - 1
    return str(low) if low == high else f"{low}-{high}"
