"""The checker finds nothing in honest books, and each kind of wrong row that is planted."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from candela.ids import new_id, shard_of
from tests.storm.checker import check_books
from tests.storm.witness import watch

if TYPE_CHECKING:
    from candela.db.connect import Database

NOW = datetime.now(UTC)
OWNER = "here-1"
CLIENT, RESTING = "cd1", "cd2"
NAMES = ("tenant", "account", "bot", "decision", "intent", "resting", "refusal", "other")


@dataclass
class Books:
    """A database and a venue that agree: one market buy that was filled, one limit order open."""

    database: Database
    ids: dict[str, UUID]
    ledger: dict[str, Any]

    def write(self, statements: str, *, owner: str = OWNER) -> None:
        with self.database.connect(application_name=f"candela {owner}") as connection:
            connection.execute(statements.format(**self.values).encode())

    @property
    def values(self) -> dict[str, object]:
        quoted: dict[str, object] = {name: f"'{one}'" for name, one in self.ids.items()}
        return quoted | {"shard": shard_of(self.ids["tenant"]), "now": f"'{NOW.isoformat()}'"}

    def broken(self) -> list[str]:
        return check_books(self.database, self.ledger, {self.ids["account"]: "user0"}).broken


# What the witness saw happened before what was done under it.
_HONEST = """
INSERT INTO tenancy.tenants (tenant_id, name) VALUES ({tenant}, 'one');
INSERT INTO tenancy.directory (tenant_id, shard) VALUES ({tenant}, {shard});
UPDATE live.shards SET owner = 'here-1', epoch = epoch + 1, expires_at = now() + interval '1 h'
WHERE kind = 'trade' AND shard = {shard};
UPDATE storm.leases SET taken_at = {now}::timestamptz - interval '1 min';
INSERT INTO trading.accounts (tenant_id, account_id, name, venue)
VALUES ({tenant}, {account}, 'venue', 'binance');
INSERT INTO trading.bots (tenant_id, bot_id, name, account_id, version)
VALUES ({tenant}, {bot}, 'bot', {account}, 1);
INSERT INTO trading.bot_versions (tenant_id, bot_id, version, config, definition_id, created_by)
VALUES ({tenant}, {bot}, 1, '{{}}', 'a definition', 'x');
INSERT INTO trading.decisions
    (tenant_id, decision_id, bot_id, symbol, bar_at, leg, action, outcome, decided_by, gates,
    decided_at)
SELECT {tenant}, v.decision, v.bot, 'BTC/USDT', {now}, v.leg, 'enter', v.outcome, v.gate, v.gates,
    {now}
FROM (VALUES
    ({decision}::uuid, {bot}::uuid, 'entry', 'intent', NULL, '[]'::jsonb),
    ({other}, NULL, 'manual', 'intent', NULL, '[]'),
    ({refusal}, {bot}, 'add', 'refused', 'halt', '[{{"gate": "halt", "passed": false}}]')
) AS v (decision, bot, leg, outcome, gate, gates);
INSERT INTO trading.intents
    (tenant_id, intent_id, account_id, bot_id, decision_id, symbol, bar_at, leg, source, side, kind,
    quantity, price, shard, epoch, state, created_at, final_at)
SELECT {tenant}, v.intent, {account}, v.bot, v.decision, 'BTC/USDT', {now}, v.leg, v.source, 'buy',
    v.kind, 1, v.price, {shard}, s.epoch, v.state, {now}, v.final_at
FROM live.shards AS s CROSS JOIN (VALUES
    ({intent}::uuid, {bot}::uuid, {decision}::uuid, 'entry', 'signal', 'market', NULL, 'done',
    {now}::timestamptz),
    ({resting}, NULL, {other}, 'manual', 'manual', 'limit', 50, 'working', NULL)
) AS v (intent, bot, decision, leg, source, kind, price, state, final_at)
WHERE s.kind = 'trade' AND s.shard = {shard};
INSERT INTO trading.orders
    (tenant_id, client_id, intent_id, account_id, attempt, symbol, side, kind, quantity,
    venue_order_id, state, executed, created_at)
