"""Accounts of a tenant: what there is, and closing one that is not used any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from candela.errors import Conflict, NotFound

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = [
    "AccountInUse",
    "AccountRow",
    "UnknownAccount",
    "account_named",
    "all_accounts",
    "close_account",
]

_ACCOUNTS: Final = """
SELECT a.account_id, a.name, a.venue, a.kind, a.mode, a.quote_ccy, a.state, a.state_reason,
    a.reconciled_at, a.created_at, s.last_four,
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


class UnknownAccount(NotFound):
    """The tenant has no account of that name."""

    code = "unknown_account"


class AccountInUse(Conflict):
    """Bots use the account, or orders are at work on it."""

    code = "account_in_use"


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as its owner sees it.

    Parameters
    ----------
    last_four
        Of its key; None on paper.
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
    balances: Mapping[str, tuple[Decimal, Decimal]]
    bots: int


def all_accounts(session: TenantSession) -> list[AccountRow]:
    """Return the tenant's accounts, oldest first; closed ones are left out."""
    return [_account(row) for row in session.rows(_ACCOUNTS, {"name": None})]


def account_named(session: TenantSession, name: str) -> AccountRow:
    """Return an account.

    Raises
    ------
    UnknownAccount
        The tenant has none of that name.
    """
    row = session.row(_ACCOUNTS, {"name": name})
    if row is not None:
        return _account(row)
    known = ", ".join(one.name for one in all_accounts(session))
    hint = f"There are: {known}." if known else "`candela account add` makes one."
    raise UnknownAccount(f"There is no account {name!r}.", hint)


def close_account(session: TenantSession, name: str, *, clock: Clock) -> None:
    """Close an account that no bot uses and no order is at work on; its history stays.

    Raises
    ------
    UnknownAccount
        There is none of that name.
    AccountInUse
        A bot uses it, or an order waits or is at work.
    """
    account = account_named(session, name)
    session.lock()
    values = {"account": account.account_id, "at": clock.now()}
    busy = session.row(_BUSY, values)
    if busy is not None:
        message = f"{busy['words']} the account {name}."
        raise AccountInUse(message, "Delete its bots and let its orders end first.")
    session.run(_CLOSE, values)


def _account(row: Mapping[str, Any]) -> AccountRow:
    balances = {
        ccy: (Decimal(total), Decimal(reserved))
        for ccy, (total, reserved) in sorted(row["balances"].items())
    }
    values: dict[str, Any] = {**row, "balances": balances}
    return AccountRow(**values)
