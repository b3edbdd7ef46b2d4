"""The options that every command of a run has, declared once and handed over as one mapping."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, Final, Literal

import typer

from backtest.commands import options
from candela.commands.instants import SinceOption, UntilOption
from candela.commands.output import JsonFlag

__all__ = [
    "GIVEN",
    "PAYOUT_TOO",
    "of_a_payout",
    "of_a_run",
    "of_a_sweep",
    "refuse_others",
    "with_options",
]

Command = Callable[..., None]

GIVEN: Final = "given"
"""The argument through which a command gets all its options by name."""

_ALWAYS: Final = frozenset({"folder", "plots", "no_record", "as_json"})
PAYOUT_TOO: Final = frozenset(
    {"instrument", "timeframe", "since", "until", "as_of", "parameter", "cash", "fill"}
    | {"gap_limit", "seed", "payout", "stake"}
)
"""Options of a run that a bet on fixed payouts has as well."""


def of_a_run(
    instrument: options.Instruments = None,
    timeframe: options.Timeframe = None,
    since: SinceOption = None,
    until: UntilOption = None,
    as_of: options.AsOf = None,
    parameter: options.Parameters = None,
    cash: options.Cash = 10_000.0,
    fee_bps: options.TakeFee = 0.0,
    maker_fee_bps: options.MakerFee = None,
    slippage_bps: options.Slippage = 0.0,
    spread_bps: options.Spread = 0.0,
    fill: options.Fill = "next_open",
    stop_loss: options.StopLoss = None,
    take_profit: options.TakeProfit = None,
    trailing_stop: options.TrailingStop = None,
    sizing: options.Sizing = None,
    leverage: options.Leverage = 1.0,
    lot: options.Lot = 0.0,
    tick: options.Tick = 0.0,
    min_notional: options.MinNotional = 0.0,
    venue_terms: options.VenueTerms = False,
    funding: options.Funding = False,
    intrabar: options.Intrabar = "worst_case",
    gap_limit: options.GapLimit = None,
    seed: options.Seed = 0,
    folder: options.Folder = None,
    plots: options.Plots = None,
    no_record: options.NoRecord = False,
    as_json: JsonFlag = False,
) -> None:
    """Declare what a run is asked to be, and what becomes of it."""


def of_a_payout(payout: options.Payout = None, stake: options.Stake = None) -> None:
    """Declare what a bet on fixed payouts pays and stakes."""


def of_a_sweep(
    axis: Annotated[
        list[str] | None,
        typer.Option("--axis", "-a", help="What to try: fast=5:50:5, kind=simple,exponential."),
    ] = None,
    method: Annotated[
        Literal["grid", "random", "optuna"],
        typer.Option("--method", help="Every point, points by chance, or a search that learns."),
    ] = "grid",
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Points to try; not of a grid.")
    ] = None,
    objective: Annotated[
        str, typer.Option("--objective", help="Figure that the best point has most of.")
    ] = "sharpe",
    direction: Annotated[
        Literal["max", "min"] | None,
        typer.Option("--direction", help="Whether more is better; else as the figure says."),
    ] = None,
    workers: options.Workers = 1,
) -> None:
    """Declare what is tried, and by how many processes."""


def with_options(*declared: Command) -> Callable[[Command], Command]:
    """Give a command the options of these declarations, between its argument and its own options.

    Typer reads them from the signature; the command gets all of them by name in ``given``.
    """
    shared = [one for part in declared for one in _parameters(part).values()]

    def wrap(command: Command) -> Command:
        own = _parameters(command)
        del own[GIVEN]
        argument, *rest = own.values()

        @wraps(command)
        def called(**given: Any) -> None:
            command(given=given, **{name: given[name] for name in own})

        every = [argument, *shared, *rest]
        del called.__wrapped__  # its signature is not the one that counts
        called.__signature__ = inspect.Signature(every)  # pyright: ignore[reportAttributeAccessIssue]
        called.__annotations__ = {one.name: one.annotation for one in every}
        return called

    return wrap


def refuse_others(
    given: Mapping[str, Any], what: str, *, allowed: frozenset[str] = frozenset()
) -> None:
    """Refuse options that were given and would do nothing.

    Raises
    ------
    BadOption
        Names them.
    """
    declared = _parameters(of_a_run) | _parameters(of_a_payout)
    idle = [
        f"--{name.replace('_', '-')}"
        for name, one in declared.items()
        if name not in _ALWAYS | allowed and given[name] not in (one.default, [], ())
    ]
    if idle:
        message = f"{', '.join(idle)} is no option {what}."
        raise options.BadOption(message, "Leave it out.")


def _parameters(function: Command) -> dict[str, inspect.Parameter]:
    found: Mapping[str, inspect.Parameter] = inspect.signature(function, eval_str=True).parameters
    return {
        name: one.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for name, one in found.items()
    }
