"""Opening accounts: on paper with a balance, or at a venue once its key was tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol
from uuid import UUID

from psycopg.errors import UniqueViolation

from candela.desk.accounts import AccountNameTaken, AccountRow, account_named, all_accounts
from candela.desk.secrets import seal_secret
from candela.desk.session import tenant_session
from candela.desk.users import subscription_of
from candela.errors import Conflict, StrategyError
from candela.gates import ask
from candela.ids import new_id
from candela.plans import plan_named, refuse_beyond
from candela.vault.credential import Credential, last_four

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.desk.session import TenantSession
    from candela.vault.masterkeys import MasterKeys

__all__ = [
    "AccountNameTaken",
    "BadAccount",
    "KeyCanWithdraw",
    "KeyCannotTrade",
    "KeyGiven",
    "KeyTaken",
    "Rights",
    "Seen",
    "add_keyed",
    "add_paper",
    "insert_account",
    "refuse_beyond_plan",
    "refuse_unfit",
]

_INSERT: Final = """
INSERT INTO trading.accounts
    (tenant_id, account_id, name, venue, kind, mode, secret_id, quote_ccy, created_at)
VALUES
    (%(tenant)s, %(account)s, %(name)s, %(venue)s, %(kind)s, %(mode)s, %(secret)s, %(ccy)s,
     %(at)s)
"""
_OPENING: Final = """
INSERT INTO trading.ledger
    (tenant_id, account_id, entry_key, ccy, amount, kind, occurred_at, booked_at)
