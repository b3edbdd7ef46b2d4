"""The verbs of bots: made, changed, started and stopped, with what live trading asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from api.bots.errors import ConfigChanged, ConfigUnread
from api.bots.policies import require_live
from api.bots.repository import list_bots, list_decisions, list_orders, list_runs, list_versions
from api.configs.service import configured
from api.kit.paging import Page, read_cursor, write_cursor
from candela.audit.record import record
from candela.desk.accounts import UnknownAccount, all_accounts
from candela.desk.bots import (
    BotRow,
    bot_with_id,
    change_bot,
    create_bot,
    remove_bot,
    rename_bot,
)
from candela.desk.reads import DecisionRow
from candela.desk.running import restart_bot, start_bot, stop_bot
from candela.desk.status import BotStatus, status_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path
    from uuid import UUID

    from api.bots.schemas import BotIn, ConfigIn
    from candela.clock import Clock
    from candela.desk.accounts import AccountRow
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = [
    "Filters",
    "account_with_id",
    "bot_with_id",
    "bots_page",
    "change",
    "create",
    "decisions_page",
    "orders_page",
    "remove",
    "rename",
    "runs_page",
    "shown_decision",
    "start",
    "status",
    "stop",
    "versions_page",
]

_BOT: Final = "bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which bots a list shows; None: all."""

    state: str | None = None
    mode: str | None = None
    account: UUID | None = None
    strategy: str | None = None


def account_with_id(session: TenantSession, account_id: UUID) -> AccountRow:
    """Return an account that is not closed.

    Raises
    ------
    UnknownAccount
        The tenant has none of that id.
    """
    for one in all_accounts(session):
        if one.account_id == account_id:
            return one
    raise UnknownAccount(f"There is no account {account_id}.", "Take an id of GET /accounts.")


def create(
    session: TenantSession, caller: Caller, body: BotIn, *, folder: Path | None, clock: Clock
) -> BotRow:
    """Make a bot that is stopped.

    Raises
    ------
    CandelaError
        Whatever is wrong with its name, account, configuration or ladder.
    """
    session.lock()
    account = account_with_id(session, body.account_id)
    made = configured(session, body.config, body.ruin, folder=folder, clock=clock, kept=None)
    bot = create_bot(
        session,
        name=body.name,
        account=account.name,
        config=made.config,
        definition=made.definition,
        market=made.market,
        created_by=str(caller.user_id),
        clock=clock,
    )
    detail = {"name": bot.name, "account": account.name, "config": bot.stored}
    record(session, caller.actor, "bot.create", _BOT, bot.bot_id, clock=clock, detail=detail)
    return bot


def change(
    session: TenantSession,
    caller: Caller,
    bot_id: UUID,
    body: ConfigIn,
    *,
    if_match: str | None,
    folder: Path | None,
    clock: Clock,
) -> BotRow:
    """Give a stopped bot another configuration, if it still has the one that was read.

    Raises
    ------
    ConfigUnread
        It is not said which configuration is replaced.
    ConfigChanged
        That one is not in force any more.
    SecondFactorNeeded, EmailNotVerified
        The bot trades money, and no second factor was shown lately.
    CandelaError
        Whatever is wrong with the configuration, or forbids to change it now.
    """
    session.lock()
    bot = bot_with_id(session, bot_id)
    if if_match is None:
        message = "The request does not say which version of the configuration it replaces."
        raise ConfigUnread(message, "Send If-Match with the ETag of GET /bots/{id}/config.")
    tags = {one.strip().removeprefix("W/").strip('"') for one in if_match.split(",")}
    if not tags & {"*", str(bot.version)}:
        message = f"The configuration is at version {bot.version} now, not {if_match[:40]}."
        raise ConfigChanged(message, "Read it again, and change that.")
    made = configured(session, body.config, body.ruin, folder=folder, clock=clock, kept=bot.config)
    if bot.mode == "live":
        require_live(
            session,
            caller,
            bot,
            confirmed=made.config.capital,
            asked=made.config.capital,
            clock=clock,
        )
    changed = change_bot(
        session,
        bot.name,
        config=made.config,
        definition=made.definition,
        market=made.market,
        changed_by=str(caller.user_id),
        clock=clock,
    )
    detail = {"version": changed.version, "before": bot.stored, "after": changed.stored}
    record(session, caller.actor, "bot.change", _BOT, bot_id, clock=clock, detail=detail)
    return changed


def rename(
    session: TenantSession, caller: Caller, bot_id: UUID, name: str, *, clock: Clock
) -> BotRow:
    """Give a bot another name.

    Raises
    ------
    UnknownBot, BadBot, BotNameTaken
        There is no such bot, or the name is none, or taken.
    """
    session.lock()
    bot = bot_with_id(session, bot_id)
    renamed = rename_bot(session, bot.name, name)
    detail = {"before": bot.name, "after": name}
    record(session, caller.actor, "bot.rename", _BOT, bot_id, clock=clock, detail=detail)
    return renamed


def remove(session: TenantSession, caller: Caller, bot_id: UUID, *, clock: Clock) -> None:
    """Remove a bot that is stopped and holds nothing.

    Raises
    ------
    UnknownBot, BotRuns, BotHolds
        There is no such bot, or it runs, or it holds something.
    """
    session.lock()
    bot = bot_with_id(session, bot_id)
    remove_bot(session, bot.name, clock=clock)
    detail = {"name": bot.name}
    record(session, caller.actor, "bot.remove", _BOT, bot_id, clock=clock, detail=detail)


