"""Bots of a tenant: made, changed, found and removed; every configuration is kept for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from candela.bots.checks import check_bot
from candela.bots.config import BotConfig, config_from
from candela.desk.accounts import account_named
from candela.errors import Conflict, NotFound, StrategyError
from candela.ids import new_id
from candela.money import plain

if TYPE_CHECKING:
    from candela.bots.definition import Definition
    from candela.bots.market import Market
    from candela.clock import Clock
    from candela.desk.accounts import AccountRow
    from candela.desk.session import TenantSession

__all__ = [
    "ACTIVE_STATES",
    "BadBot",
    "BotHolds",
    "BotNameTaken",
    "BotRow",
    "BotRuns",
    "UnknownBot",
    "all_bots",
    "bot_named",
    "bot_with_id",
    "change_bot",
    "create_bot",
    "remove_bot",
    "rename_bot",
]

ACTIVE_STATES: Final = frozenset({"starting", "running", "stopping", "blocked"})
"""States in which an executor works on a bot, whatever its user wants by now."""

_DEFINITION: Final = """
INSERT INTO live.definitions
    (definition_id, strategy, source_digest, parameters, instrument, timeframe, kind, warm_up,
     reads, timeframes, source)
VALUES
    (%(definition)s, %(strategy)s, %(digest)s, %(parameters)s, %(instrument)s, %(timeframe)s,
     %(kind)s, %(warm_up)s, %(reads)s, %(timeframes)s, %(source)s)
ON CONFLICT (definition_id) DO NOTHING
"""
_BOT: Final = """
INSERT INTO trading.bots
    (tenant_id, bot_id, name, account_id, version, wanted_at, state_at, created_at)
VALUES (%(tenant)s, %(bot)s, %(name)s, %(account)s, 1, %(at)s, %(at)s, %(at)s)
"""
_VERSION: Final = """
INSERT INTO trading.bot_versions
    (tenant_id, bot_id, version, config, definition_id, created_by, created_at)
VALUES (%(tenant)s, %(bot)s, %(version)s, %(config)s, %(definition)s, %(by)s, %(at)s)
"""
_CHANGE: Final = """
UPDATE trading.bots SET version = %(version)s, state_reason = NULL
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s
"""
_RENAME: Final = """
UPDATE trading.bots SET name = %(name)s WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s
"""
_BOTS: Final = """
SELECT b.bot_id, b.name, b.account_id, a.name AS account, a.venue, a.kind, a.mode, a.quote_ccy,
    b.version, b.wanted, b.wanted_at, b.flatten_on_stop, b.state, b.state_reason, b.state_at,
    b.created_at, v.config AS stored, v.definition_id
FROM trading.bots AS b
INNER JOIN trading.accounts AS a USING (tenant_id, account_id)
INNER JOIN trading.bot_versions AS v USING (tenant_id, bot_id, version)
WHERE b.tenant_id = %(tenant)s AND b.removed_at IS NULL
    AND (%(name)s::text IS NULL OR b.name = %(name)s)
    AND (%(bot)s::uuid IS NULL OR b.bot_id = %(bot)s)
