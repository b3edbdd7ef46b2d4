"""A bot's configuration from a command line: a file, options, and any field by its path."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from candela.commands.fileoptions import BadOption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from candela.bots.config import BotConfig
    from candela.bots.definition import Definition
    from live.commands.opening import Operator

__all__ = [
    "AcknowledgeOption",
    "ConfigOption",
    "ParamOption",
    "RuinOption",
    "SetOption",
    "configured",
    "read_config",
    "values_of",
]

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="JSON file with fields of the configuration; - is stdin."),
]
ParamOption = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="A strategy's parameter: fast=20.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any field by its path: limits.daily_loss=50, sizing.cap=0.5."),
]
RuinOption = Annotated[
    str | None,
    typer.Option(
        "--ruin",
        help="With limits.martingale: win_rate=0.55,rounds=1000[,payout=0.8] of its estimate.",
    ),
]
AcknowledgeOption = Annotated[
    bool, typer.Option("--acknowledge-ruin", help="The estimate was read and is accepted.")
]


def read_config(path: Path | None) -> dict[str, Any]:
    """Read fields from a JSON file; none without one.

    Raises
    ------
    BadOption
        It cannot be read, or is no JSON object.
    """
    if path is None:
        return {}
    hint = "`candela bot show NAME --json` prints one."
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
        found = json.loads(text, parse_float=str)
    except (OSError, ValueError) as error:
        raise BadOption(f"{path} cannot be read as JSON: {error}.", hint) from None
    if not isinstance(found, dict):
        raise BadOption(f"{path} holds no JSON object.", hint)
    fields = cast("dict[str, Any]", found)
    return cast("dict[str, Any]", fields.get("config", fields))


def values_of(
    base: Mapping[str, Any],
    given: Mapping[str, Any],
    sizing: str | None,
    assigned: Sequence[str],
) -> dict[str, Any]:
    """Lay options that were given, then fields by their path, over a configuration.

    Raises
    ------
    BadOption
        A text is no assignment, or a path leads through something that has no parts.
    """
    values = cast("dict[str, Any]", json.loads(json.dumps(dict(base))))
    values |= {name: value for name, value in given.items() if value is not None}
    if sizing is not None:
        kind, colon, value = sizing.partition(":")
        if not colon:
            raise BadOption(f"--sizing {sizing!r} has no value.", "Write it as fraction:0.5.")
        values["sizing"] = {"kind": kind, "value": value}
    for text in assigned:
        _assign(values, text)
    return values


def configured(
    operator: Operator,
    values: Mapping[str, Any],
    pairs: Sequence[str],
    *,
    ruin: str | None = None,
    acknowledge: bool = False,
    folder: Path | None = None,
) -> tuple[BotConfig, Definition]:
    """Check a configuration and its strategy's parameters; return both in full.

    Parameters
    ----------
    pairs
        Parameters as ``name=value``.

    Raises
    ------
    CandelaError
        Whatever is wrong with it, in one sentence.
    """
    from candela.bots.config import config_from
    from candela.bots.costs import usual_costs
    from strategies.defining import define
    from strategies.registry import find
    from strategies.values import read_values

    wanted = dict(values)
    name = str(wanted.get("strategy") or "")
    if not name:
        raise BadOption("No strategy is named.", "Give --strategy; `candela strategy list` shows.")
    found = find(name, folder=folder or operator.settings.strategies_dir)
    known = cast("dict[str, Any]", wanted.get("parameters") or {})
    # Names alone on a command line are corrected, where a file's are refused as they are.
    merged = found.with_values(known | _split(pairs)) if known else None
    parameters = merged or read_values(found, pairs)
    wanted |= {"strategy": found.name, "parameters": parameters.model_dump(mode="json")}
    if "costs" not in wanted and (fees := usual_costs(str(wanted.get("instrument", "")))):
        wanted["costs"] = fees
    config = config_from(wanted)
    if config.martingale is not None and not config.martingale.is_acknowledged:
        config = _with_ruin_read(operator, config, ruin, acknowledge=acknowledge)
    return config, define(found, parameters, config.traded, config.interval)


def _split(pairs: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            message = f"{pair!r} gives no parameter a value."
            raise BadOption(message, "Write name=value, such as fast=20.")
        found[name.strip()] = text.strip()
    return found


def _assign(values: dict[str, Any], text: str) -> None:
    path, equals, value = text.partition("=")
    *way, last = path.strip().split(".")
    if not equals or not last:
        raise BadOption(f"--set {text!r} sets nothing.", "Write it as limits.daily_loss=50.")
    place = values
    for step in way:
        inner = place.setdefault(step, {})
        if inner is None:
            inner = place[step] = {}
        if not isinstance(inner, dict):
            raise BadOption(f"--set {path}: {step} has no parts.", "Give it as a whole, in JSON.")
        place = cast("dict[str, Any]", inner)
    place[last] = _value(value.strip())


def _value(text: str) -> object:
    """Return none, JSON for lists and objects, else the text, which the schema makes a number."""
    if text in {"", "none", "null"}:
        return None
    if text[0] in "[{":
        try:
            return json.loads(text, parse_float=str)
        except ValueError:
            return text
    return text


def _with_ruin_read(
    operator: Operator, config: BotConfig, ruin: str | None, *, acknowledge: bool
) -> BotConfig:
    """Show the estimate of a ladder, and keep with it that it was accepted."""
    from candela.bots.checks import ruin_of
    from candela.risk.martingale import acknowledge as accept
    from live.commands.opening import amount

    ladder = config.martingale
    if ruin is None or ladder is None:
        return config  # refused by the checks of every bot
    told = _split(ruin.split(","))
    usual = "0" if config.payout is None else str(config.payout.payout)
    payout = amount(told.get("payout", usual), "--ruin payout")
    rounds = int(amount(told.get("rounds", "1000"), "--ruin rounds"))
    rate = float(amount(told.get("win_rate", ""), "--ruin win_rate"))
    estimate = ruin_of(
        ladder, payout_ratio=payout, bankroll=config.capital, win_rate=rate, rounds=rounds
    )
    for line in estimate.words:
        operator.output.note(line)
    if not acknowledge:
        return config
    word = accept(estimate, ladder.ruin_cap_ratio, rounds=rounds, at=operator.clock.now())
    read = ladder.model_copy(update={"acknowledgement": word})
    limits = config.limits.model_copy(update={"martingale": read})
    return config.model_copy(update={"limits": limits})
