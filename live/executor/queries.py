"""The statements of the roster."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACCOUNTS",
    "ANSWER",
    "BEGIN_RUNS",
    "BOTS",
    "BUYS",
    "CHANGED",
    "DEFINITIONS",
    "END_RUNS",
    "FIRST",
    "HALTS",
    "HAS_INTENT",
    "LAST_SIGNALS",
    "OLDER",
    "POSITIONS",
    "REQUESTS",
    "SAY",
    "STEPS",
    "SUCCEED_RUNS",
    "TENANTS",
    "TRADES",
    "WHO",
]

TENANTS: Final = """
SELECT tenant_id FROM tenancy.directory WHERE shard = %(shard)s ORDER BY tenant_id
"""
# Also those who left: what they hold is looked after until their bots have stopped.
WHO: Final = """
SELECT t.tenant_id, t.zone, coalesce(s.plan, 'free') AS plan,
    coalesce(s.status, 'active') AS status, s.period_end_at
FROM tenancy.tenants AS t
LEFT JOIN tenancy.subscriptions AS s USING (tenant_id)
WHERE t.tenant_id = ANY(%(ids)s)
"""
# An account has work where a bot is or was at work, or where an order may be alive.
ACCOUNTS: Final = """
SELECT a.* FROM trading.accounts AS a
WHERE a.tenant_id = ANY(%(ids)s) AND a.state <> 'closed' AND (
    EXISTS (
        SELECT FROM trading.bots AS b
        WHERE b.tenant_id = a.tenant_id AND b.account_id = a.account_id
            AND b.removed_at IS NULL AND (b.wanted = 'running' OR b.state <> 'stopped')
    ) OR EXISTS (
        SELECT FROM trading.intents AS i
        WHERE i.tenant_id = a.tenant_id AND i.account_id = a.account_id
            AND i.state IN ('committed', 'working')
    ) OR EXISTS (
        SELECT FROM trading.orders AS o
        WHERE o.tenant_id = a.tenant_id AND o.account_id = a.account_id
            AND o.state IN ('created', 'sending', 'unknown', 'open', 'canceling')
    ) OR EXISTS (
        SELECT FROM trading.positions AS p
        WHERE p.tenant_id = a.tenant_id AND p.account_id = a.account_id AND p.quantity > 0
    ) OR EXISTS (
        SELECT FROM trading.order_requests AS r
        WHERE r.tenant_id = a.tenant_id AND r.account_id = a.account_id AND r.state = 'waiting'
    )
)
"""
BOTS: Final = """
SELECT b.*, v.config, v.definition_id, b.wanted_at AS since
FROM trading.bots AS b
INNER JOIN trading.bot_versions AS v USING (tenant_id, bot_id, version)
WHERE b.tenant_id = ANY(%(ids)s) AND b.removed_at IS NULL
    AND (b.wanted = 'running' OR b.state <> 'stopped')
    AND (%(only)s::uuid[] IS NULL OR b.bot_id = ANY(%(only)s))
"""
POSITIONS: Final = """
SELECT p.*, coalesce(t.quantity, 0) AS entered, t.entry_bar_at
FROM trading.positions AS p
LEFT JOIN trading.trades AS t ON
    p.tenant_id = t.tenant_id AND p.trade_id = t.trade_id AND p.opened_at IS NOT NULL
WHERE p.tenant_id = ANY(%(ids)s) AND p.bot_id = ANY(%(bots)s)
"""
# The last few one by one, for streaks and ladders; of all before them the sum and its peak.
TRADES: Final = """
SELECT k.* FROM unnest(%(bots)s::uuid[]) AS wanted (bot_id)
CROSS JOIN LATERAL (
    SELECT t.bot_id, t.trade_id, t.closed_at, t.pnl, t.entry_value
    FROM trading.trades AS t
    WHERE t.tenant_id = ANY(%(ids)s) AND t.bot_id = wanted.bot_id
        AND t.status IN ('closed', 'won', 'lost', 'drawn', 'void')
    ORDER BY t.closed_at DESC, t.trade_id DESC LIMIT %(kept)s
) AS k
ORDER BY k.closed_at, k.trade_id
"""
OLDER: Final = """
WITH numbered AS (
    SELECT t.bot_id, t.closed_at,
        sum(t.pnl) OVER (PARTITION BY t.bot_id ORDER BY t.closed_at, t.trade_id) AS gained,
        row_number() OVER (PARTITION BY t.bot_id ORDER BY t.closed_at DESC, t.trade_id DESC) AS nth
    FROM trading.trades AS t
    WHERE t.tenant_id = ANY(%(ids)s) AND t.bot_id = ANY(%(bots)s)
        AND t.status IN ('closed', 'won', 'lost', 'drawn', 'void')
)
SELECT n.bot_id, n.closed_at, n.gained FROM numbered AS n WHERE n.nth > %(kept)s
ORDER BY n.bot_id, n.closed_at
"""
BUYS: Final = """
SELECT i.tenant_id, i.bot_id, i.leg, i.created_at FROM trading.intents AS i
WHERE i.tenant_id = ANY(%(ids)s) AND i.created_at >= %(day)s AND i.side <> 'sell'
ORDER BY i.created_at
"""
FIRST: Final = """
SELECT i.bot_id, sum(f.quantity) AS quantity, sum(f.quantity * f.price) AS amount
FROM trading.intents AS i
INNER JOIN trading.orders AS o USING (tenant_id, intent_id)
INNER JOIN trading.fills AS f ON f.tenant_id = o.tenant_id AND f.client_id = o.client_id
WHERE i.tenant_id = ANY(%(ids)s) AND i.bot_id = %(bot)s AND i.bar_at = %(bar)s
    AND i.leg = 'entry'