ORDER BY b.created_at
"""
_HELD: Final = """
SELECT p.symbol, p.quantity FROM trading.positions AS p
WHERE p.tenant_id = %(tenant)s AND p.bot_id = %(bot)s AND p.quantity <> 0
UNION ALL
SELECT i.symbol, i.quantity FROM trading.intents AS i
WHERE i.tenant_id = %(tenant)s AND i.bot_id = %(bot)s AND i.state IN ('committed', 'working')
LIMIT 1
"""
# The name is free again for another one, and still says which one it was.
_REMOVE: Final = """
UPDATE trading.bots SET
    removed_at = %(at)s, name = left(name, 60) || ' (removed ' || bot_id::text || ')'
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s
"""
_LONGEST_NAME: Final = 60


class UnknownBot(NotFound):
    """The tenant has no bot of that name."""

    code = "unknown_bot"


class BotNameTaken(Conflict):
    """The tenant has a bot of that name already."""

    code = "bot_name_taken"


class BotRuns(Conflict):
    """The bot runs, and what was asked for needs it stopped."""

    code = "bot_runs"


class BotHolds(Conflict):
    """The bot holds a position or has an order at work."""

    code = "bot_holds"


class BadBot(StrategyError):
    """A bot cannot be made on that account, or under that name."""

    code = "bad_bot"


@dataclass(frozen=True)
class BotRow:
    """A bot as its owner sees it.

    Parameters
    ----------
    quote_ccy
        Currency of its account, which its capital is in.
    wanted, wanted_at
        What its user wants, and since when.
    state, state_reason, state_at
        What the executor says that works on it, and when it last said so.
    stored
        Its configuration as the database holds it; see `config`.
    """

    bot_id: UUID
    name: str
    account_id: UUID
    account: str
    venue: str
    kind: Literal["spot", "fixed_payout"]
    mode: Literal["paper", "demo", "live"]
    quote_ccy: str
    version: int
    wanted: Literal["running", "stopped"]
    wanted_at: datetime
    flatten_on_stop: bool
    state: str
    state_reason: str | None
    state_at: datetime
    created_at: datetime
    stored: dict[str, Any]
    definition_id: str

    @cached_property
    def config(self) -> BotConfig:
        """The configuration of its version."""
        return config_from(self.stored)

    @property
    def is_active(self) -> bool:
        """Whether it runs, shall run, or has not stopped yet."""
        return self.wanted == "running" or self.state in ACTIVE_STATES


def create_bot(
    session: TenantSession,
    *,
    name: str,
    account: str,
    config: BotConfig,
    definition: Definition,
    market: Market,
    created_by: str,
    clock: Clock,
) -> BotRow:
    """Write a bot that is stopped, with the first version of its configuration.

    Parameters
    ----------
    definition
        Made of the configuration's own strategy and parameters, which were checked by it.
    market
        What the venue says of the configuration's instrument and timeframe.

    Raises
    ------
    UnknownAccount
        There is no such account.
    BadBot
        The account is of another venue or kind, or the name is empty or too long.
    BotNameTaken
        There is a bot of that name.
    CandelaError
        What `candela.bots.checks.check_bot` refuses.
    """
    session.lock()
    _check_name(session, name)
    place = account_named(session, account)
    _check_place(place, config, definition)
    check_bot(config, definition, market, place.quote_ccy)
    now = clock.now()
    bot_id = new_id(now)
    values: dict[str, Any] = {
        "bot": bot_id,
        "name": name,
        "account": place.account_id,
        "version": 1,
        "by": created_by,
        "at": now,
    }
    _write_definition(session, definition)
    session.run(_BOT, values)
    session.run(_VERSION, values | _versioned(config, definition))
    return bot_named(session, name)


def change_bot(
    session: TenantSession,
    name: str,
    *,
    config: BotConfig,
    definition: Definition,
    market: Market,
    changed_by: str,
    clock: Clock,
) -> BotRow:
    """Give a stopped bot another configuration, as its next version.

    Raises
    ------
    UnknownBot
        There is none of that name.
    BotRuns
        It runs.
    BotHolds
        It holds a position of the instrument that it would not trade any more.
    CandelaError
        What `create_bot` refuses of a configuration.
    """
    session.lock()
    bot = bot_named(session, name)
    if bot.is_active:
        raise BotRuns(f"The bot {name} runs.", "Stop it first.")
    if config.instrument != bot.config.instrument:
        _refuse_holding(session, bot)
    place = account_named(session, bot.account)
    _check_place(place, config, definition)
    check_bot(config, definition, market, place.quote_ccy)
    values: dict[str, Any] = {
        "bot": bot.bot_id,
        "version": bot.version + 1,
        "by": changed_by,
        "at": clock.now(),
    }
    _write_definition(session, definition)
    session.run(_VERSION, values | _versioned(config, definition))
    session.run(_CHANGE, values)
    return bot_named(session, name)


def remove_bot(session: TenantSession, name: str, *, clock: Clock) -> None:
    """Remove a bot that is stopped and holds nothing; what it did stays on record.

    Raises
    ------
    UnknownBot
        There is none of that name.
    BotRuns
        It runs, or has not stopped yet.
    BotHolds
        It holds a position, or has an order at work.
    """
    session.lock()
    bot = bot_named(session, name)
    if bot.is_active:
        state = "runs" if bot.wanted == "running" else f"is {bot.state}"
        raise BotRuns(f"The bot {name} {state}.", "Stop it first.")
    _refuse_holding(session, bot)
    session.run(_REMOVE, {"bot": bot.bot_id, "at": clock.now()})


def all_bots(session: TenantSession) -> list[BotRow]:
    """Return the tenant's bots, oldest first; removed ones are left out."""
    return [BotRow(**row) for row in session.rows(_BOTS, {"name": None, "bot": None})]


