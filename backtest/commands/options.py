"""Options of the command line that make the spec of a run, and how they become one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import typer

from candela.errors import StrategyError

if TYPE_CHECKING:
    from backtest.spec import BacktestSpec
    from backtest.workbench import Workbench
    from strategies.definition import Strategy

__all__ = [
    "AsOf",
    "BadOption",
    "Cash",
    "Fill",
    "Folder",
    "Funding",
    "GapLimit",
    "Instruments",
    "Intrabar",
    "Leverage",
    "Lot",
    "MakerFee",
    "MinNotional",
    "NoRecord",
    "Parameters",
    "Payout",
    "Plots",
    "Seed",
    "Sizing",
    "Slippage",
    "Spread",
    "Stake",
    "StopLoss",
    "TakeFee",
    "TakeProfit",
    "Tick",
    "Timeframe",
    "TrailingStop",
    "Workers",
    "asked",
    "parameters_of",
    "write_report",
]

Instruments = Annotated[
    list[str] | None,
    typer.Option("--instrument", "-i", help="exchange:SYMBOL; again for a portfolio."),
]
Timeframe = Annotated[str | None, typer.Option("--timeframe", "-t", help="Such as 1m, 1h or 1d.")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Use the candles as they were known at this instant.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", help="A parameter of the strategy, such as fast=20."),
]
Cash = Annotated[float, typer.Option("--cash", help="Quote at the start.")]
TakeFee = Annotated[float, typer.Option("--fee-bps", help="Fee of market orders, basis points.")]
MakerFee = Annotated[
    float | None, typer.Option("--maker-fee-bps", help="Fee of limit orders; else as --fee-bps.")
]
Slippage = Annotated[
    float, typer.Option("--slippage-bps", help="Market orders fill worse by this.")
]
Spread = Annotated[
    float, typer.Option("--spread-bps", help="Quoted spread; market orders pay half of it.")
]
Fill = Annotated[
    Literal["next_open", "close"],
    typer.Option("--fill", help="Orders fill at the next bar's open, or at the bar's own close."),
]
StopLoss = Annotated[
    float | None, typer.Option("--stop-loss", help="Distance from the fill price, such as 0.02.")
]
TakeProfit = Annotated[
    float | None, typer.Option("--take-profit", help="Distance from the fill price, such as 0.05.")
]
TrailingStop = Annotated[
    float | None, typer.Option("--trailing-stop", help="Distance from the best price since.")
]
Sizing = Annotated[
    str | None,
    typer.Option(
        "--sizing",
        help="kind:value: fraction:0.5, fixed_value:1000, fixed_units:0.1, risk:0.01,"
        " volatility_target:0.2, kelly:0.5, martingale:10.",
    ),
]
Leverage = Annotated[float, typer.Option("--leverage", help="Positions over equity at most.")]
Lot = Annotated[float, typer.Option("--lot", help="Step of the quantity; 0: none.")]
Tick = Annotated[float, typer.Option("--tick", help="Step of the price; 0: none.")]
MinNotional = Annotated[
    float, typer.Option("--min-notional", help="Smaller entries are rejected; 0: none.")
]
VenueTerms = Annotated[
    bool,
    typer.Option(
        "--venue-terms",
        help="Fees of the venue's first tier and its stored steps, where no option says otherwise.",
    ),
]
Funding = Annotated[bool, typer.Option("--funding", help="Pay the recorded funding rates.")]
Intrabar = Annotated[
    Literal["worst_case", "minutes"],
    typer.Option("--intrabar", help="Inside a bar the stop comes first, or stored minutes decide."),
]
GapLimit = Annotated[
    float | None,
    typer.Option("--gap-limit", help="Largest share of absent candles, 0 to 1 (default 0.2)."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of what is drawn.")]
NoRecord = Annotated[bool, typer.Option("--no-record", help="Keep nothing: it counts as no trial.")]
Folder = Annotated[Path | None, typer.Option("--folder", help="Folder of your own strategies.")]
Payout = Annotated[
    float | None,
    typer.Option("--payout", help="Fixed payout: profit of a win over its stake, such as 0.8."),
]
Stake = Annotated[
    str | None,
    typer.Option("--stake", help="Fixed payout: fixed:10, fraction:0.01 or martingale:1."),
]
Plots = Annotated[Path | None, typer.Option("--plots", help="Write pictures into this folder.")]
Workers = Annotated[
    int, typer.Option("--workers", min=1, max=256, help="Processes to spread the work over.")
]

_SIZINGS: Final = (
    *("fraction", "fixed_value", "fixed_units", "risk", "volatility_target", "kelly"),
    "martingale",
)
_STAKES: Final = ("fixed", "fraction", "martingale")


class BadOption(StrategyError):
    """An option says something that cannot be understood."""

    code = "bad_option_value"
    # As for other mistakes on the command line.
    exit_code: ClassVar[int] = 2


def asked(bench: Workbench, name: str, given: Mapping[str, Any]) -> BacktestSpec:
    """Return the spec that the options of a command ask for.

    Parameters
    ----------
    name
        Of the strategy, as it was given; its parameters say what the texts of ``parameters`` mean.
    given
        The command's options by the names of its arguments.

    Raises
    ------
    BadSpec, BadParameters, BadOption
        Names each value that cannot be.
    NoTerms
        The venue's terms are asked for and not known.
    """
    from backtest.spec import spec_of
    from candela.commands.instants import instant, ordered

    strategy = bench.strategy(name)
    since, until = ordered(instant(given["since"]), instant(given["until"]))
    if not given["instrument"]:
        message = "No instrument is named."
        raise BadOption(
            message, "Give one, such as -i bitvavo:BTC/EUR; `candela sources` has them."
        )
    if given["timeframe"] is None:
        message = "No timeframe is named."
        raise BadOption(message, "Give one, such as -t 1h.")
    values: dict[str, Any] = {
        "strategy": name,
        "parameters": parameters_of(strategy, given["parameter"] or []),
        "instruments": tuple(given["instrument"]),
        "timeframe": given["timeframe"],
        "since": since,
        "until": until,
        "as_of": instant(given["as_of"]),
        "cash": given["cash"],
        "execution": {"fill": given["fill"], "intrabar": given["intrabar"]},
        "costs": {
            "taker_fee_bps": given["fee_bps"],
            "maker_fee_bps": given["maker_fee_bps"],
            "slippage_bps": given["slippage_bps"],
            "spread_bps": given["spread_bps"],
            "funding": given["funding"],
        },
        "rules": {
            "lot": given["lot"],
            "tick": given["tick"],
            "minimum_notional": given["min_notional"],
            "leverage": given["leverage"],
        },
        "protection": {one: given[one] for one in ("stop_loss", "take_profit", "trailing_stop")},
        "seed": given["seed"],
    }
    if given["venue_terms"]:
        for part, terms in bench.terms(*given["instrument"]).items():
            said = values[part]
            values[part] = said | {one: value for one, value in terms.items() if not said[one]}
    if given["sizing"] is not None:
        kind, value = _kind_and_value("--sizing", given["sizing"], _SIZINGS)
        values["sizing"] = {"kind": kind, "value": float(value)}
    if given.get("payout") is not None or given.get("stake") is not None:
        values["payout"] = _payout(strategy, given)
    if given["gap_limit"] is not None:
        values["gap_limit"] = given["gap_limit"]
    return spec_of(values)


def parameters_of(strategy: Strategy[Any], texts: list[str]) -> dict[str, Any]:
    """Return parameters from texts such as ``fast=20``, each as its parameter holds it.

    Raises
    ------
    BadOption
        A text has no ``=``, or names a parameter twice.
    BadParameters
        The strategy has no such parameter.
    BadAxis
        A value that it cannot take.
    """
    from backtest.sweep.axes import check_value

    found: dict[str, Any] = {}
    for text in texts:
        name, has_value, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not has_value or not name or not value:
            message = f"{text!r} is no parameter with a value."
            raise BadOption(message, "Write -p name=value, such as -p fast=20.")
        if name in found:
            message = f"The parameter {name} is given twice."
            raise BadOption(message, "Give it once.")
        if name not in strategy.parameters.model_fields:
            # Says what the strategy takes.
            strategy.with_values({name: value})
        found[name] = check_value(strategy, name, _plain(value))
    return found


def _plain(text: str) -> object:
    """Return lists and maps from their JSON; anything else as the text that it is."""
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def write_report(path: Path, html: str) -> None:
    """Write a report to a file, its folder made where it is not there.

    Raises
    ------
    BadOption
        It cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        message = f"The report cannot be written to {path}: {error.strerror}."
        hint = "Choose a file in a folder that you may write to."
        raise BadOption(message, hint) from None


def _payout(strategy: Strategy[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    if strategy.kind != "fixed_payout":
        message = f"{strategy.name} makes no calls or puts."
        raise BadOption(message, "Leave out --payout and --stake.")
    rules: dict[str, Any] = {"fill": given["fill"]}
    if given["payout"] is not None:
        rules["payout"] = str(given["payout"])
    if given["stake"] is not None:
        kind, value = _kind_and_value("--stake", given["stake"], _STAKES)
        rules["sizing"] = {"kind": kind, "value": value}
    return rules


def _kind_and_value(option: str, text: str, kinds: tuple[str, ...]) -> tuple[str, str]:
    kind, has_value, value = text.partition(":")
    value = value.strip() if has_value else "1"
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if kind not in kinds or not 0 < number < math.inf:
        message = f"{option} {text} is no way to size an entry."
        raise BadOption(message, f"Write kind:value with a kind of {', '.join(kinds)}.")
    return kind, value
