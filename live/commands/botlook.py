"""The commands `candela bot list|show|status|logs|positions|trades|orders|decisions`."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from candela.commands.output import JsonFlag, Output, table
from candela.commands.stopping import stop_on_signal
from live.commands.bot import NameArgument, app
from live.commands.opening import UserOption, open_operator

if TYPE_CHECKING:
    from uuid import UUID

    from candela.desk.reads import LogRow
    from candela.desk.session import TenantSession
    from candela.desk.status import BotStatus
    from live.commands.opening import Operator

__all__ = ["app"]

OneOrAll = Annotated[
    str | None, typer.Argument(metavar="[BOT]", help="Name of the bot; without it all.")
]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many.")]
LevelOption = Annotated[
    Literal["debug", "info", "warning", "error"], typer.Option("--level", help="Least severe.")
]
_FOLLOW_EVERY_S = 1.0
# Lines are written up to a second after they were made; looked at again, so that none is missed.
_OVERLAP = timedelta(seconds=10)


@app.command("list")
def show_all(user: UserOption = None, as_json: JsonFlag = False) -> None:
    """List the bots with what is wanted, what is so, and what they made."""
    from candela.desk.bots import all_bots
    from candela.desk.status import status_of
    from live.commands.words import money, number

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        found = [status_of(session, bot, clock=operator.clock) for bot in all_bots(session)]
    rows = [
        [
            one.bot.name,
            one.bot.mode,
            f"{one.bot.config.strategy} {one.bot.config.instrument} {one.bot.config.timeframe}",
            number(one.position.quantity) if one.position else "-",
            money(one.pnl_today, signed=True),
            money(one.pnl_total, signed=True),
            one.words,
        ]
        for one in found
    ]
    heads = ["bot", "mode", "runs", "holds", "today", "in all", "is"]
    data = [_status_data(one) for one in found]
    none = "No bots. `candela bot create --help` tells how to make one."
    output.result({"bots": data}, table(heads, rows) if rows else none)


@app.command("show")
def show(name: NameArgument, user: UserOption = None, as_json: JsonFlag = False) -> None:
    """Show a bot's configuration; --json prints what --config reads."""
    from candela.desk.bots import bot_named
    from live.commands.words import at

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        bot = bot_named(session, name)
    lines = [f"{name}, version {bot.version} of {at(bot.created_at)}, account {bot.account}"]
    lines += [f"  {path} = {value}" for path, value in _flat(bot.stored)]
    output.result(
        {"name": bot.name, "account": bot.account, "version": bot.version, "config": bot.stored},
        "\n".join(lines),
    )


@app.command("status")
def status(name: NameArgument, user: UserOption = None, as_json: JsonFlag = False) -> None:
    """Say how a bot stands: wanted and so, who works on it, its last decision and why."""
    from candela.desk.bots import bot_named
    from candela.desk.status import status_of

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        found = status_of(session, bot_named(session, name), clock=operator.clock)
    output.result(_status_data(found), _status_words(operator, found))