VALUES
    ({tenant}, 'cd1', {intent}, {account}, 1, 'BTC/USDT', 'buy', 'market', 1, '7', 'filled', 1,
    {now}),
    ({tenant}, 'cd2', {resting}, {account}, 1, 'BTC/USDT', 'buy', 'limit', 1, '8', 'open', 0,
    {now});
INSERT INTO trading.fills
    (tenant_id, account_id, symbol, trade_id, client_id, bot_id, side, quantity, price, fee,
    fee_ccy, is_maker, executed_at, booked_at)
VALUES
    ({tenant}, {account}, 'BTC/USDT', '3', 'cd1', {bot}, 'buy', 1, 100, 0.1, 'BTC', false, {now},
    {now});
INSERT INTO trading.positions
    (tenant_id, bot_id, symbol, account_id, quantity, mean_price, updated_at)
VALUES ({tenant}, {bot}, 'BTC/USDT', {account}, 0.9, 100, {now});
INSERT INTO trading.balances (tenant_id, account_id, ccy, total, reserved)
VALUES ({tenant}, {account}, 'USDT', 900, 50), ({tenant}, {account}, 'BTC', 0.9, 0);
INSERT INTO trading.reservations (tenant_id, intent_id, account_id, ccy, asked, amount)
VALUES ({tenant}, {resting}, {account}, 'USDT', 50, 50);
INSERT INTO trading.ledger (tenant_id, account_id, entry_key, ccy, amount, kind, occurred_at)
VALUES
    ({tenant}, {account}, 'opening', 'USDT', 1000, 'opening', {now}),
    ({tenant}, {account}, '3', 'USDT', -100, 'fill', {now}),
    ({tenant}, {account}, '3', 'BTC', 0.9, 'fill', {now})