GROUP BY i.bot_id
"""
STEPS: Final = """
SELECT count(*) FILTER (WHERE i.leg LIKE 'dca-%%') AS legs,
    count(*) FILTER (WHERE i.leg LIKE 'stage-%%') AS stages
FROM trading.intents AS i
WHERE i.tenant_id = ANY(%(ids)s) AND i.bot_id = %(bot)s AND i.created_at >= %(opened)s
    AND i.state <> 'failed'
"""
HALTS: Final = """
SELECT h.* FROM trading.halts AS h
WHERE h.released_at IS NULL AND (h.tenant_id IS NULL OR h.tenant_id = ANY(%(ids)s))
ORDER BY h.halted_at
"""
CHANGED: Final = """
SELECT b.tenant_id, b.bot_id FROM trading.bots AS b
WHERE b.tenant_id = ANY(%(ids)s) AND b.removed_at IS NULL AND (
    (b.wanted = 'running' AND (b.state = 'stopped' OR b.wanted_at > b.state_at))
    OR (b.wanted = 'stopped' AND b.state <> 'stopped')
)
"""
REQUESTS: Final = """
SELECT r.* FROM trading.order_requests AS r
WHERE r.tenant_id = ANY(%(ids)s) AND r.state = 'waiting'
ORDER BY r.requested_at
"""
DEFINITIONS: Final = """
SELECT d.definition_id, d.kind, d.warm_up, d.broken_reason, d.broken_since,
    (
        SELECT max(s.bar_at) FROM live.signals AS s
        WHERE s.definition_id = d.definition_id AND s.status <> 'ok'
    ) AS bad_bar_at
FROM live.definitions AS d WHERE d.definition_id = ANY(%(definitions)s)
"""
LAST_SIGNALS: Final = """
SELECT s.bar_at, s.decision ->> 'close' AS close, s.status FROM live.signals AS s
WHERE s.definition_id = %(definition)s
ORDER BY s.bar_at DESC LIMIT %(bars)s
"""
SAY: Final = """
UPDATE trading.bots AS b SET state = n.state, state_reason = n.reason, state_at = %(at)s
FROM unnest(%(bots)s::uuid[], %(states)s::text[], %(reasons)s::text[]) AS n (bot_id, state, reason)
WHERE b.tenant_id = ANY(%(ids)s) AND b.bot_id = n.bot_id
"""
BEGIN_RUNS: Final = """
INSERT INTO trading.bot_runs (tenant_id, run_id, bot_id, version, executor, started_at)
SELECT n.tenant_id, n.run_id, n.bot_id, n.version, %(executor)s, %(at)s
FROM unnest(%(tenants)s::uuid[], %(runs)s::uuid[], %(bots)s::uuid[], %(versions)s::integer[])
    AS n (tenant_id, run_id, bot_id, version)
"""
SUCCEED_RUNS: Final = """
UPDATE trading.bot_runs AS r SET
    stopped_at = %(at)s,
    stop_reason = CASE WHEN r.executor = %(executor)s THEN 'restarted' ELSE 'taken over' END
WHERE r.tenant_id = ANY(%(ids)s) AND r.bot_id = ANY(%(bots)s) AND r.stopped_at IS NULL
"""
END_RUNS: Final = """
UPDATE trading.bot_runs AS r SET stopped_at = %(at)s, stop_reason = %(reason)s
WHERE r.tenant_id = ANY(%(ids)s) AND r.bot_id = ANY(%(bots)s) AND r.stopped_at IS NULL
"""
ANSWER: Final = """
UPDATE trading.order_requests AS r SET
    state = %(state)s, reason = %(reason)s, intent_id = %(intent)s, answered_at = %(at)s
WHERE r.tenant_id = ANY(%(ids)s) AND r.request_id = %(request)s AND r.state = 'waiting'
"""
HAS_INTENT: Final = """
SELECT intent_id FROM trading.intents WHERE tenant_id = ANY(%(ids)s) AND intent_id = %(intent)s
"""
