"""What the books say of a bot: versions, runs, signals, decisions, intents and fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from backtest.parity.replay import Span
from backtest.parity.words import Evidence, Leg, Trip, exact

if TYPE_CHECKING:
    import psycopg

__all__ = ["BotTime", "Seen", "bot_times", "evidence_of", "signals_of", "trips_of"]

_TIMES: Final = """
SELECT
    r.tenant_id, r.bot_id, r.version, b.name, b.account_id, v.config, v.definition_id,
    d.strategy, d.source_digest, d.source, d.parameters, d.instrument, d.timeframe, d.warm_up,
    d.kind, a.mode, i.amount_step, i.price_tick, i.minimum_cost, i.base_ccy, i.quote_ccy,
    array_agg(r.started_at ORDER BY r.started_at) AS starts,
    array_agg(r.stopped_at ORDER BY r.started_at) AS stops
FROM trading.bot_runs AS r
INNER JOIN trading.bots AS b ON b.tenant_id = r.tenant_id AND b.bot_id = r.bot_id
INNER JOIN trading.accounts AS a ON a.tenant_id = b.tenant_id AND a.account_id = b.account_id
INNER JOIN trading.bot_versions AS v
    ON v.tenant_id = r.tenant_id AND v.bot_id = r.bot_id AND v.version = r.version
INNER JOIN live.definitions AS d ON d.definition_id = v.definition_id
LEFT JOIN market.instruments AS i
    ON i.venue || ':' || i.symbol = d.instrument
WHERE (%(bot)s::text IS NULL OR b.name = %(bot)s)
    AND (%(tenant)s::uuid IS NULL OR b.tenant_id = %(tenant)s)
GROUP BY
    r.tenant_id, r.bot_id, r.version, b.name, b.account_id, v.config, v.definition_id,
    d.definition_id, a.mode, i.instrument_id
ORDER BY r.tenant_id, r.bot_id, r.version
"""
_SIGNALS: Final = """
SELECT bar_at, status, bars_digest, first_bar_at, bars, known_at
FROM live.signals
WHERE definition_id = %(definition)s AND bar_at >= %(since)s
ORDER BY bar_at
"""
_DECISIONS: Final = """
SELECT bar_at, leg, action, outcome, decided_by
FROM trading.decisions
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s AND decided_at >= %(since)s
ORDER BY decided_at
"""
_INTENTS: Final = """
SELECT
    i.bar_at, i.leg, i.source, i.side, i.state, i.state_reason, i.quantity,
    coalesce(sum(o.executed), 0) AS executed
FROM trading.intents AS i
LEFT JOIN trading.orders AS o ON o.tenant_id = i.tenant_id AND o.intent_id = i.intent_id
WHERE i.tenant_id = %(tenant)s AND i.bot_id = %(bot)s AND i.created_at >= %(since)s
GROUP BY i.tenant_id, i.intent_id
ORDER BY i.created_at
"""
_FILLS: Final = """
SELECT
    f.side, f.quantity, f.price, f.fee, f.fee_ccy, f.executed_at,
    i.bar_at, i.leg, i.source, i.reference_price
FROM trading.fills AS f
INNER JOIN trading.orders AS o ON o.tenant_id = f.tenant_id AND o.client_id = f.client_id
INNER JOIN trading.intents AS i ON i.tenant_id = o.tenant_id AND i.intent_id = o.intent_id
WHERE f.tenant_id = %(tenant)s AND f.bot_id = %(bot)s AND f.executed_at >= %(since)s
ORDER BY f.executed_at, f.booked_at, f.trade_id
"""
_TRADES: Final = """
SELECT opened_at, closed_at
FROM trading.trades
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s AND opened_at >= %(since)s
ORDER BY opened_at, trade_id
"""
_WATCHED: Final = ("stop", "target", "trailing")


@dataclass(frozen=True, slots=True)
class BotTime:
    """One version of a bot, and when it ran.

    Parameters
    ----------
    lot, tick, minimum_notional
        Of the instrument, as its venue says; 0 where it says nothing.
    """

    tenant_id: UUID
    bot_id: UUID
    name: str
    version: int
    mode: str
    config: Mapping[str, Any]
    definition_id: str
    strategy: str
    source_digest: str
    source: str | None
    parameters: Mapping[str, Any]
    instrument: str
    timeframe: str
    kind: str
    warm_up: int
    lot: Decimal
    tick: Decimal
    minimum_notional: Decimal
    base: str
    quote: str
    spans: tuple[Span, ...]

    @property
    def since(self) -> datetime:
        """When it first ran."""
        return self.spans[0].started_at

    @property
    def _keys(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant_id,
            "bot": self.bot_id,
            "since": self.since,
            "definition": self.definition_id,
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """One evaluation: which bars it saw, and as of when they were known."""

    bar_at: datetime
    status: str
    bars_digest: str
    first_bar_at: datetime | None
    bars: int
    known_at: datetime


def bot_times(
    connection: psycopg.Connection[Any], *, bot: str | None = None, tenant_id: UUID | None = None
) -> list[BotTime]:
    """Return every version of every bot that ever ran, for a role that may see their tenants."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_TIMES, {"bot": bot, "tenant": tenant_id}).fetchall()
    return [_bot_time(row) for row in rows]


