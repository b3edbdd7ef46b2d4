"""What the tenancy tests share: tenants with a row in every table, and the list of those tables."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from candela.ids import new_id, shard_of
from tests.sql.later_rows import AT, Tenant, of_audit, of_identity, of_notify, of_rollups

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

# Tables without a tenant among those of tenants: hashes and counts that say nothing of anybody.
OF_THE_PLATFORM = {
    *("audit.heads", "audit.verifications"),
    *("billing.events", "billing.prices", "billing.mrr_daily"),
}


def act_for(connection: psycopg.Connection[TupleRow], *tenants: UUID) -> None:
    """Let the transaction act for tenants."""
    connection.execute(
        "SELECT set_config('candela.tenants', %s, true)", (",".join(map(str, tenants)),)
    )


def tenant_tables(connection: psycopg.Connection[TupleRow]) -> list[str]:
    """Return the tables of schemas tenancy and trading, and all others that name a tenant."""
    rows = connection.execute(
        "SELECT c.oid::regclass::text FROM pg_class AS c"
        " INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname <> 'information_schema'"
        " AND n.nspname !~ '^pg_' AND ("
        "  n.nspname IN ('tenancy', 'trading', 'identity', 'billing', 'notify', 'audit')"
        "  OR EXISTS ("
        "   SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = c.oid"
        "   AND a.attname = 'tenant_id' AND NOT a.attisdropped))"
        " ORDER BY 1"
    ).fetchall()
    return [row[0] for row in rows if row[0] not in OF_THE_PLATFORM]


def add_tenant(connection: psycopg.Connection[TupleRow], name: str) -> Tenant:
    """Write a row into every table of a tenant, with the rights of whoever may."""
    made = Tenant(*(new_id(AT) for _ in range(4)))
    tenant, account, bot, one = made.tenant_id, made.account_id, made.bot_id, made.row_id
    client = f"client-{one}"
    rows: dict[str, dict[str, object]] = {
        "tenancy.tenants": {
            "name": name,
        },
        "tenancy.directory": {
            "shard": shard_of(tenant),
        },
        "tenancy.users": {
            "user_id": one,
            "email": f"{name}@example.com",
        },
        "tenancy.subscriptions": {},
        "tenancy.tenant_keys": {
            "key_version": 1,
            "master_version": 1,
            "wrapped_key": b"key",
        },
        "tenancy.secrets": {
            "secret_id": one,
            "purpose": "exchange",
            "label": "one",
            "key_version": 1,
            "sealed": b"sealed",
            "last_four": "abcd",
        },
        "tenancy.request_keys": {
            "user_id": one,
            "key_hash": b"hash",
            "route": "POST /orders",
            "body_digest": b"digest",
            "status": 201,
            "created_at": AT,
        },
        "tenancy.secret_uses": {
            "use_id": one,
            "secret_id": one,
            "purpose": "trade",
            "used_by": "tests",
        },
        "billing.customers": {
            "stripe_customer_id": f"cus_{one}",
            "created_at": AT,
        },
        "billing.checkouts": {
            "checkout_id": one,
            "stripe_session_id": f"cs_{one}",
            "plan": "pro",
            "billing_interval": "month",
            "created_at": AT,
        },
        "billing.invoices": {
            "stripe_invoice_id": f"in_{one}",
            "status": "paid",
            "ccy": "usd",
            "due": 99,
            "paid": 99,
            "created_at": AT,
            "asked_at": AT,
        },
        "billing.payments": {
            "stripe_payment_id": f"pi_{one}",
            "stripe_invoice_id": f"in_{one}",
            "status": "succeeded",
            "ccy": "usd",
            "amount": 99,
            "created_at": AT,
            "asked_at": AT,
        },
        "trading.accounts": {
            "account_id": account,
            "name": "paper",
            "venue": "binance",
        },
        "trading.balances": {
            "account_id": account,
            "ccy": "USDT",
            "total": 100,
        },
        "trading.ledger": {
            "account_id": account,
            "entry_key": "opening",
            "ccy": "USDT",
            "amount": 100,
            "kind": "opening",
            "occurred_at": AT,
        },
        "trading.bots": {
            "bot_id": bot,
            "name": "bot",
            "account_id": account,
            "version": 1,
        },
        "trading.bot_versions": {
            "bot_id": bot,
            "version": 1,
            "config": "{}",
            "definition_id": "d",
            "created_by": "tests",
        },
        "trading.bot_runs": {
            "run_id": one,
            "bot_id": bot,
            "version": 1,
            "executor": "e",
            "started_at": AT,
        },
        "trading.decisions": {
            "decision_id": one,
            "bot_id": bot,
            "symbol": "BTC/USDT",
            "bar_at": AT,
            "leg": "entry",
            "action": "enter",
            "outcome": "intent",
            "gates": "[]",
            "decided_at": AT,
        },
        "trading.intents": {
            "intent_id": one,
            "account_id": account,
            "bot_id": bot,
            "decision_id": one,
            "symbol": "BTC/USDT",
            "bar_at": AT,
            "leg": "entry",
            "source": "signal",
            "side": "buy",
            "kind": "market",
            "quantity": 1,
            "shard": shard_of(tenant),
            "epoch": 1,
            "created_at": AT,
        },
        "trading.reservations": {
            "intent_id": one,
            "account_id": account,
            "ccy": "USDT",
            "asked": 1,
            "amount": 1,
        },
        "trading.order_requests": {
            "request_id": one,
            "account_id": account,
            "symbol": "BTC/USDT",
            "side": "buy",
            "kind": "market",
            "quantity": 1,
            "requested_by": "tests",
            "requested_at": AT,
        },
        "trading.orders": {
            "client_id": client,
            "intent_id": one,
            "account_id": account,
            "attempt": 1,
            "symbol": "BTC/USDT",
            "side": "buy",
            "kind": "market",
            "quantity": 1,
            "state": "open",
            "created_at": AT,
        },
        "trading.fills": {
            "account_id": account,
            "symbol": "BTC/USDT",
            "trade_id": "1",
            "client_id": client,
            "bot_id": bot,
            "side": "buy",
            "quantity": 1,
            "price": 1,
            "fee": 0,
            "fee_ccy": "USDT",
            "is_maker": False,
            "executed_at": AT,
            "booked_at": AT,
        },
        "trading.external_orders": {
            "account_id": account,
            "symbol": "BTC/USDT",
            "venue_order_id": "9",
            "side": "buy",
            "state": "open",
            "quantity": 1,
            "executed": 0,
            "first_seen_at": AT,
            "seen_at": AT,
        },
        "trading.positions": {
            "bot_id": bot,
            "symbol": "BTC/USDT",
            "account_id": account,
            "quantity": 1,
            "mean_price": 1,
            "updated_at": AT,
        },
        "trading.trades": {
            "trade_id": one,
            "account_id": account,
            "bot_id": bot,
            "mode": "paper",
            "symbol": "BTC/USDT",
            "direction": "long",
            "status": "open",
            "opened_at": AT,
        },
        "trading.halts": {
            "halt_id": one,
            "scope": "account",
            "account_id": account,
            "reason": "enough",
            "halted_by": "tests",
        },
        "trading.bot_logs": {
            "bot_id": bot,
            "log_id": one,
            "logged_at": AT,
            "level": "info",
            "event": "signal",
            "message": "long",
        },
        "trading.alerts": {
            "alert_id": one,
            "user_id": one,
            "name": "dear",
            "kind": "bot_stopped",
            "condition": "{}",
            "channels": ["inbox"],
            "cooldown_s": 3_600,
            "created_at": AT,
        },
        "trading.backtest_orders": {
            "order_id": one,
            "request_id": f"request-{one}",
            "strategy": "ma_cross",
            "user_id": one,
            "ordered_at": AT,
        },
        "trading.parity": {
            "parity_id": one,
            "bot_id": bot,
            "since_at": AT,
            "until_at": AT,
            "is_explained": True,
            "gap": 0,
            "report": "{}",
            "created_at": AT,
        },
    }
    rows |= of_identity(made, name) | of_audit(made) | of_notify(made) | of_rollups(made)
    connection.execute(
        "INSERT INTO research.requests (request_id, kind, spec, surface, requested_at)"
        " VALUES (%s, 'backtest', '{}', 'api', %s)",
        (f"request-{one}", AT),
    )
    for table, row in rows.items():
        values = {"tenant_id": tenant} | row
        marks = ", ".join(["%s"] * len(values))
        query = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"
        connection.execute(query.encode(), tuple(values.values()))
    return made
