"""What a run assumed, in sentences: fills, costs, sizing, data and identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from backtest.report.numerals import amount, count, percent
from candela.fills.model import Costs, Execution, Sizing, VenueRules

__all__ = ["Fact", "assumed", "mapping", "parameters", "strategy_name", "texts"]

_Model = TypeVar("_Model", bound=BaseModel)


class Fact(NamedTuple):
    """A word and what is to be said of it."""

    word: str
    said: str


def mapping(value: object) -> Mapping[str, object]:
    """Return a part of a manifest as a mapping; what is none is empty."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return {}


def texts(value: object) -> list[str]:
    """Return a part of a manifest as a list of texts."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Sequence):
        return [str(part) for part in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return []


def strategy_name(manifest: Mapping[str, object]) -> str:
    """Return the name of the strategy."""
    strategy = manifest.get("strategy")
    return strategy if isinstance(strategy, str) else str(mapping(strategy).get("name", "strategy"))


def parameters(manifest: Mapping[str, object]) -> list[Fact]:
    """Return the parameters as words and values."""
    return [Fact(name, str(value)) for name, value in mapping(manifest.get("parameters")).items()]


def _model(kind: type[_Model], value: object) -> _Model:
    """Return a part of the manifest as its model; fields of a later version are passed over."""
    known = {name: part for name, part in mapping(value).items() if name in kind.model_fields}
    return kind.model_validate(known)


def assumed(manifest: Mapping[str, object], unit: str) -> list[Fact]:
    """Return what the run took for granted, a fact a line.

    Parameters
    ----------
    manifest
        The manifest of the run.
    unit
        The currency of its money.
    """
    facts = _bets(manifest, unit) if "payout_rules" in manifest else _orders(manifest, unit)
    cash = manifest.get("cash")
    if cash is not None:
        facts.append(Fact("Cash at the start", amount(float(str(cash)), unit=unit)))
    facts += [
        Fact("Candles", _candles(manifest)),
        Fact("Gaps in the candles", _gaps(mapping(manifest.get("gaps")))),
    ]
    for word, key in (
        ("Data as they stood at", "as_of"),
        ("Digest of the candles", "data_digest"),
        ("Engine", "engine"),
        ("Random seed", "seed"),
    ):
        value = manifest.get(key)
        if value is not None:
            facts.append(Fact(word, _plain(value)))
    source = mapping(manifest.get("strategy")).get("source_digest")
    if source is not None:
        facts.append(Fact("Digest of the strategy's source", str(source)))
    return facts


def _orders(manifest: Mapping[str, object], unit: str) -> list[Fact]:
    facts = [
        Fact("Fills", _fills(_model(Execution, manifest.get("execution")))),
        Fact("Costs", _costs(_model(Costs, manifest.get("costs")))),
        Fact("Size of an entry", _sizing(_model(Sizing, manifest.get("sizing")), unit)),
        Fact("Rules of the venue", _rules(_model(VenueRules, manifest.get("rules")), unit)),
    ]
    protection = mapping(manifest.get("protection"))
    given = [
        f"{name.replace('_', ' ')} {percent(value)}"
        for name, value in protection.items()
        if isinstance(value, int | float)
    ]
    if given:
        facts.append(Fact("In place of the strategy's own", ", ".join(given)))
    return facts


def _bets(manifest: Mapping[str, object], unit: str) -> list[Fact]:
    rules = mapping(manifest["payout_rules"])
    sizing = mapping(rules.get("sizing"))
    entered = (
        "the open of the next candle" if rules.get("fill") == "next_open" else "that same close"
    )
    value = float(str(sizing.get("value", "nan")))
    stake = {
        "fixed": f"{amount(value, unit=unit)} each.",
        "fraction": f"{percent(value)} of the cash.",
        "martingale": f"A ladder: {amount(value, unit=unit)} first, {sizing.get('factor')} times"
        f" the stake after each loss, {sizing.get('steps')} steps; then it starts again.",
    }.get(str(sizing.get("kind")), str(sizing.get("kind")))
    return [
        Fact("Contracts", f"Decided when a candle closes, entered at {entered}."),
        Fact("Expiry", f"{manifest.get('expiry')} bars after the entry."),
        Fact(
            "Payout",
            f"A win brings {percent(float(str(rules.get('payout'))), 1)} of the stake, a loss takes"
            f" it; a tie {'gives it back' if rules.get('refund_ties') else 'loses it'}.",
        ),
        Fact("Stake", stake),
        Fact("Open at once", f"At most {rules.get('max_open')}."),
    ]


def _plain(value: object) -> str:
    parts = dict(mapping(value))
    if not parts:
        return str(value)
    named = [str(parts.pop("name"))] if "name" in parts else []
    return ", ".join([*named, *(f"{name} {part}" for name, part in parts.items())])


def _bps(value: float) -> str:
    return f"{value:g} bps ({value / 100:g} %)"


def _fills(execution: Execution) -> str:
    said = (
        "Decided when a candle closes, filled at the open of the next one."
        if execution.fill == "next_open"
        else "Decided when a candle closes, filled at that same close."
    )
    if execution.fill == "next_open":
        said += (
            " A stop or target can be hit on the bar of entry."
            if execution.entry_bar_stops
            else " Stops and targets count from the bar after the entry."
        )
    return said + (
        " Where stop and target lie within one candle, the stop is taken to be hit first."
        if execution.intrabar == "worst_case"
        else " Where stop and target lie within one candle, the finer candles inside decide."
    )


def _costs(costs: Costs) -> str:
    if costs.taker_fee_bps == costs.maker_bps:
        said = [f"Fee {_bps(costs.taker_fee_bps)} of the value of each fill."]
    else:
        market, resting = _bps(costs.taker_fee_bps), _bps(costs.maker_bps)
        said = [f"Fee {market} for market orders and stops, {resting} for limits and targets."]
    worse = [
        f"{_bps(value)} {why}"
        for value, why in (
            (costs.slippage_bps, "slippage"),
            (costs.spread_bps / 2, "half of the spread"),
        )
        if value
    ]
    if costs.impact_bps:
        worse.append(f"{_bps(costs.impact_bps)} for an order as large as the candle's volume")
    said.append(
        f"Market orders and stops fill worse by {', '.join(worse)}."
        if worse
        else "No slippage: market orders fill at the price of the candle."
    )
    if costs.volume_share_limit is not None:
        share = percent(costs.volume_share_limit, 0)
        said.append(f"An entry takes at most {share} of the candle's volume.")
    said.append("Recorded funding is paid." if costs.funding else "No funding is paid.")
    return " ".join(said)


def _rules(rules: VenueRules, unit: str) -> str:
    said = [
        f"{word} {value:g}{suffix}"
        for word, value, suffix in (
            ("step of quantity", rules.lot, ""),
            ("step of price", rules.tick, ""),
            ("smallest order", rules.minimum_notional, f" {unit}".rstrip()),
        )
        if value
    ]
    said.append("no leverage" if rules.leverage == 1 else f"leverage up to {rules.leverage:g}")
    if rules.maintenance_ratio:
        said.append(
            f"liquidated below {percent(rules.maintenance_ratio)} of the position's value in equity"
        )
    text = ", ".join(said)
    return text[0].upper() + text[1:] + "."


def _sizing(sizing: Sizing, unit: str) -> str:
    value = sizing.value
    said = {
        "fraction": f"{percent(value, 0)} of the equity.",
        "fixed_value": f"{amount(value, unit=unit)} each.",
        "fixed_units": f"{value:g} units each.",
        "risk": f"So large that the stop would cost {percent(value)} of the equity.",
        "volatility_target": f"So large that the position moves {percent(value)} a year, by the"
        f" volatility of the last {sizing.window} bars.",
        "kelly": f"{percent(value, 0)} of the Kelly stake of the last {sizing.window} trades.",
        "martingale": f"{amount(value, unit=unit)} first, {sizing.factor:g} times the stake after"
        f" each loss, for {sizing.steps} steps; then it starts again.",
    }[sizing.kind]
    if sizing.cap != 1:
        said += f" At most {percent(sizing.cap, 0)} of the equity."
    return said + " Never more than cash and leverage allow."


def _candles(manifest: Mapping[str, object]) -> str:
    names = ", ".join(one for one in texts(manifest.get("instruments")) if one)
    said = f"{names or 'Unnamed'} in candles of {manifest.get('timeframe', '?')}"
    if manifest.get("since") is not None:
        until = manifest.get("until")
        said += f", from {manifest['since']} until {until or 'the last candle there is'}"
    rows = manifest.get("rows")
    return said + (f", {count(rows)} rows." if isinstance(rows, int) else ".")


def _gaps(gaps: Mapping[str, object]) -> str:
    missing, expected, share = (gaps.get(key) for key in ("missing", "expected", "share"))
    if not isinstance(missing, int):
        return "Not counted."
    if not missing:
        return "None: every candle of the span is there."
    said = f"{count(missing)} candles of the span are missing"
    if isinstance(expected, int):
        said = f"{count(missing)} of {count(expected)} candles are missing"
    if isinstance(share, float):
        said += f" ({percent(share, 3)})"
    return said + "; decisions pass over them, prices in them are unknown."
