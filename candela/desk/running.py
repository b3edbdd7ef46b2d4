"""Starting and stopping bots: what is wanted is written, and executors make it so."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from candela.bots.market import usd_per
from candela.desk.bots import BotRow, all_bots, bot_named
from candela.desk.halts import active_halts
from candela.desk.users import subscription_of
from candela.errors import Conflict
from candela.gates import Gate, ask
from candela.money import EXACT, ZERO, ceiled, plain
from candela.plans import bot_gates, plan_named, refuse_beyond

if TYPE_CHECKING:
    from collections.abc import Iterable

    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.plans import Entitlements

__all__ = ["BalanceShared", "Killed", "restart_bot", "start_bot", "stop_bot"]

# More places than any venue has tell a person nothing.
_SHOWN: Final = Decimal("1e-8")
_WANT: Final = """
UPDATE trading.bots SET
    wanted = %(wanted)s, wanted_at = %(at)s, flatten_on_stop = %(flatten)s
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s
"""
_TIMEFRAMES: Final = "SELECT timeframes FROM live.definitions WHERE definition_id = %(definition)s"
# What a bot has made is in its account already, and what it holds was paid from there.
_NEEDS: Final = """
SELECT p.bot_id, sum(p.realised - p.quantity * p.mean_price) AS moved
FROM trading.positions AS p
WHERE p.tenant_id = %(tenant)s AND p.account_id = %(account)s
GROUP BY p.bot_id
"""
_BALANCE: Final = """
SELECT total FROM trading.balances
WHERE tenant_id = %(tenant)s AND account_id = %(account)s AND ccy = %(ccy)s
"""


class BalanceShared(Conflict):
    """The bots of an account would together work with more than it holds."""

    code = "balance_shared"


class Killed(Conflict):
    """A kill switch is on."""

    code = "killed"


def start_bot(session: TenantSession, name: str, *, clock: Clock) -> BotRow:
    """Want a bot to run; one that shall run already is left alone.

    Starts of one tenant wait for each other, so that limits hold however many come at once.

    Raises
    ------
    UnknownBot
        There is none of that name.
    Killed
        A kill switch of the bot, its account, the tenant or the platform is on.
    PlanLimitReached
        The plan does not include it: mode, bots, symbols, timeframes or capital.
    BalanceShared
        It and the other running bots of its account need more than the account holds.
    """
    session.lock()
    bot = bot_named(session, name)
    if bot.wanted == "running":
        return bot
    return _want_running(session, bot, clock)


def restart_bot(session: TenantSession, name: str, *, clock: Clock) -> BotRow:
    """Want the run of a bot ended and begun anew, with what it holds; starts one that is stopped.

    Raises
    ------
    UnknownBot, Killed, PlanLimitReached, BalanceShared
        As for a start.
    """
    session.lock()
    return _want_running(session, bot_named(session, name), clock)


def stop_bot(session: TenantSession, name: str, *, clock: Clock, flatten: bool = False) -> BotRow:
    """Want a bot stopped; its position stays, or is sold with `flatten`.

    Raises
    ------
    UnknownBot
        There is none of that name.
    """
    session.lock()
    bot = bot_named(session, name)
    is_new = bot.wanted == "running" or (flatten and bot.is_active and not bot.flatten_on_stop)
    if is_new:
        _want(session, bot, "stopped", clock, flatten=flatten)
    return bot_named(session, name)


def _want_running(session: TenantSession, bot: BotRow, clock: Clock) -> BotRow:
    for halt in active_halts(session):
        if halt.covers(bot.account_id, bot.bot_id):
            message = f"The kill switch of {halt.words} is on: {halt.reason}."
            raise Killed(message, "Release it first: candela kill --release, or bot kill --release")
    others = [one for one in all_bots(session) if one.is_active and one.bot_id != bot.bot_id]
    subscription = subscription_of(session)
    plan = plan_named(subscription.plan)
    row = session.row(_TIMEFRAMES, {"definition": bot.definition_id})
    gates = bot_gates(
        plan,
        in_force=subscription.in_force(clock.now()),
        mode=bot.mode,
        active_bots=len(others),
        symbols={bot.config.instrument},
        symbols_in_use={one.config.instrument for one in others},
        timeframes=1 if row is None else int(row["timeframes"]),
    )
    refuse_beyond((*gates, *_capital_gates(plan, [bot, *others])))
    _refuse_shared(session, bot, [one for one in others if one.account_id == bot.account_id])
    _want(session, bot, "running", clock, flatten=False)
    return bot_named(session, bot.name)


def _capital_gates(plan: Entitlements, bots: Iterable[BotRow]) -> Iterable[Gate]:
    """Ask for the sum of capitals; those in other currencies are judged at their orders."""
    total = ZERO
    for bot in bots:
        worth = usd_per(bot.quote_ccy)
        if bot.kind == "spot" and worth is not None:
            total = EXACT.add(total, EXACT.multiply(bot.config.capital, worth))
    phrase = f"Spot bots would work with {{value}} USD; limit of the plan {plan.plan}: {{limit}}."
    yield ask("plan_capital", total, "at_most", plan.spot_capital_cap, phrase)


def _refuse_shared(session: TenantSession, bot: BotRow, others: list[BotRow]) -> None:
    ccy = bot.quote_ccy
    values: dict[str, Any] = {"account": bot.account_id, "ccy": ccy}
    row = session.row(_BALANCE, values)
    if row is None:
        # Nobody has looked into the account yet; each order is held against what is free.
        return
    moved = {one["bot_id"]: Decimal(one["moved"]) for one in session.rows(_NEEDS, values)}
    need = sum(
        (max(ZERO, one.config.capital + moved.get(one.bot_id, ZERO)) for one in (bot, *others)),
        ZERO,
    )
    holds = Decimal(row["total"])
    if need <= holds:
        return
    running = ", ".join(one.name for one in others)
    beside = f" beside {running}" if running else ""
    message = (
        f"{bot.name}{beside} would work with {plain(ceiled(need, _SHOWN))} {ccy}, and the"
        f" account {bot.account}"
        f" holds {plain(holds)} {ccy}."
    )
    raise BalanceShared(message, "Give less capital, stop another bot, or use another account.")


def _want(session: TenantSession, bot: BotRow, wanted: str, clock: Clock, *, flatten: bool) -> None:
    session.run(
        _WANT,
        {"bot": bot.bot_id, "wanted": wanted, "at": clock.now(), "flatten": flatten},
    )
    session.announce(str(bot.bot_id), {"bot": str(bot.bot_id), "wanted": wanted})
