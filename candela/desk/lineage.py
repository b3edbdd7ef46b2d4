"""What led to a trade: its orders and fills, the decisions behind them, and the bars they saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from candela.desk.session import TenantSession

__all__ = ["bars_of", "decisions_behind", "fills_of", "orders_behind"]

# A trade lasts from flat to flat, so that the fills of its bot and symbol in its time are its own.
# A position by hand has no bot; a contract has no fills, and is found by the bar of its decision.
_FILLS: Final = """
SELECT f.trade_id AS venue_trade_id, f.client_id, f.side, trim_scale(f.quantity) AS quantity,
    trim_scale(f.price) AS price, trim_scale(f.fee) AS fee, f.fee_ccy, f.is_maker, f.executed_at,
    f.booked_at
FROM trading.fills AS f
WHERE f.tenant_id = %(tenant)s AND f.account_id = %(account_id)s AND f.symbol = %(symbol)s
    AND f.bot_id IS NOT DISTINCT FROM %(bot_id)s AND %(kind)s = 'spot'
    AND f.executed_at >= %(opened_at)s
    AND f.executed_at <= coalesce(%(closed_at)s, 'infinity'::timestamptz)
ORDER BY f.executed_at, f.trade_id
LIMIT 1000
"""
_ORDERS: Final = """
SELECT o.client_id, o.intent_id, i.source, i.leg, o.attempt, o.side, o.kind,
    trim_scale(o.quantity) AS quantity, trim_scale(o.price) AS price,
    trim_scale(o.executed) AS executed, o.state, o.state_reason AS reason,
    trim_scale(i.reference_price) AS reference_price, o.venue_order_id, o.created_at, o.sent_at,
    o.final_at, i.decision_id
FROM trading.orders AS o
INNER JOIN trading.intents AS i ON i.tenant_id = %(tenant)s AND i.intent_id = o.intent_id
WHERE o.tenant_id = %(tenant)s AND o.client_id = ANY(%(clients)s)
ORDER BY o.created_at, o.client_id
"""
_DECISIONS: Final = """
SELECT d.decision_id, d.symbol, d.bar_at, d.leg, d.action, d.outcome, d.decided_by, d.gates,
    d.decided_at, n.strategy, n.parameters, n.source_digest, n.instrument, n.timeframe
FROM trading.decisions AS d
LEFT JOIN live.definitions AS n USING (definition_id)
WHERE d.tenant_id = %(tenant)s AND (
    d.decision_id = ANY(%(decisions)s)
    OR (
        %(kind)s = 'fixed_payout' AND d.bot_id = %(bot_id)s AND d.symbol = %(symbol)s
        AND d.bar_at = %(entry_bar_at)s
    )
)
ORDER BY d.decided_at, d.decision_id
"""
_BARS: Final = """
SELECT c.time AS opened_at, c.open, c.high, c.low, c.close, c.volume, c.flags, c.batch_id,
    b.known_at, b.source, c.timeframe_s,
    (
        SELECT count(*) FROM market.candle_revisions AS r
        WHERE r.instrument_id = c.instrument_id AND r.timeframe_s = c.timeframe_s
            AND r.time = c.time
    ) AS revisions
FROM market.instruments AS i
INNER JOIN market.candles AS c
    ON c.instrument_id = i.instrument_id AND c.timeframe_s = %(seconds)s
        AND c.time = ANY(%(times)s)
LEFT JOIN market.batches AS b ON b.batch_id = c.batch_id
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s
"""


def fills_of(session: TenantSession, trade: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the executions of a trade, in order of time; a contract has none."""
    return session.rows(_FILLS, trade)


def orders_behind(session: TenantSession, clients: Sequence[str]) -> list[dict[str, Any]]:
    """Return orders by their client ids, each with the decision behind its intent."""
    return session.rows(_ORDERS, {"clients": list(clients)})


def decisions_behind(
    session: TenantSession, trade: Mapping[str, Any], decisions: Sequence[UUID]
) -> list[dict[str, Any]]:
    """Return decisions with their gates and what was evaluated; of a contract by its bar."""
    return session.rows(_DECISIONS, {**trade, "decisions": list(decisions)})


def bars_of(
    session: TenantSession, decisions: Sequence[Mapping[str, Any]]
) -> dict[UUID, dict[str, Any]]:
    """Return by decision the closed bar that it was made on, where it is stored."""
    found: dict[UUID, dict[str, Any]] = {}
    for one in decisions:
        if one["instrument"] is None:
            continue
        venue, _, symbol = str(one["instrument"]).partition(":")
        timeframe = Timeframe.parse(str(one["timeframe"]))
        values = {
            "venue": venue,
            "symbol": symbol,
            "seconds": timeframe.seconds,
            "times": [one["bar_at"]],
        }
        bar = session.row(_BARS, values)
        if bar is not None:
            bar.pop("timeframe_s")
            found[one["decision_id"]] = {**bar, "timeframe": str(timeframe)}
    return found
