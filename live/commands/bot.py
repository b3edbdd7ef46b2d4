"""The commands `candela bot create|change|start|stop|restart|delete|kill`: what a person wants."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from candela.commands.output import JsonFlag, Output
from live.commands import configuring
from live.commands.kill import FlattenOption, ReasonOption, ReleaseOption
from live.commands.opening import UserOption, amount, open_operator

if TYPE_CHECKING:
    from collections.abc import Callable

    from candela.bots.config import BotConfig
    from candela.clock import Clock
    from candela.desk.bots import BotRow
    from candela.desk.session import TenantSession
    from live.commands.opening import Operator

__all__ = ["NameArgument", "app"]

app = typer.Typer(help="Bots: create, start, watch, stop.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="BOT", help="Name of the bot.")]
WaitOption = Annotated[
    int, typer.Option("--wait", min=0, max=600, help="Seconds to wait until it is so.")
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="Folder of your own strategies.")
]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", "-s", help="A name, file.py, or file.py:name.")
]
InstrumentOption = Annotated[
    str | None, typer.Option("--instrument", "-i", help="Such as binance:BTC/USDT.")
]
TimeframeOption = Annotated[str | None, typer.Option("--timeframe", "-t", help="Such as 1m.")]
CapitalOption = Annotated[
    str | None, typer.Option("--capital", help="What it may work with, in the quote currency.")
]
SizingOption = Annotated[
    str | None, typer.Option("--sizing", help="kind:value: fraction:0.5, fixed_value:50, ...")
]
StopOption = Annotated[
    str | None, typer.Option("--stop-loss", help="Ratio of the mean entry price: 0.02.")
]
TargetOption = Annotated[
    str | None, typer.Option("--take-profit", help="Ratio of the mean entry price.")
]
TrailOption = Annotated[
    str | None, typer.Option("--trailing-stop", help="Ratio of the best price since entry.")
]
OrderOption = Annotated[
    Literal["market", "limit"] | None, typer.Option("--order", help="How entries are placed.")
]
_POLL_S = 0.5
_PAPER_OPENING = "10000"


@app.command("create")
def create(
    name: NameArgument,
    strategy: StrategyOption = None,
    instrument: InstrumentOption = None,
    timeframe: TimeframeOption = None,
    account: Annotated[
        str | None,
        typer.Option("--account", "-a", help="Default: the only one at the venue, or new paper."),
    ] = None,
    capital: CapitalOption = None,
    param: configuring.ParamOption = None,
    sizing: SizingOption = None,
    stop_loss: StopOption = None,
    take_profit: TargetOption = None,
    trailing_stop: TrailOption = None,
    order: OrderOption = None,
    assigned: configuring.SetOption = None,
    config: configuring.ConfigOption = None,
    ruin: configuring.RuinOption = None,
    acknowledge: configuring.AcknowledgeOption = False,
    start: Annotated[bool, typer.Option("--start", help="Start it as well.")] = False,
    folder: FolderOption = None,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a bot. All is checked before anything is written; nothing is sent."""
    from candela.desk.bots import create_bot
    from candela.desk.running import start_bot

    output = Output(as_json=as_json)
    base = configuring.read_config(config)
    given = {
        "strategy": strategy,
        "instrument": instrument,
        "timeframe": timeframe,
        "capital": capital,
        "stop_loss": stop_loss,
        "take_profit": take_profit,
        "trailing_stop": trailing_stop,
        "order": order,
    }
    values = configuring.values_of(base, given, sizing, assigned or [])
    operator = open_operator(output, user)
    checked, definition = configuring.configured(
        operator, values, param or [], ruin=ruin, acknowledge=acknowledge, folder=folder
    )
    market = operator.market(checked.traded, checked.interval)
    # One transaction: what is refused, also the start, leaves nothing behind.
    with operator.session() as session:
        made = None
        if account is None:
            made = _made_account(session, checked, market.rules.quote, operator.clock)
        bot = create_bot(
            session,
            name=name,
            account=account or _usual_account(session, checked),
            config=checked,
            definition=definition,
            market=market,
            created_by=operator.user.email,
            clock=operator.clock,
        )
        if start:
            bot = start_bot(session, name, clock=operator.clock)
    if made is not None:
        output.note(f"Made the account {bot.account}: {made} of play money at {bot.venue}.")
    text = f"Created the bot {name} on the account {bot.account} ({bot.mode})."
    if start:
        text += f"\nIt shall run; candela bot status {name} tells when it does."
    else:
        text += f"\nStart it: candela bot start {name}"
    output.result(_shown(bot), text)