def _bot_time(row: Mapping[str, Any]) -> BotTime:
    base, _, quote = str(row["instrument"]).partition(":")[2].partition("/")
    spans = tuple(
        Span(start, stop) for start, stop in zip(row["starts"], row["stops"], strict=True)
    )
    return BotTime(
        tenant_id=row["tenant_id"],
        bot_id=row["bot_id"],
        name=row["name"],
        version=row["version"],
        mode=row["mode"],
        config=row["config"],
        definition_id=row["definition_id"],
        strategy=row["strategy"],
        source_digest=row["source_digest"],
        source=row["source"],
        parameters=row["parameters"],
        instrument=row["instrument"],
        timeframe=row["timeframe"],
        kind=row["kind"],
        warm_up=row["warm_up"],
        lot=row["amount_step"] or Decimal(0),
        tick=row["price_tick"] or Decimal(0),
        minimum_notional=row["minimum_cost"] or Decimal(0),
        base=row["base_ccy"] or base,
        quote=row["quote_ccy"] or quote,
        spans=spans,
    )


def signals_of(connection: psycopg.Connection[Any], bot: BotTime) -> dict[datetime, Seen]:
    """Return the evaluations of a bot's definition since it first ran, by bar."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SIGNALS, bot._keys).fetchall()  # noqa: SLF001 - of this module
    return {row["bar_at"]: Seen(**row) for row in rows}


def evidence_of(
    connection: psycopg.Connection[Any], bot: BotTime, seen: Mapping[datetime, Seen]
) -> dict[datetime, Evidence]:
    """Return what the books say of each bar that the bot was to decide on."""
    found = {bar: Evidence(status=one.status) for bar, one in seen.items()}
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_DECISIONS, bot._keys).fetchall():  # noqa: SLF001
            if row["outcome"] == "refused" and row["action"] in {"enter", "exit"}:
                known = found.get(row["bar_at"], Evidence())
                found[row["bar_at"]] = replace(known, refused_by=row["decided_by"] or "unnamed")
        for row in cursor.execute(_INTENTS, bot._keys).fetchall():  # noqa: SLF001
            if row["source"] != "signal" or row["side"] != "buy":
                continue
            known = found.get(row["bar_at"], Evidence())
            found[row["bar_at"]] = replace(
                known,
                ended=row["state"],
                reason=row["state_reason"],
                intended=(known.intended or Fraction(0)) + Fraction(row["quantity"]),
                executed=(known.executed or Fraction(0)) + Fraction(row["executed"]),
            )
    return found


def trips_of(
    connection: psycopg.Connection[Any], bot: BotTime, last_close: Fraction, last_bar: datetime
) -> list[Trip]:
    """Return what the bot did from flat to flat; what it still holds is marked at a close."""
    with connection.cursor(row_factory=dict_row) as cursor:
        fills = cursor.execute(_FILLS, bot._keys).fetchall()  # noqa: SLF001
        trades = cursor.execute(_TRADES, bot._keys).fetchall()  # noqa: SLF001
    trips: list[Trip] = []
    row = 0
    for trade in trades:
        own: list[dict[str, Any]] = []
        while row < len(fills):
            fill = fills[row]
            is_over = trade["closed_at"] is not None and fill["executed_at"] > trade["closed_at"]
            # The next trade begins with a purchase after all was sold.
            if is_over or (
                own and fill["side"] == "buy" and own[-1]["side"] == "sell" and _is_flat(own)
            ):
                break
            own.append(fill)
            row += 1
        if own:
            trips.append(_trip(own, bot, trade, last_close, last_bar))
    return trips


def _is_flat(fills: Sequence[Mapping[str, Any]]) -> bool:
    bought = sum(fill["quantity"] for fill in fills if fill["side"] == "buy")
    sold = sum(fill["quantity"] for fill in fills if fill["side"] == "sell")
    # Fees in base and dust are at most a hundredth.
    return bool(sold >= bought * Decimal("0.99"))


def _trip(
    fills: Sequence[Mapping[str, Any]],
    bot: BotTime,
    trade: Mapping[str, Any],
    last_close: Fraction,
    last_bar: datetime,
) -> Trip:
    legs: list[Leg] = []
    held = lost = Fraction(0)
    for fill in fills:
        sign = 1 if fill["side"] == "buy" else -1
        quantity, fee = Fraction(fill["quantity"]), Fraction(fill["fee"])
        reference = fill["reference_price"]
        held += sign * quantity
        if fill["fee_ccy"] == bot.base:
            lost += fee
            held -= fee
        legs.append(
            Leg(
                sign=sign,
                quantity=quantity,
                price=Fraction(fill["price"]),
                reference=None if reference is None else exact(reference),
                fee=fee if fill["fee_ccy"] == bot.quote else Fraction(0),
                decided_bar=fill["bar_at"],
            )
        )
    if held > 0:
        if trade["closed_at"] is None:
            legs.append(Leg(-1, held, last_close, last_close, Fraction(0), last_bar, is_mark=True))
        else:
            # What was too little to be sold counts as gone, as in the trade's own profit.
            lost += held
    last = fills[-1]
    reason = "" if trade["closed_at"] is None else str(last["source"])
    if last["source"] == "protection" and trade["closed_at"] is not None:
        reason = next((word for word in _WATCHED if word in str(last["leg"])), "stop")
    return Trip(fills[0]["bar_at"], tuple(legs), reason, lost)