VALUES (%(tenant)s, %(account)s, 'opening', %(ccy)s, %(amount)s, 'opening', %(at)s, %(at)s)
"""
_BALANCE: Final = """
INSERT INTO trading.balances (tenant_id, account_id, ccy, total, updated_at)
VALUES (%(tenant)s, %(account)s, %(ccy)s, %(amount)s, %(at)s)
"""
_NAMED: Final = "SELECT 1 FROM trading.accounts WHERE tenant_id = %(tenant)s AND name = %(name)s"
_LONGEST_NAME: Final = 100


class BadAccount(StrategyError):
    """An account that cannot be made as it was asked for."""

    code = "bad_account"


class KeyCannotTrade(Conflict):
    """The venue says that the key may not trade."""

    code = "key_cannot_trade"


class KeyCanWithdraw(Conflict):
    """The venue says that the key may take money out."""

    code = "key_can_withdraw"


class KeyTaken(Conflict):
    """An account of the tenant has the key already: two would share one balance unseen."""

    code = "key_taken"


class Rights(Protocol):
    """What a key may do; None where the venue does not tell."""

    @property
    def can_trade(self) -> bool | None:
        """Whether it may place orders."""
        ...

    @property
    def can_withdraw(self) -> bool | None:
        """Whether it may take money out."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What a venue showed when a key was tried.

    Parameters
    ----------
    totals
        By currency: what the account holds, free and locked together.
    """

    rights: Rights
    totals: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class KeyGiven:
    """A key of a venue's account, and what its venue calls the rest of it.

    Parameters
    ----------
    password
        A third part, which some venues have.
    """

    api_key: Credential
    secret: Credential
    password: Credential | None = None


def add_paper(
    session: TenantSession,
    *,
    name: str,
    venue: str,
    opening: Decimal,
    clock: Clock,
    quote_ccy: str = "USDT",
    kind: Literal["spot", "fixed_payout"] = "spot",
) -> AccountRow:
    """Make an account of play money that trades at a venue's prices.

    Parameters
    ----------
    opening
        Balance in the quote currency.

    Raises
    ------
    AccountNameTaken
        There is one of that name.
    BadAccount
        The opening balance is not above 0, or the name is empty or too long.
    """
    if not opening.is_finite() or opening <= 0:
        message = f"An opening balance of {opening} {quote_ccy} is not above 0."
        raise BadAccount(message, "Give a positive amount.")
    return insert_account(
        session,
        name=name,
        venue=venue,
        kind=kind,
        mode="paper",
        secret_id=None,
        quote_ccy=quote_ccy,
        totals={quote_ccy: opening},
        clock=clock,
    )


def add_keyed(
    database: Database,
    tenant_id: UUID,
    *,
    name: str,
    venue: str,
    mode: Literal["demo", "live"],
    key: KeyGiven,
    look: Callable[[KeyGiven], Seen],
    masters: MasterKeys,
    clock: Clock,
    quote_ccy: str = "USDT",
    kind: Literal["spot", "fixed_payout"] = "spot",
) -> AccountRow:
    """Make an account at a venue, once its key was tried and its rights were found fit.

    Nothing is written unless all is well. The venue is asked outside any transaction.

    Parameters
    ----------
    look
        Asks the venue what the key may do and what the account holds; raises where it is refused.

    Raises
    ------
    PlanLimitReached
        The plan is for paper only.
    KeyCanWithdraw, KeyCannotTrade
        The venue says so of the key.
    KeyTaken
        Another account has it.
    AccountNameTaken, BadAccount
        As for paper.
    """
    with tenant_session(database, tenant_id) as session:
        refuse_beyond_plan(session, mode)
        _refuse_taken(session, name)
        _refuse_key_in_use(session, venue, mode, key.api_key)
    seen = look(key)
    refuse_unfit(seen.rights, venue)
    content = {"api_key": key.api_key, "secret": key.secret}
    if key.password is not None:
        content["password"] = key.password
    with tenant_session(database, tenant_id) as session:
        _refuse_taken(session, name)
        _refuse_key_in_use(session, venue, mode, key.api_key)
        secret_id = seal_secret(
            session,
            masters,
            content,
            purpose="exchange",
            label=f"{name} {new_id(clock.now())}",
            venue=venue,
            shown=key.api_key,
            clock=clock,
        )
        return insert_account(
            session,
            name=name,
            venue=venue,
            kind=kind,
            mode=mode,
            secret_id=secret_id,
            quote_ccy=quote_ccy,
            totals=seen.totals,
            clock=clock,
        )


def refuse_beyond_plan(session: TenantSession, mode: str) -> None:
    """Refuse a mode that the tenant's plan does not trade.

    Raises
    ------
    PlanLimitReached
        Naming what it trades.
    """
    plan = plan_named(subscription_of(session).plan)
    phrase = f"The account is {{value}}, the plan {plan.plan} trades: {{limit}}."
    refuse_beyond((ask("plan_mode", mode, "one_of", plan.modes, phrase),))


def _refuse_taken(session: TenantSession, name: str) -> None:
    if not 1 <= len(name) <= _LONGEST_NAME or name != name.strip():
        message = f"{name!r} is no name of an account."
        raise BadAccount(message, f"Give 1 to {_LONGEST_NAME} characters, no blank at the ends.")
    if session.row(_NAMED, {"name": name}) is not None:
        raise _taken(name)


def _taken(name: str) -> AccountNameTaken:
    return AccountNameTaken(f"There is an account {name!r} already.", "Give it another name.")


def _refuse_key_in_use(session: TenantSession, venue: str, mode: str, key: Credential) -> None:
    # Only the end of a key is kept in the clear; that two keys of a person share it is one in
    # fourteen million.
    end = last_four(key)
    for one in all_accounts(session):
        if (one.venue, one.mode, one.last_four) == (venue, mode, end):
            message = f"The key that ends in {end} is that of the account {one.name} already."
            raise KeyTaken(message, f"Let the bot trade there: --account {one.name}.")


def refuse_unfit(rights: Rights, venue: str) -> None:
    """Refuse a key by which money could be taken out, or that cannot trade.

    Raises
    ------
    KeyCanWithdraw
        The venue says that it may take money out.
    KeyCannotTrade
        The venue says that it may not place orders.
    """
    if rights.can_withdraw:
        message = f"The key may withdraw from {venue}, so a leak of it would cost all there is."
        hint = "Make a key there that may read and trade only, and give that one."
        raise KeyCanWithdraw(message, hint)
    if rights.can_trade is False:
        message = f"The key may not trade at {venue}."
        raise KeyCannotTrade(message, "Allow spot trading for it there, or give another key.")


def insert_account(
    session: TenantSession,
    *,
    name: str,
    venue: str,
    kind: str,
    mode: str,
    secret_id: UUID | None,
    quote_ccy: str,
    totals: Mapping[str, Decimal],
    clock: Clock,
) -> AccountRow:
    """Write an account with what it holds to begin with.

    Raises
    ------
    AccountNameTaken
        There is one of that name.
    BadAccount
        The name is empty or too long.
    """
    _refuse_taken(session, name)
    now = clock.now()
    values: dict[str, Any] = {
        "account": new_id(now),
        "name": name,
        "venue": venue,
        "kind": kind,
        "mode": mode,
        "secret": secret_id,
        "ccy": quote_ccy,
        "at": now,
    }
    try:
        session.run(_INSERT, values)
    except UniqueViolation:
        message = f"There is an account {name!r} already."
        raise AccountNameTaken(message, "Give it another name.") from None
    for ccy, amount in ({quote_ccy: Decimal(0)} | dict(totals)).items():
        parts = values | {"ccy": ccy, "amount": amount}
        if amount:
            session.run(_OPENING, parts)
        session.run(_BALANCE, parts)
    return account_named(session, name)
