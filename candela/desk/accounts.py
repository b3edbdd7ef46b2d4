"""Accounts of a tenant: what there is, and closing one that is not used any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString
from uuid import UUID

from candela.desk.secrets import destroy_secret
from candela.errors import Conflict, NotFound

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = [
    "AccountInUse",
    "AccountNameTaken",
    "AccountNotKeyed",
    "AccountRow",
    "UnknownAccount",
    "account_named",
    "account_of",
    "all_accounts",
    "close_account",
    "close_account_of",
    "disconnect_account",
    "rename_account",
]

_ACCOUNTS: Final = """
SELECT a.account_id, a.name, a.venue, a.kind, a.mode, a.quote_ccy, a.state, a.state_reason,
    a.reconciled_at, a.created_at, s.last_four,
    CASE WHEN s.sealed <> '' THEN s.secret_id END AS key_id,
    (SELECT max(b.updated_at) FROM trading.balances AS b
     WHERE b.tenant_id = a.tenant_id AND b.account_id = a.account_id) AS balances_at,
    coalesce(
        (SELECT jsonb_object_agg(b.ccy, jsonb_build_array(b.total::text, b.reserved::text))
         FROM trading.balances AS b
         WHERE b.tenant_id = a.tenant_id AND b.account_id = a.account_id
           AND (b.total <> 0 OR b.reserved <> 0)), '{}'
    ) AS balances,
    (SELECT count(*) FROM trading.bots AS t
     WHERE t.tenant_id = a.tenant_id AND t.account_id = a.account_id
       AND t.removed_at IS NULL) AS bots
FROM trading.accounts AS a
LEFT JOIN tenancy.secrets AS s USING (tenant_id, secret_id)
WHERE a.tenant_id = %(tenant)s AND a.state <> 'closed'
    AND (%(name)s::text IS NULL OR a.name = %(name)s)
    AND (%(account)s::uuid IS NULL OR a.account_id = %(account)s)
ORDER BY a.created_at
"""
_CLOSE: Final = """
UPDATE trading.accounts SET
    state = 'closed', closed_at = %(at)s,
    name = left(name, 60) || ' (closed ' || left(account_id::text, 13) || ')'
WHERE tenant_id = %(tenant)s AND account_id = %(account)s
"""
_BUSY: Final = """
SELECT 'The bot ' || name || ' uses' AS words FROM trading.bots
WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND removed_at IS NULL
UNION ALL
SELECT 'An order for ' || symbol || ' is at work on' FROM trading.intents
WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND state IN ('committed', 'working')
UNION ALL
SELECT 'An order for ' || symbol || ' waits on' FROM trading.order_requests
WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND state = 'waiting'
ORDER BY words LIMIT 1
"""
_AT_WORK: Final = """
SELECT 'The bot ' || name || ' is ' || state || ' on' AS words FROM trading.bots
WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND removed_at IS NULL
    AND (wanted = 'running' OR state <> 'stopped')
UNION ALL
SELECT 'A position of ' || trim_scale(quantity) || ' ' || symbol || ' is open on'
FROM trading.positions
WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND quantity > 0
UNION ALL
SELECT 'An order for ' || symbol || ' is at work on' FROM trading.intents
WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND state IN ('committed', 'working')
UNION ALL
SELECT 'An order for ' || symbol || ' waits on' FROM trading.order_requests
WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND state = 'waiting'
ORDER BY words LIMIT 1
"""
_NAMED: Final = """
SELECT account_id FROM trading.accounts WHERE tenant_id = %(tenant)s AND name = %(name)s
"""
_RENAME: Final = """
UPDATE trading.accounts SET name = %(name)s
WHERE tenant_id = %(tenant)s AND account_id = %(account)s
"""
_DISCONNECT: Final = """
UPDATE trading.accounts SET
    state = 'blocked', state_reason = 'disconnected: its owner took the key away', state_at = %(at)s
WHERE tenant_id = %(tenant)s AND account_id = %(account)s
"""


class UnknownAccount(NotFound):
    """The tenant has no account of that name."""

    code = "unknown_account"


class AccountNameTaken(Conflict):
    """The tenant has an account of that name already."""

    code = "account_name_taken"


class AccountInUse(Conflict):
    """Bots use the account, or orders are at work on it."""

    code = "account_in_use"


class AccountNotKeyed(Conflict):
    """The account is of play money and has no key."""

    code = "account_not_keyed"


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as its owner sees it.

    Parameters
    ----------
    reconciled_at
        When the venue was last connected to and found to agree.
    last_four, key_id
        Of its key; None on paper.
    balances_at
        When they were last written.
    balances
        By currency: total, and what open orders hold back of it.
    """

    account_id: UUID
    name: str
    venue: str
    kind: Literal["spot", "fixed_payout"]
    mode: Literal["paper", "demo", "live"]
    quote_ccy: str
    state: str
    state_reason: str | None
    reconciled_at: datetime | None
    created_at: datetime
    last_four: str | None
    key_id: UUID | None
    balances_at: datetime | None
    balances: Mapping[str, tuple[Decimal, Decimal]]
    bots: int


