"""Accounts: opening balances, keys that are tried first, and secrets that nobody sees."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from candela.desk.accounts import AccountInUse, account_named, all_accounts, close_account
from candela.desk.opening import (
    AccountNameTaken,
    BadAccount,
    KeyCannotTrade,
    KeyCanWithdraw,
    KeyGiven,
    KeyTaken,
    Seen,
    add_keyed,
    add_paper,
)
from candela.desk.secrets import NoSecret, open_secret
from candela.desk.session import tenant_session
from candela.desk.users import change_plan, create_user
from candela.errors import CandelaError
from candela.plans import PlanLimitReached
from candela.vault.credential import Credential
from candela.vault.masterkeys import MasterKeys

if TYPE_CHECKING:
    from candela.clock import FixedClock
    from tests.fixtures.desk import Desk

CANARY = "canary-5f1c9e-secret-of-the-key"
TOTALS = {"USDT": Decimal(5000), "BTC": Decimal("0.25")}


@dataclass
class Rights:
    """What a venue says of a key."""

    can_trade: bool | None = True
    can_withdraw: bool | None = False


@pytest.fixture(scope="module")
def masters() -> MasterKeys:
    return MasterKeys({1: Credential(bytes(range(32)))})


def keyed(desk: Desk, masters: MasterKeys, rights: Rights, name: str = "real") -> None:
    add_keyed(
        desk.database,
        desk.user.tenant_id,
        name=name,
        venue="binance",
        mode="live",
        key=KeyGiven(Credential("the-public-half-WXYZ"), Credential(CANARY)),
        look=lambda _: Seen(rights, TOTALS),
        masters=masters,
        clock=desk.clock,
    )


def test_paper_when_added_then_ledger_and_balance_agree(desk: Desk) -> None:
    with desk.session() as session:
        account = account_named(session, "paper")
        ledger = session.rows("SELECT entry_key, ccy, amount, kind FROM trading.ledger", {})
    assert account.balances == {"USDT": (Decimal(1000), Decimal(0))}
    assert [tuple(row.values()) for row in ledger] == [
        ("opening", "USDT", Decimal(1000), "opening")
    ]


@pytest.mark.parametrize(
    ("name", "opening", "error"),
    [
        ("paper", "10", AccountNameTaken),
        ("", "10", BadAccount),
        (" x", "10", BadAccount),
        ("other", "0", BadAccount),
        ("other", "-1", BadAccount),
        ("other", "nan", BadAccount),
    ],
)
def test_paper_when_wrong_then_refused_and_nothing_written(
    desk: Desk, name: str, opening: str, error: type[CandelaError]
) -> None:
    with pytest.raises(error), desk.session() as session:
        add_paper(session, name=name, venue="binance", opening=Decimal(opening), clock=desk.clock)
    assert desk.count("trading.accounts") == desk.count("trading.ledger") == 1


def test_keyed_when_fit_then_sealed_and_opening_is_what_the_venue_showed(
    desk: Desk, masters: MasterKeys
) -> None:
    keyed(desk, masters, Rights())
    with desk.session() as session:
        account = account_named(session, "real")
        row = session.row("SELECT secret_id, sealed FROM tenancy.secrets", {})
        assert row is not None
        parts = open_secret(
            session, masters, row["secret_id"], why="trade", used_by="test", clock=desk.clock
        )
    assert account.last_four == "WXYZ"
    assert {ccy: total for ccy, (total, _) in account.balances.items()} == TOTALS
    assert parts["secret"].reveal() == CANARY
    assert CANARY.encode() not in bytes(row["sealed"])
    assert desk.count("tenancy.secret_uses") == 1


def test_keyed_when_stored_then_no_table_holds_the_secret_in_any_form(
    desk: Desk, masters: MasterKeys
) -> None:
    keyed(desk, masters, Rights())
    with desk.database.connect() as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname IN ('tenancy', 'trading', 'live')"
        ).fetchall()
        for table in tables:
            statement = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(*table))
            rows = connection.execute(statement).fetchall()
            text = " ".join(str(row[0]) for row in rows)
            assert CANARY not in text
            assert CANARY.encode().hex() not in text


@pytest.mark.parametrize(
    ("rights", "error"),
    [
        (Rights(can_withdraw=True), KeyCanWithdraw),
        (Rights(can_trade=False), KeyCannotTrade),
        (Rights(can_trade=False, can_withdraw=True), KeyCanWithdraw),
    ],
)
def test_keyed_when_rights_are_unfit_then_refused_and_nothing_written(
    desk: Desk, masters: MasterKeys, rights: Rights, error: type[CandelaError]
) -> None:
    with pytest.raises(error) as caught:
        keyed(desk, masters, rights)
    assert CANARY not in str(caught.value)
    assert desk.count("trading.accounts") == 1
    assert desk.count("tenancy.secrets") == desk.count("tenancy.tenant_keys") == 0


def test_keyed_when_another_account_has_the_key_then_refused_and_nothing_written(
    desk: Desk, masters: MasterKeys
) -> None:
    keyed(desk, masters, Rights())
    before = desk.count("trading.accounts")
    with pytest.raises(KeyTaken, match="that of the account real"):
        keyed(desk, masters, Rights(), name="again")
    assert desk.count("trading.accounts") == before


def test_keyed_when_the_venue_does_not_tell_rights_then_taken(
    desk: Desk, masters: MasterKeys
) -> None:
    keyed(desk, masters, Rights(None, None))
    with desk.session() as session:
        assert [one.mode for one in all_accounts(session)] == ["paper", "live"]


def test_keyed_when_plan_is_free_then_refused_before_the_venue_is_asked(
    desk: Desk, masters: MasterKeys
) -> None:
    with desk.session() as session:
        change_plan(session, "free", clock=desk.clock)
    asked: list[KeyGiven] = []

    def look(key: KeyGiven) -> Seen:
        asked.append(key)
        return Seen(Rights(), TOTALS)

    with pytest.raises(PlanLimitReached):
        add_keyed(
            desk.database,
            desk.user.tenant_id,
            name="real",
            venue="binance",
            mode="live",
            key=KeyGiven(Credential("k"), Credential(CANARY)),
            look=look,
            masters=masters,
            clock=desk.clock,
        )
    assert asked == []


def test_secret_when_of_another_tenant_then_not_found(
    desk: Desk, masters: MasterKeys, clock: FixedClock
) -> None:
    keyed(desk, masters, Rights())
    with desk.session() as session:
        row = session.row("SELECT secret_id FROM tenancy.secrets", {})
    assert row is not None
    other = create_user(desk.database, "other@example.com", clock=clock)
    with pytest.raises(NoSecret), tenant_session(desk.database, other.tenant_id) as session:
        open_secret(session, masters, row["secret_id"], why="x", used_by="y", clock=clock)


def test_close_when_a_bot_uses_it_then_refused_and_free_again_once_closed(desk: Desk) -> None:
    desk.paper("spare")
    desk.bot("one", account="paper")
    with pytest.raises(AccountInUse, match="one"), desk.session() as session:
        close_account(session, "paper", clock=desk.clock)
    with desk.session() as session:
        close_account(session, "spare", clock=desk.clock)
        assert [one.name for one in all_accounts(session)] == ["paper"]
    desk.paper("spare")