def bot_named(session: TenantSession, name: str) -> BotRow:
    """Return a bot.

    Raises
    ------
    UnknownBot
        The tenant has none of that name.
    """
    row = session.row(_BOTS, {"name": name, "bot": None})
    if row is not None:
        return BotRow(**row)
    known = ", ".join(one.name for one in all_bots(session))
    hint = f"There are: {known}." if known else "`candela bot create` makes one."
    raise UnknownBot(f"There is no bot {name!r}.", hint)


def bot_with_id(session: TenantSession, bot_id: UUID) -> BotRow:
    """Return a bot.

    Raises
    ------
    UnknownBot
        The tenant has none of that id, or has removed it.
    """
    row = session.row(_BOTS, {"name": None, "bot": bot_id})
    if row is None:
        raise UnknownBot(f"There is no bot {bot_id}.", "Take an id of the list of bots.")
    return BotRow(**row)


def rename_bot(session: TenantSession, name: str, new_name: str) -> BotRow:
    """Give a bot another name; it may run meanwhile.

    Raises
    ------
    UnknownBot
        There is none of that name.
    BadBot, BotNameTaken
        As for a bot that is made.
    """
    session.lock()
    bot = bot_named(session, name)
    if new_name != name:
        _check_name(session, new_name)
        session.run(_RENAME, {"bot": bot.bot_id, "name": new_name})
    return bot_named(session, new_name)


def _check_name(session: TenantSession, name: str) -> None:
    if not 1 <= len(name) <= _LONGEST_NAME or name != name.strip() or not name.isprintable():
        message = f"{name!r} is no name of a bot."
        raise BadBot(message, f"Give 1 to {_LONGEST_NAME} characters, no blank at the ends.")
    if session.row(_BOTS, {"name": name, "bot": None}) is not None:
        raise BotNameTaken(f"There is a bot {name!r} already.", "Give it another name.")


def _check_place(place: AccountRow, config: BotConfig, definition: Definition) -> None:
    if place.venue != config.venue:
        message = f"{config.instrument} is not traded on {place.name}, an account at {place.venue}."
        raise BadBot(message, f"Name an account at {config.venue}, or a symbol of {place.venue}.")
    if place.kind != definition.kind:
        words = {"spot": "buys and sells", "fixed_payout": "bets on fixed payouts"}
        message = f"{config.strategy} {words[definition.kind]}; {place.name} is for {place.kind}."
        raise BadBot(message, f"Name an account of kind {definition.kind}.")


def _refuse_holding(session: TenantSession, bot: BotRow) -> None:
    held = session.row(_HELD, {"bot": bot.bot_id})
    if held is None:
        return
    message = (
        f"The bot {bot.name} holds, or has orders for, {plain(held['quantity'])} of"
        f" {held['symbol']}."
    )
    hint = f"Sell first: candela bot start {bot.name}, then candela bot stop {bot.name} --flatten"
    raise BotHolds(message, hint)


def _write_definition(session: TenantSession, definition: Definition) -> None:
    session.run(
        _DEFINITION,
        {
            "definition": definition.definition_id,
            "strategy": definition.strategy,
            "digest": definition.source_digest,
            "parameters": Jsonb(dict(definition.parameters)),
            "instrument": str(definition.instrument),
            "timeframe": str(definition.timeframe),
            "kind": definition.kind,
            "warm_up": definition.warm_up,
            "reads": list(definition.reads),
            "timeframes": definition.timeframes,
            "source": definition.source,
        },
    )


def _versioned(config: BotConfig, definition: Definition) -> dict[str, Any]:
    whole = config.with_parameters(definition.parameters)
    return {"config": Jsonb(whole.as_json()), "definition": definition.definition_id}
