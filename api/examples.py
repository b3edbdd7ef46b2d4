"""Examples of bodies, composed of those of their fields, so that each can be sent as it stands."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["example_of"]

_DEEPEST: Final = 12
_ID: Final = "0195a1b2-0000-7000-8000-000000000001"
_OF_FORMAT: Final = {
    "uuid": _ID,
    "date-time": "2026-03-02T12:00:00Z",
    "date": "2026-03-02",
    "email": "ada@example.com",
    "uri": "https://example.com/page",
    "binary": "",
}
# Names that mean the same wherever they stand.
_OF_NAME: Final[dict[str, Any]] = {
    "instrument": "binance:BTC/USDT",
    "symbol": "BTC/USDT",
    "venue": "binance",
    "timeframe": "1h",
    "strategy": "ma_cross",
    "capital": "250",
    "quote_ccy": "USDT",
    "base_ccy": "BTC",
    "ccy": "USDT",
    "fee_ccy": "USDT",
    "currency": "USDT",
    "account": "paper",
    "bot": "momentum",
    "email": "ada@example.com",
    "zone": "Europe/Madrid",
    "language": "en",
    "mode": "paper",
    "kind": "spot",
    "side": "buy",
    "state": "stopped",
    "wanted": "stopped",
    "leg": "entry",
    "plan": "basic",
    "plan_status": "active",
    "actor": _ID,
    "created_by": _ID,
    "entity_id": _ID,
    "address": "203.0.113.7",
    "user_agent": "curl/8.5",
    "client_id": "cdl-0195a1b2000070008000000000000002",
    "request_id": "0195a1b2000070008000000000000009",
    "venue_order_id": "28457",
    "trade_id": "51234",
    "venue_trade_id": "51234",
    "last_four": "9f3c",
    "price": "64250.10",
    "quantity": "0.001",
    "fee": "0.064",
    "words": "Stopped; nothing is held.",
    "message": "long: fast crossed above slow",
    "reason": "by hand",
    "why": "fast crossed above slow",
    "name": "momentum",
    "field": "query.limit",
}
_AMOUNTS: Final = frozenset({
    "amount", "amount_step", "bankroll", "best_price", "capital_per_trade", "daily_loss",
    "daily_profit", "dust", "entry_price", "entry_value", "executed", "exit_price", "exit_value",
    "fees", "first_stake", "largest_stake", "last_value", "mark_price", "max_stake", "mean_price",
    "minimum_cost", "minimum_stake", "mrr", "payout_stake_cap", "pnl", "pnl_today", "pnl_total",
    "price_tick", "realised", "reference_price", "reserved", "spot_capital_cap", "stake",
    "symbol_exposure", "total_exposure", "unrealised", "value",
})  # fmt: skip
_RATIOS: Final = ("ratio", "fraction", "factor", "stop_loss", "take_profit", "trailing_stop")


def example_of(
    document: dict[str, Any], schema: dict[str, Any], *, is_whole: bool, name: str = ""
) -> Any:
    """Return an example that a schema admits.

    Parameters
    ----------
    is_whole
        True: every field, as an answer shows them. False: what must be sent.
    name
        Of the field.
    """
    return _example(document, schema, is_whole, name, 0)


def _example(  # noqa: C901, PLR0911, PLR0912 - a rule each
    document: dict[str, Any],
    given: dict[str, Any],
    is_whole: bool,  # noqa: FBT001 - handed on
    name: str,
    depth: int,
) -> Any:
    schema = _resolved(document, given)
    if schema.get("examples"):
        return schema["examples"][0]
    for key in ("example", "const"):
        if schema.get(key) is not None:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    if depth > _DEEPEST:
        return None
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            kinds = [one for one in schema[key] if one.get("type") != "null"]
            return _example(document, kinds[0], is_whole, name, depth + 1)
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            required = schema.get("required", ())
            if not fields and isinstance(schema.get("additionalProperties"), dict):
                inner = schema["additionalProperties"]
                return {"name": _example(document, inner, is_whole, "", depth + 1)}
            return {
                one: _example(document, field, is_whole, one, depth + 1)
                for one, field in fields.items()
                if is_whole or one in required
            }
        case "array":
            if "prefixItems" in schema:
                return [
                    _example(document, one, is_whole, name, depth + 1)
                    for one in schema["prefixItems"]
                ]
            item = _example(document, schema.get("items", {}), is_whole, name, depth + 1)
            return [item] * max(1, schema.get("minItems", 0))
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return bool(schema.get("default", False))
        case "string":
            return _text(schema, name)
        case _:
            return schema.get("default")


def _number(schema: dict[str, Any]) -> Any:
    if schema.get("default") is not None:
        return schema["default"]
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    value = max(1, least) if schema["type"] == "integer" else max(0.5, least)
    return min(value, schema.get("maximum", value))


def _text(schema: dict[str, Any], name: str) -> str:
    if schema.get("format") in _OF_FORMAT:
        return _OF_FORMAT[schema["format"]]
    if schema.get("default") is not None:
        return str(schema["default"])
    if name in _AMOUNTS:
        text = "12.5"
    elif any(word in name for word in _RATIOS):
        text = "0.05"
    else:
        text = str(_OF_NAME.get(name, name or "text"))
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 1_000)]


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema
