"""What the books say of a bot: versions, runs, signals, decisions, intents and fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from backtest.parity.replay import Span
from backtest.parity.words import Evidence, Leg, Trip, Wish, exact
from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    import psycopg

__all__ = ["BotTime", "Seen", "bot_times", "evidence_of", "signals_of", "trips_of"]

_TIMES: Final = """
SELECT
    r.tenant_id, r.bot_id, r.version, b.name, b.account_id, v.config, v.definition_id,
    d.strategy, d.source_digest, d.source, d.parameters, d.instrument, d.timeframe, d.warm_up,
    d.kind, a.mode, i.amount_step, i.price_tick, i.minimum_cost, i.base_ccy, i.quote_ccy,
    array_agg(r.started_at ORDER BY r.started_at) AS starts,
    array_agg(r.stopped_at ORDER BY r.started_at) AS stops,
    array_agg(e.seen_at ORDER BY r.started_at) AS sights
FROM trading.bot_runs AS r
LEFT JOIN live.executors AS e ON e.executor = r.executor
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
    AND (%(stopped)s::timestamptz IS NULL OR bar_at < %(stopped)s)
ORDER BY bar_at
"""
_DECISIONS: Final = """
SELECT bar_at, leg, action, outcome, decided_by
FROM trading.decisions
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s AND decided_at >= %(since)s
    AND (%(stopped)s::timestamptz IS NULL OR decided_at < %(stopped)s)
ORDER BY decided_at
"""
_INTENTS: Final = """
SELECT bar_at, source, side, kind, state, state_reason, quantity
FROM trading.intents
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s AND created_at >= %(since)s
    AND (%(stopped)s::timestamptz IS NULL OR created_at < %(stopped)s)
ORDER BY created_at
"""
_FILLS: Final = """
SELECT
    f.side, f.quantity, f.price, f.fee, f.fee_ccy, f.is_maker, f.executed_at,
    i.bar_at, i.leg, i.source, i.price AS limit_price, i.reference_price
FROM trading.fills AS f
INNER JOIN trading.orders AS o ON o.tenant_id = f.tenant_id AND o.client_id = f.client_id
INNER JOIN trading.intents AS i ON i.tenant_id = o.tenant_id AND i.intent_id = o.intent_id
WHERE f.tenant_id = %(tenant)s AND f.bot_id = %(bot)s AND f.executed_at >= %(since)s
    AND f.executed_at < %(until)s
ORDER BY f.executed_at, f.booked_at, f.trade_id
"""
_TRADES: Final = """
SELECT opened_at, closed_at, pnl
FROM trading.trades
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s AND kind = 'spot' AND opened_at < %(until)s
    AND (closed_at IS NULL OR closed_at >= %(since)s)
ORDER BY opened_at, trade_id
"""
# A heartbeat comes each few seconds; without one for so long an executor is gone.
_TERM: Final = timedelta(seconds=20)
_HEARD_BARS: Final = 3
_PROTECTIONS: Final = ("stop", "target", "trailing", "stage")


@dataclass(frozen=True, slots=True)
class BotTime:
    """One version of a bot, and when it ran.

    Parameters
    ----------
    lot, tick, minimum_notional
        Of the instrument, as its venue says; 0 where it says nothing.
    sights
        When the executor of each span was last seen; None where that is not known.
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
    sights: tuple[datetime | None, ...] = ()

    @property
    def since(self) -> datetime:
        """When it first ran."""
        return self.spans[0].started_at

    @property
    def stopped_at(self) -> datetime | None:
        """When it was stopped for good; None while it runs."""
        return self.spans[-1].stopped_at

    def is_away(self, at: datetime) -> bool:
        """Whether the executor of the bot was gone then, and no other had taken over."""
        for number, (span, seen_at) in enumerate(zip(self.spans, self.sights, strict=False)):
            if seen_at is None or at < seen_at or at < span.started_at:
                continue
            is_last = number + 1 == len(self.spans)
            if is_last and span.stopped_at is None:
                return at > seen_at + _TERM
            if not is_last and at < self.spans[number + 1].started_at:
                return True
        return False

    @property
    def _keys(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant_id,
            "bot": self.bot_id,
            "since": self.since,
            "stopped": self.stopped_at,
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
        sights=tuple(row["sights"]),
    )


def signals_of(connection: psycopg.Connection[Any], bot: BotTime) -> dict[datetime, Seen]:
    """Return the evaluations of a bot's definition since it first ran, by bar."""
    keys = dict(bot._keys)  # noqa: SLF001 - of this module
    # A bot that begins hears what was said just before.
    keys["since"] -= _HEARD_BARS * timedelta(seconds=Timeframe.parse(bot.timeframe).seconds)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SIGNALS, keys).fetchall()
    return {row["bar_at"]: Seen(**row) for row in rows}


def evidence_of(
    connection: psycopg.Connection[Any], bot: BotTime, seen: Mapping[datetime, Seen]
) -> dict[datetime, Evidence]:
    """Return what the books say of each bar that the bot was to decide on."""
    interval = timedelta(seconds=Timeframe.parse(bot.timeframe).seconds)
    found = {
        bar: Evidence(status=one.status, is_away=bot.is_away(bar + interval))
        for bar, one in seen.items()
    }
    wishes: dict[tuple[datetime, str], Wish] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_DECISIONS, bot._keys).fetchall():  # noqa: SLF001
            if row["outcome"] == "refused":
                side = "entry" if row["action"] in {"enter", "add"} else "exit"
                known = wishes.get((row["bar_at"], side), Wish())
                refused_by = row["decided_by"] or "unnamed"
                wishes[row["bar_at"], side] = replace(known, refused_by=refused_by)
        for row in cursor.execute(_INTENTS, bot._keys).fetchall():  # noqa: SLF001
            if row["source"] != "signal":
                continue
            side = "entry" if row["side"] == "buy" else "exit"
            known = wishes.get((row["bar_at"], side), Wish())
            wishes[row["bar_at"], side] = replace(
                known,
                # An exit that was refused at first and placed later was placed.
                refused_by=None,
                ended=row["state"],
                reason=row["state_reason"],
                is_limit=row["kind"] != "market",
                intended=(known.intended or Fraction(0)) + Fraction(row["quantity"]),
            )
    for (bar, side), wish in wishes.items():
        known = found.get(bar, Evidence())
        found[bar] = replace(known, entry=wish) if side == "entry" else replace(known, exit=wish)
    return found


def trips_of(
    connection: psycopg.Connection[Any],
    bot: BotTime,
    last_close: Fraction,
    last_bar: datetime,
    until: datetime,
) -> tuple[list[Trip], datetime | None]:
    """Return what the bot did from flat to flat, and until when it held an earlier version's.

    Parameters
    ----------
    last_close
        What is still held is marked at it.
    until
        Fills from then on are left out: the replay has no bar for them.
    """
    keys = bot._keys | {"until": until}  # noqa: SLF001
    with connection.cursor(row_factory=dict_row) as cursor:
        fills = cursor.execute(_FILLS, keys).fetchall()
        trades = cursor.execute(_TRADES, keys).fetchall()
    trips: list[Trip] = []
    carried: datetime | None = None
    row = 0
    timeframe = Timeframe.parse(bot.timeframe)
    for trade, following in zip(trades, [*trades[1:], None], strict=True):
        own: list[dict[str, Any]] = []
        while row < len(fills):
            fill = fills[row]
            # Of one instant, sales end a trade and purchases begin the next one.
            is_next = following is not None and (
                fill["executed_at"] > following["opened_at"]
                or (fill["executed_at"] == following["opened_at"] and fill["side"] == "buy")
            )
            if is_next:
                break
            own.append(fill)
            row += 1
        if trade["opened_at"] < bot.since:
            carried = min(trade["closed_at"] or until, until)
        elif own:
            is_open = trade["closed_at"] is None or trade["closed_at"] >= until
            legs = [_leg(fill, bot, timeframe) for fill in own]
            trip = _trip(own, legs, bot, is_open, last_close, last_bar)
            if not is_open and trade["pnl"] is not None:
                trip = replace(trip, booked=Fraction(trade["pnl"]))
            trips.append(trip)
    return trips, carried


def _leg(fill: Mapping[str, Any], bot: BotTime, timeframe: Timeframe) -> Leg:
    # A limit that rested was asked for at its own price.
    reference = fill["limit_price"] if fill["is_maker"] else fill["reference_price"]
    decided_bar, reason = fill["bar_at"], str(fill["source"])
    if reason == "protection":
        # Quotes decide within a bar.
        decided_bar = timeframe.floor(decided_bar)
        reason = next((word for word in _PROTECTIONS if word in str(fill["leg"])), reason)
    elif str(fill["leg"]).startswith("data"):
        reason = "data"
        decided_bar = timeframe.floor(decided_bar)
    elif reason != "signal":
        decided_bar = timeframe.floor(decided_bar)
    return Leg(
        sign=1 if fill["side"] == "buy" else -1,
        quantity=Fraction(fill["quantity"]),
        price=Fraction(fill["price"]),
        reference=None if reference is None else exact(reference),
        fee=Fraction(fill["fee"]) if fill["fee_ccy"] == bot.quote else Fraction(0),
        decided_bar=decided_bar,
        reason=reason,
    )


def _trip(
    fills: Sequence[Mapping[str, Any]],
    legs: list[Leg],
    bot: BotTime,
    is_open: bool,  # noqa: FBT001 - private
    last_close: Fraction,
    last_bar: datetime,
) -> Trip:
    lost = sum(
        (Fraction(fill["fee"]) for fill in fills if fill["fee_ccy"] == bot.base), Fraction(0)
    )
    held = sum((leg.sign * leg.quantity for leg in legs), Fraction(0)) - lost
    if held > 0 and is_open:
        legs.append(Leg(-1, held, last_close, last_close, Fraction(0), last_bar, is_mark=True))
    elif held > 0:
        # What was too little to be sold counts as gone, as in the trade's own profit.
        lost += held
    known = {bot.base, bot.quote}
    elsewhere = any(fill["fee_ccy"] not in known for fill in fills if fill["fee"])
    return Trip(legs[0].decided_bar, tuple(legs), lost, pays_elsewhere=elsewhere)
