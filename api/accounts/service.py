"""What is done with accounts: opened, renamed, disconnected, closed; each in the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from api.accounts.schemas import AccountShown
from candela.audit.record import record
from candela.desk.accounts import (
    account_of,
    all_accounts,
    close_account_of,
    disconnect_account,
    rename_account,
)
from candela.desk.keys import KeyNotGood, key_of, open_keyed
from candela.desk.opening import add_paper
from candela.errors import Conflict
from candela.venues.known import require_venue

if TYPE_CHECKING:
    from api.accounts.schemas import AccountNamed, KeyedGiven, PaperGiven
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = ["MOST_ACCOUNTS", "TooManyAccounts", "close", "disconnect", "open_account", "rename"]

MOST_ACCOUNTS = 50


class TooManyAccounts(Conflict):
    """The tenant has as many accounts as there may be."""

    code = "too_many_accounts"


def open_account(
    session: TenantSession, caller: Caller, given: PaperGiven | KeyedGiven, clock: Clock
) -> AccountShown:
    """Open an account: of play money, or of a key that was found good.

    Raises
    ------
    TooManyAccounts
        There are as many as there may be.
    UnknownVenue, UnknownKey
        There is no such venue or key.
    KeyNotGood
        The key was not found good, or is of the other mode.
    KeyTaken, AccountNameTaken, BadAccount, PlanLimitReached
        As of the desk.
    """
    session.lock()
    count = len(all_accounts(session))
    if count >= MOST_ACCOUNTS:
        message = f"There are {count} accounts already; limit: {MOST_ACCOUNTS}."
        raise TooManyAccounts(message, "Close those that are not used.")
    if given.mode == "paper":
        require_venue(given.venue)
        made = add_paper(
            session,
            name=given.name,
            venue=given.venue,
            opening=given.opening_balance,
            quote_ccy=given.quote_ccy,
            kind=given.kind,
            clock=clock,
        )
    else:
        key = key_of(session, given.key_id, "exchange")
        if key.mode != given.mode:
            message = f"The key {key.label} is of mode {key.mode}, not {given.mode}."
            raise KeyNotGood(message, "Give its own mode, or another key.")
        made = open_keyed(
            session, name=given.name, key_id=given.key_id, quote_ccy=given.quote_ccy, clock=clock
        )
    detail = {"name": made.name, "venue": made.venue, "mode": made.mode}
    record(
        session,
        caller.actor,
        "account.open",
        "account",
        made.account_id,
        clock=clock,
        detail=detail,
    )
    return AccountShown.of(made, clock.now())


def rename(
    session: TenantSession, caller: Caller, account_id: UUID, given: AccountNamed, clock: Clock
) -> AccountShown:
    """Give an account another name.

    Raises
    ------
    UnknownAccount, AccountNameTaken
        There is none of that id, or another has the name.
    """
    before = account_of(session, account_id)
    found = rename_account(session, account_id, given.name)
    detail = {"from": before.name, "to": found.name}
    record(
        session, caller.actor, "account.rename", "account", account_id, clock=clock, detail=detail
    )
    return AccountShown.of(found, clock.now())


def disconnect(
    session: TenantSession, caller: Caller, account_id: UUID, clock: Clock
) -> AccountShown:
    """Destroy the key of an account on which nothing is at work.

    Raises
    ------
    UnknownAccount, AccountNotKeyed, AccountInUse
        There is none, it has no key, or something is at work.
    """
    found = disconnect_account(session, account_id, clock=clock)
    record(session, caller.actor, "account.disconnect", "account", account_id, clock=clock)
    return AccountShown.of(found, clock.now())


def close(session: TenantSession, caller: Caller, account_id: UUID, clock: Clock) -> None:
    """Close an account that no bot uses; its history stays, its key does not.

    Raises
    ------
    UnknownAccount, AccountInUse
        There is none, or something uses it.
    """
    account = account_of(session, account_id)
    close_account_of(session, account, clock=clock)
    record(
        session,
        caller.actor,
        "account.close",
        "account",
        account_id,
        clock=clock,
        detail={"name": account.name},
    )