@app.command("positions")
def positions(
    name: OneOrAll = None,
    flat: Annotated[bool, typer.Option("--flat", help="Also bots that hold nothing.")] = False,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what a bot, or all of them, hold."""
    from candela.desk.reads import positions_of
    from live.commands.words import position_rows

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        rows = positions_of(session, _bot_id(session, name), flat=flat)
    heads = ["bot", "symbol", "quantity", "mean price", "realised", "since (UTC)"]
    text = table(heads, position_rows(rows)) if rows else "Nothing is held."
    output.result({"positions": rows}, text)


@app.command("trades")
def trades(
    name: OneOrAll = None,
    limit: LimitOption = 20,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the last trades of a bot, or of all of them, newest first."""
    from candela.desk.reads import trades_of
    from live.commands.words import trade_rows

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        rows = trades_of(session, _bot_id(session, name), limit=limit)
    heads = ["opened (UTC)", "closed", "bot", "symbol", "side", "quantity", "entry", "exit"]
    heads += ["gain", "why"]
    output.result({"trades": rows}, table(heads, trade_rows(rows)) if rows else "No trades yet.")


@app.command("orders")
def orders(
    name: OneOrAll = None,
    limit: LimitOption = 20,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that may fill.")] = False,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the last orders of a bot, or of all and by hand, newest first."""
    from candela.desk.reads import orders_of
    from live.commands.words import order_rows

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        rows = orders_of(session, _bot_id(session, name), limit=limit, only_open=only_open)
    heads = ["at (UTC)", "bot", "symbol", "side", "kind", "quantity", "price", "filled", "state"]
    heads += ["why"]
    output.result({"orders": rows}, table(heads, order_rows(rows)) if rows else "No orders.")


@app.command("decisions")
def decisions(
    name: NameArgument,
    limit: LimitOption = 10,
    refused: Annotated[bool, typer.Option("--refused", help="Only those refused.")] = False,
    gates: Annotated[bool, typer.Option("--gates", help="With every gate that was asked.")] = False,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show why a bot did, or did not do, what it last decided."""
    from candela.desk.bots import bot_named
    from candela.desk.reads import decisions_of
    from live.commands.words import decision_lines

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        bot = bot_named(session, name)
        rows = decisions_of(session, bot.bot_id, limit=limit, only_refused=refused)
    lines = [line for row in rows for line in decision_lines(row, all_gates=gates)]
    output.result({"decisions": rows}, "\n".join(lines) or "It has decided nothing yet.")


@app.command("logs")
def logs(
    name: OneOrAll = None,
    limit: LimitOption = 50,
    level: LevelOption = "info",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the last lines of a bot's log; --follow goes on, with --json an object a line."""
    from candela.desk.reads import logs_of
    from live.commands.words import log_line

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        bot_id = _bot_id(session, name)
        rows = logs_of(session, bot_id, limit=limit, least=level)
    if not follow:
        text = "\n".join(map(log_line, rows)) or "Nothing was logged yet."
        output.result({"logs": rows}, text)
        return
    _say(output, rows)
    seen = {row.log_id for row in rows}
    with stop_on_signal() as should_stop:
        while not should_stop():
            time.sleep(_FOLLOW_EVERY_S)
            since = operator.clock.now() - _OVERLAP
            with operator.session() as session:
                found = logs_of(session, bot_id, limit=10_000, since=since, least=level)
            _say(output, [row for row in found if row.log_id not in seen])
            # What is older than the overlap is not read again.
            seen = {row.log_id for row in found}


def _say(output: Output, rows: list[LogRow]) -> None:
    from live.commands.words import log_line

    for row in rows:
        output.result(row, log_line(row))


def _bot_id(session: TenantSession, name: str | None) -> UUID | None:
    from candela.desk.bots import bot_named

    return None if name is None else bot_named(session, name).bot_id


def _status_data(one: BotStatus) -> dict[str, object]:
    return {
        "name": one.bot.name,
        "is": one.words,
        "wanted": one.bot.wanted,
        "wanted_at": one.bot.wanted_at,
        "state": one.bot.state,
        "state_reason": one.bot.state_reason,
        "state_at": one.bot.state_at,
        "account": one.bot.account,
        "mode": one.bot.mode,
        "strategy": one.bot.config.strategy,
        "instrument": one.bot.config.instrument,
        "timeframe": one.bot.config.timeframe,
        "capital": one.bot.config.capital,
        "version": one.bot.version,
        "keeper": one.keeper,
        "halts": one.halts,
        "late_since": one.late_since,
        "last_decision": one.last_decision,
        "position": one.position,
        "open_orders": one.open_orders,
        "pnl_today": one.pnl_today,
        "trades_today": one.trades_today,
        "pnl_total": one.pnl_total,
    }


def _status_words(operator: Operator, one: BotStatus) -> str:
    from live.commands.words import ago, at, decision_lines, facts, money, number, price

    now, bot = operator.clock.now(), one.bot
    keeper = one.keeper
    works = "nobody"
    if keeper.executor is not None:
        life = "alive" if keeper.is_alive else "NOT ALIVE"
        works = f"{keeper.executor}, {life}, heartbeat {ago(keeper.seen_at, now)}"
    quote = bot.quote_ccy
    pairs = {
        bot.name: one.words,
        "runs": f"{bot.config.strategy} on {bot.config.instrument} {bot.config.timeframe}",
        "account": f"{bot.account} ({bot.mode}), capital {money(bot.config.capital)} {quote}",
        "wanted": f"{bot.wanted}, since {at(bot.wanted_at)} UTC",
        "state": f"{bot.state}, {ago(bot.state_at, now)}",
        "executor": works,
        "today": f"{money(one.pnl_today, signed=True)} {quote} in {one.trades_today} trades"
        f" (day of {one.zone})",
        "in all": f"{money(one.pnl_total, signed=True)} {quote}",
    }
    held = one.position
    if held is not None:
        pairs["holds"] = (
            f"{number(held.quantity)} {held.symbol} at {price(held.mean_price)},"
            f" since {at(held.opened_at)} UTC"
        )
    else:
        pairs["holds"] = "nothing"
    if one.open_orders:
        pairs["orders"] = ", ".join(
            f"{order.side} {number(order.quantity)} {order.kind} ({order.state})"
            for order in one.open_orders[:5]
        )
    text = facts(pairs)
    if one.last_decision is not None:
        lines = decision_lines(one.last_decision, all_gates=False)
        text += "\n\nlast decision\n" + "\n".join(f"  {line}" for line in lines)
    return text


def _flat(values: object, path: str = "") -> list[tuple[str, str]]:
    if not isinstance(values, dict):
        return [] if values is None else [(path, str(values))]
    fields = cast("dict[str, object]", values)
    parts = [_flat(value, f"{path}.{name}" if path else name) for name, value in fields.items()]
    return [one for part in parts for one in part]