"""
_HALT = """
INSERT INTO trading.halts (halt_id, scope, tenant_id, reason, halted_by, halted_at)
VALUES ({other}, 'tenant', {tenant}, 'x', 'x', {now}::timestamptz
"""
_ASKED = """
INSERT INTO trading.order_requests
    (tenant_id, request_id, account_id, symbol, side, kind, quantity, state, intent_id,
    requested_by, requested_at, answered_at)
VALUES
    ({tenant}, {other}, {account}, 'BTC/USDT', 'buy', 'market', 1, 'taken', {intent}, 'x', {now},
    {now})
"""
_SECOND = """
INSERT INTO trading.orders
    (tenant_id, client_id, intent_id, account_id, attempt, symbol, side, kind, quantity, state,
    created_at)
VALUES
    ({tenant}, 'cd3', {intent}, {account}, 2, 'BTC/USDT', 'buy', 'market', 1, 'absent', {now})
"""


def _venue() -> dict[str, Any]:
    orders = [
        {"client_id": CLIENT, "status": "FILLED"},
        {"client_id": RESTING, "status": "NEW"},
        {"client_id": "a person's own", "status": "FILLED"},
    ]
    balances = {"USDT": {"free": "850", "locked": "50"}, "BTC": {"free": "0.9", "locked": "0"}}
    execution = {
        "account": "user0", "symbol": "BTCUSDT", "trade_id": 3, "quantity": "1", "price": "100",
        "fee": "0.1", "fee_asset": "BTC",
    }  # fmt: skip
    at_ms = int(NOW.timestamp() * 1_000) + 50
    request = {"method": "POST", "path": "/api/v3/order", "client_id": CLIENT, "at_ms": at_ms}
    return {
        "accounts": [{"name": "user0", "orders": orders, "balances": balances}],
        "executions": [execution],
        "requests": [request],
    }


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    """Give books that hold."""
    watch(database)
    made = Books(database, {name: new_id(NOW) for name in NAMES}, _venue())
    made.write(_HONEST)
    yield made
    with database.connect() as connection:
        connection.execute("DROP SCHEMA storm CASCADE")


def test_checker_when_books_and_venue_agree_then_it_finds_nothing(books: Books) -> None:
    assert books.broken() == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM trading.fills", "1: execution 3"),
        ("UPDATE trading.fills SET price = 101", "1: fill 3"),
        ("UPDATE trading.orders SET executed = 0.5 WHERE client_id = 'cd1'", "3: cd1 says"),
        ("UPDATE trading.intents SET quantity = 0.5 WHERE intent_id = {intent}", "3: intent"),
        ("UPDATE trading.decisions SET outcome = 'refused' WHERE outcome = 'intent'", "3: decis"),
        (
            "UPDATE trading.decisions SET decided_by = 'plan' WHERE outcome = 'refused'",
            "3: decision",
        ),
        ("UPDATE trading.balances SET total = total + 1 WHERE ccy = 'USDT'", "4:"),
        ("UPDATE trading.positions SET quantity = 1", "4:"),
        ("UPDATE trading.balances SET reserved = 0", "5:"),
        ("UPDATE trading.intents SET state = 'done', final_at = now()", "5:"),
        (f"{_HALT} - interval '9 s')", "6: intent"),
        (_ASKED, "3: the order asked for"),
        ("UPDATE trading.intents SET epoch = epoch + 1 WHERE intent_id = {intent}", "7:"),
        ("DELETE FROM storm.attempts", "7: cd1 was written behind"),
        ("UPDATE storm.attempts SET is_held = false", "7: cd1 was written under a lease"),
        ("UPDATE trading.orders SET created_at = created_at + interval '9 s'", "7: cd1 was asked"),
        ("UPDATE trading.orders SET state = 'unknown' WHERE client_id = 'cd2'", "8: cd2 is still"),
        ("UPDATE trading.orders SET state = 'absent' WHERE client_id = 'cd2'", "8: cd2 is given"),
        ("UPDATE trading.orders SET state = 'open' WHERE client_id = 'cd1'", "9: cd1 is open"),
    ],
)
def test_checker_when_a_wrong_row_is_planted_then_it_is_found(
    books: Books, statement: str, words: str
) -> None:
    books.write(statement)
    broken = books.broken()
    assert any(one.startswith(words) for one in broken), broken


def test_checker_when_an_attempt_is_written_by_another_owner_then_it_is_found(
    books: Books,
) -> None:
    books.write(_SECOND, owner="elsewhere-2")
    assert books.broken() == ["7: cd3 was written by candela elsewhere-2, the part is of here-1"]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("accounts", 0, "orders", 1, "status"), "CANCELED", "9: cd2 is open in the books"),
        (("accounts", 0, "orders", 1, "client_id"), "cd9", "7: the venue has cd9"),
        (("accounts", 0, "orders", 1, "client_id"), CLIENT, "7: cd1 was placed 2 times"),
        (("accounts", 0, "balances", "USDT", "free"), "851", "4: user0 USDT"),
        (("executions", 0, "trade_id"), 4, "1: execution 4"),
        (("requests", 0, "client_id"), "cd9", "7: cd9 was asked for"),
        (("requests", 0, "at_ms"), int(NOW.timestamp() * 1_000) - 9_000, "7: cd1 was asked for at"),
    ],
    ids=["state", "client id", "twice", "money", "execution", "request", "too early"],
)
def test_checker_when_the_venue_knows_otherwise_then_it_is_found(
    books: Books, place: tuple[Any, ...], value: object, words: str
) -> None:
    ledger: Any = copy.deepcopy(books.ledger)
    books.ledger = ledger
    for one in place[:-1]:
        ledger = ledger[one]
    ledger[place[-1]] = value
    broken = books.broken()
    assert any(one.startswith(words) for one in broken), broken


def test_checker_when_a_halt_came_later_then_what_was_entered_before_stands(books: Books) -> None:
    books.write(f"{_HALT} + interval '1 s')")
    assert books.broken() == []