def all_accounts(session: TenantSession) -> list[AccountRow]:
    """Return the tenant's accounts, oldest first; closed ones are left out."""
    return [_account(row) for row in session.rows(_ACCOUNTS, {"name": None, "account": None})]


def account_named(session: TenantSession, name: str) -> AccountRow:
    """Return an account.

    Raises
    ------
    UnknownAccount
        The tenant has none of that name.
    """
    row = session.row(_ACCOUNTS, {"name": name, "account": None})
    if row is not None:
        return _account(row)
    known = ", ".join(one.name for one in all_accounts(session))
    hint = f"There are: {known}." if known else "`candela account add` makes one."
    raise UnknownAccount(f"There is no account {name!r}.", hint)


def account_of(session: TenantSession, account_id: UUID) -> AccountRow:
    """Return an account by its id.

    Raises
    ------
    UnknownAccount
        The tenant has none of that id, or it is closed.
    """
    row = session.row(_ACCOUNTS, {"name": None, "account": account_id})
    if row is None:
        message = f"There is no account {account_id}."
        raise UnknownAccount(message, "GET /accounts lists yours.")
    return _account(row)


def close_account(session: TenantSession, name: str, *, clock: Clock) -> None:
    """Close an account that no bot uses and no order is at work on; its history stays.

    Raises
    ------
    UnknownAccount
        There is none of that name.
    AccountInUse
        A bot uses it, or an order waits or is at work.
    """
    close_account_of(session, account_named(session, name), clock=clock)


def close_account_of(session: TenantSession, account: AccountRow, *, clock: Clock) -> None:
    """Close an account that was found; its key is destroyed with it, its history stays.

    Raises
    ------
    AccountInUse
        A bot uses it, or an order waits or is at work.
    """
    session.lock()
    _refuse_busy(session, _BUSY, account, "Delete its bots and let its orders end first.")
    session.run(_CLOSE, {"account": account.account_id, "at": clock.now()})
    _let_go(session, account, "its account was closed", clock)


def rename_account(session: TenantSession, account_id: UUID, name: str) -> AccountRow:
    """Give an account another name.

    Raises
    ------
    UnknownAccount
        There is none of that id.
    AccountNameTaken
        Another has the name.
    """
    session.lock()
    account = account_of(session, account_id)
    other = session.row(_NAMED, {"name": name})
    if other is not None and other["account_id"] != account.account_id:
        raise AccountNameTaken(f"There is an account {name!r} already.", "Give it another name.")
    session.run(_RENAME, {"account": account_id, "name": name})
    return account_of(session, account_id)


def disconnect_account(session: TenantSession, account_id: UUID, *, clock: Clock) -> AccountRow:
    """Destroy the key of an account on which nothing is at work; the account itself stays.

    What is held at the venue could no longer be looked after, so it has to be let go of first.

    Raises
    ------
    UnknownAccount
        There is none of that id.
    AccountNotKeyed
        It is of play money.
    AccountInUse
        A bot is not stopped, or a position or an order is open.
    """
    session.lock()
    account = account_of(session, account_id)
    if account.mode == "paper":
        message = f"The account {account.name} is of play money: there is no connection."
        raise AccountNotKeyed(message, "Delete the account itself.")
    hint = "Stop its bots with flatten, and let its orders end first."
    _refuse_busy(session, _AT_WORK, account, hint)
    session.run(_DISCONNECT, {"account": account_id, "at": clock.now()})
    _let_go(session, account, "its account was disconnected", clock)
    return account_of(session, account_id)


def _refuse_busy(
    session: TenantSession, query: LiteralString, account: AccountRow, hint: str
) -> None:
    busy = session.row(query, {"account": account.account_id})
    if busy is not None:
        raise AccountInUse(f"{busy['words']} the account {account.name}.", hint)


def _let_go(session: TenantSession, account: AccountRow, reason: str, clock: Clock) -> None:
    """Destroy the key of an account, and have whoever holds it in memory let go of it."""
    if account.key_id is not None:
        destroy_secret(session, account.key_id, reason=reason, clock=clock)
        account_id = str(account.account_id)
        session.announce(account_id, {"account": account_id, "reopen": [account_id]})


def _account(row: Mapping[str, Any]) -> AccountRow:
    balances = {
        ccy: (Decimal(total), Decimal(reserved))
        for ccy, (total, reserved) in sorted(row["balances"].items())
    }
    values: dict[str, Any] = {**row, "balances": balances}
    return AccountRow(**values)