@app.command("change")
def change(
    name: NameArgument,
    strategy: StrategyOption = None,
    instrument: InstrumentOption = None,
    timeframe: TimeframeOption = None,
    capital: CapitalOption = None,
    param: configuring.ParamOption = None,
    sizing: SizingOption = None,
    stop_loss: StopOption = None,
    take_profit: TargetOption = None,
    trailing_stop: TrailOption = None,
    order: OrderOption = None,
    assigned: configuring.SetOption = None,
    config: configuring.ConfigOption = None,
    ruin: configuring.RuinOption = None,
    acknowledge: configuring.AcknowledgeOption = False,
    folder: FolderOption = None,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Give a stopped bot another configuration; what is not named stays as it is."""
    from candela.desk.bots import bot_named, change_bot

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        bot = bot_named(session, name)
    base = configuring.read_config(config) or dict(bot.stored)
    if strategy is not None and strategy != base.get("strategy"):
        base["parameters"] = {}
    if instrument is not None and instrument != base.get("instrument"):
        base.pop("costs", None)
    given = {
        "strategy": strategy,
        "instrument": instrument,
        "timeframe": timeframe,
        "capital": capital,
        "stop_loss": stop_loss,
        "take_profit": take_profit,
        "trailing_stop": trailing_stop,
        "order": order,
    }
    values = configuring.values_of(base, given, sizing, assigned or [])
    checked, definition = configuring.configured(
        operator, values, param or [], ruin=ruin, acknowledge=acknowledge, folder=folder
    )
    market = operator.market(checked.traded, checked.interval)
    with operator.session() as session:
        bot = change_bot(
            session,
            name,
            config=checked,
            definition=definition,
            market=market,
            changed_by=operator.user.email,
            clock=operator.clock,
        )
    output.result(_shown(bot), f"The bot {name} has version {bot.version} of its configuration.")


@app.command("start")
def start(
    name: NameArgument, wait: WaitOption = 0, user: UserOption = None, as_json: JsonFlag = False
) -> None:
    """Start a bot. Exit code 1 where it does not run after the seconds of --wait."""
    from candela.desk.running import start_bot

    operator = open_operator(Output(as_json=as_json), user)
    with operator.session() as session:
        start_bot(session, name, clock=operator.clock)
    _settled(operator, name, wait, lambda bot: bot.state == "running", "It shall run")


@app.command("stop")
def stop(
    name: NameArgument,
    flatten: FlattenOption = False,
    wait: WaitOption = 0,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop a bot. What it holds stays, unless --flatten sells it."""
    from candela.desk.running import stop_bot

    operator = open_operator(Output(as_json=as_json), user)
    with operator.session() as session:
        stop_bot(session, name, clock=operator.clock, flatten=flatten)
    words = "It shall sell what it holds and stop" if flatten else "It shall stop"
    _settled(operator, name, wait, lambda bot: not bot.is_active, words)


@app.command("restart")
def restart(
    name: NameArgument, wait: WaitOption = 0, user: UserOption = None, as_json: JsonFlag = False
) -> None:
    """End the run of a bot and begin it anew, with what it holds."""
    from candela.desk.running import restart_bot

    operator = open_operator(Output(as_json=as_json), user)
    with operator.session() as session:
        restart_bot(session, name, clock=operator.clock)
    # The run before it is running as well, until the executor has heard.
    _settled(
        operator,
        name,
        wait,
        lambda bot: bot.state == "running" and bot.state_at >= bot.wanted_at,
        "It shall begin anew",
    )


@app.command("delete")
def delete(name: NameArgument, user: UserOption = None, as_json: JsonFlag = False) -> None:
    """Delete a bot that is stopped and holds nothing; its record stays."""
    from candela.desk.bots import remove_bot

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        remove_bot(session, name, clock=operator.clock)
    output.result({"deleted": name}, f"Deleted the bot {name}.")


@app.command("kill")
def kill_bot(
    name: NameArgument,
    flatten: FlattenOption = False,
    release: ReleaseOption = False,
    reason: ReasonOption = "by hand",
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a bot enter nothing any more, at once, until released; `candela kill` is for all."""
    from candela.desk.halts import kill
    from candela.desk.halts import release as release_halt

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    by = operator.user.email
    with operator.session() as session:
        if release:
            was_on = release_halt(session, by=by, clock=operator.clock, bot=name)
            words = "Released." if was_on else "The switch was not on."
            output.result({"released": was_on}, words)
            return
        halt = kill(session, by=by, reason=reason, clock=operator.clock, bot=name, flatten=flatten)
    sells = " and sells what it holds" if halt.flatten else "; what it holds stays guarded"
    output.result(
        halt, f"{name} enters nothing any more{sells}. Release: candela bot kill {name} --release"
    )


def _made_account(
    session: TenantSession, config: BotConfig, quote: str, clock: Clock
) -> str | None:
    """Make an account of play money where there is none at the venue; return what it opens with."""
    from candela.desk.accounts import all_accounts
    from candela.desk.opening import add_paper
    from live.commands.words import money

    accounts = all_accounts(session)
    if any(one.venue == config.venue for one in accounts):
        return None
    opening = max(amount(_PAPER_OPENING, "--opening"), config.capital)
    add_paper(
        session,
        name="paper" if all(one.name != "paper" for one in accounts) else f"paper-{config.venue}",
        venue=config.venue,
        opening=opening,
        quote_ccy=quote,
        clock=clock,
    )
    return f"{money(opening)} {quote}"


def _usual_account(session: TenantSession, config: BotConfig) -> str:
    """Return the only account at the venue."""
    from candela.commands.fileoptions import BadOption
    from candela.desk.accounts import all_accounts

    fit = [one.name for one in all_accounts(session) if one.venue == config.venue]
    if len(fit) > 1:
        message = f"There are {len(fit)} accounts at {config.venue}: {', '.join(fit)}."
        raise BadOption(message, "Say which: --account NAME.")
    return fit[0]


def _settled(
    operator: Operator, name: str, wait: int, is_so: Callable[[BotRow], bool], words: str
) -> None:
    """Wait until a bot is what it shall be, and say how it stands."""
    from candela.desk.bots import bot_named
    from candela.desk.status import status_of

    until = time.monotonic() + wait
    while True:
        with operator.session() as session:
            bot = bot_named(session, name)
            status = status_of(session, bot, clock=operator.clock)
        if is_so(bot) or time.monotonic() >= until:
            break
        time.sleep(_POLL_S)
    text = f"{name}: {status.words}." if is_so(bot) else f"{words}. {name}: {status.words}."
    operator.output.result(_shown(bot) | {"is": status.words}, text)
    if wait and not is_so(bot):
        raise typer.Exit(1)


def _shown(bot: BotRow) -> dict[str, Any]:
    return {
        "bot_id": bot.bot_id,
        "name": bot.name,
        "account": bot.account,
        "mode": bot.mode,
        "version": bot.version,
        "wanted": bot.wanted,
        "state": bot.state,
        "definition_id": bot.definition_id,
        "config": bot.stored,
    }