def start(
    session: TenantSession,
    caller: Caller,
    bot_id: UUID,
    *,
    confirmed: Decimal | None,
    clock: Clock,
    anew: bool = False,
) -> BotRow:
    """Want a bot to run, or with `anew` its run ended and begun again.

    Raises
    ------
    SecondFactorNeeded, EmailNotVerified, CapitalNotConfirmed
        It would trade money, and what that asks for is not there.
    UnknownBot, Killed, PlanLimitReached, BalanceShared
        As for `candela.desk.running.start_bot`.
    """
    session.lock()
    bot = bot_with_id(session, bot_id)
    is_news = bot.wanted != "running" or anew
    if bot.mode == "live" and bot.wanted != "running":
        require_live(
            session, caller, bot, confirmed=confirmed, asked=bot.config.capital, clock=clock
        )
    begin = restart_bot if anew else start_bot
    started = begin(session, bot.name, clock=clock)
    if is_news:
        verb = "restart" if anew else "start"
        detail = {"version": bot.version, "mode": bot.mode, "capital": str(bot.config.capital)}
        record(session, caller.actor, f"bot.{verb}", _BOT, bot_id, clock=clock, detail=detail)
    return started


def stop(
    session: TenantSession, caller: Caller, bot_id: UUID, *, flatten: bool, clock: Clock
) -> BotRow:
    """Want a bot stopped.

    Raises
    ------
    UnknownBot
        There is no such bot.
    """
    session.lock()
    bot = bot_with_id(session, bot_id)
    stopped = stop_bot(session, bot.name, clock=clock, flatten=flatten)
    if (stopped.wanted, stopped.flatten_on_stop) != (bot.wanted, bot.flatten_on_stop):
        detail = {"flatten": flatten}
        record(session, caller.actor, "bot.stop", _BOT, bot_id, clock=clock, detail=detail)
    return stopped


def status(session: TenantSession, bot_id: UUID, *, clock: Clock) -> BotStatus:
    """Return how a bot stands.

    Raises
    ------
    UnknownBot
        There is no such bot.
    """
    return status_of(session, bot_with_id(session, bot_id), clock=clock)


def bots_page(
    session: TenantSession, filters: Filters, cursor: str | None, limit: int, *, oldest: bool
) -> tuple[list[BotRow], str | None]:
    """Return a page of bots, and the cursor of the next.

    Raises
    ------
    BadCursor
        The cursor is none that the list gave out.
    """
    values = {
        "state": filters.state,
        "mode": filters.mode,
        "account": filters.account,
        "strategy": filters.strategy,
    }
    rows = list_bots(session, values, read_cursor(cursor), limit + 1, oldest=oldest)
    return [BotRow(**row) for row in rows[:limit]], _next(rows, limit, "created_at", "bot_id")


def versions_page(
    session: TenantSession, bot_id: UUID, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Return configurations that a bot had, the last one first.

    Raises
    ------
    UnknownBot
        There is no such bot.
    """
    bot_with_id(session, bot_id)
    return list_versions(session, bot_id, before, limit)


def runs_page(
    session: TenantSession, bot_id: UUID, cursor: str | None, limit: int
) -> Page[dict[str, Any]]:
    """Return times in which executors worked on a bot.

    Raises
    ------
    UnknownBot, BadCursor
        There is no such bot, or the cursor is none.
    """
    bot_with_id(session, bot_id)
    rows = list_runs(session, bot_id, read_cursor(cursor), limit + 1)
    return _page(rows, limit, "started_at", "run_id")


def decisions_page(
    session: TenantSession, bot_id: UUID, outcome: str | None, cursor: str | None, limit: int
) -> Page[dict[str, Any]]:
    """Return what a bot decided, and why.

    Raises
    ------
    UnknownBot, BadCursor
        There is no such bot, or the cursor is none.
    """
    bot_with_id(session, bot_id)
    rows = list_decisions(session, bot_id, outcome, read_cursor(cursor), limit + 1)
    return _page(rows, limit, "decided_at", "decision_id", _with_reason)


def orders_page(
    session: TenantSession, bot_id: UUID, cursor: str | None, limit: int
) -> Page[dict[str, Any]]:
    """Return a bot's attempts to trade.

    Raises
    ------
    UnknownBot, BadCursor
        There is no such bot, or the cursor is none.
    """
    bot_with_id(session, bot_id)
    rows = list_orders(session, bot_id, read_cursor(cursor), limit + 1)
    return _page(rows, limit, "created_at", "intent_id")


def shown_decision(row: DecisionRow) -> dict[str, Any]:
    """Return a decision with the sentence that says why."""
    fields: dict[str, Any] = {name: getattr(row, name) for name in row.__slots__}
    return {**fields, "why": row.why}


def _with_reason(row: dict[str, Any]) -> dict[str, Any]:
    return shown_decision(DecisionRow(**row))


def _page(
    rows: list[dict[str, Any]],
    limit: int,
    at: str,
    row_id: str,
    shown: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> Page[dict[str, Any]]:
    items = [shown(row) for row in rows[:limit]]
    return Page(items=items, next_cursor=_next(rows, limit, at, row_id))


def _next(rows: list[dict[str, Any]], limit: int, at: str, row_id: str) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return write_cursor(last[at], last[row_id])
