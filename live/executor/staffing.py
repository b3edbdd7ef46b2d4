"""From stored bots to bots at work: configurations shared, counters made anew, news taken over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from candela.bots.config import BotConfig, config_from
from candela.orders.records import Account, Position, Trade
from live.bots.guard import FirstFill
from live.bots.runner import BotRunner
from live.bots.tally import ClosedTrade, Tally
from live.executor.rows import BotLoaded

__all__ = ["Configs", "closed_trade", "position_changed", "runner_of"]

_MOST_SHARED: Final = 50_000


class Configs:
    """Configurations by their text: equal ones are one object."""

    def __init__(self) -> None:
        self._known: dict[str, BotConfig] = {}

    def read(self, values: Mapping[str, Any]) -> BotConfig:
        """Return a stored configuration.

        Raises
        ------
        BadBotConfig
            It was written by a version of Candela that knew other fields.
        """
        text = json.dumps(values, sort_keys=True)
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _MOST_SHARED:
                self._known.clear()
            found = self._known[text] = config_from(values)
        return found


def runner_of(loaded: BotLoaded, account: Account, zone: str, configs: Configs) -> BotRunner:
    """Return a bot ready to be put to work, its counters rebuilt from its trades.

    Raises
    ------
    BadBotConfig
        Its configuration cannot be read.
    """
    config = configs.read(loaded.config)
    older = loaded.older
    tally = Tally.rebuilt(
        config.capital,
        zone,
        loaded.since,
        loaded.trades,
        loaded.entries,
        carried=None if older is None else (older.pnl, older.peak),
    )
    runner = BotRunner(
        bot_id=loaded.bot_id,
        name=loaded.name,
        account=loaded.account,
        mode=account.mode,
        config=config,
        version=loaded.version,
        definition_id=loaded.definition_id,
        tally=tally,
        position=loaded.position,
        entered=loaded.entered,
        first=loaded.first,
        since=loaded.since,
    )
    runner.wanted = loaded.wanted
    runner.flatten_on_stop = loaded.flatten_on_stop
    return runner


def position_changed(runner: BotRunner, position: Position, trade: Trade | None) -> None:
    """Take over what fills made of a bot's position."""
    runner.position = position
    if position.opened_at is None:
        runner.entered = position.quantity
        runner.first = None
        runner.rest_until = None
        runner.owed = None
        return
    if trade is not None:
        runner.entered = trade.quantity
        first = runner.first
        plans = runner.config.limits.dca or runner.config.limits.partial_exits
        if plans and position.legs == 1 and (first is None or not first.legs + first.stages):
            runner.first = FirstFill(position.mean_price, trade.entry_value)
    owed = runner.owed
    if owed is not None and owed.fraction < 1 and position.quantity < owed.held:
        runner.owed = None
    elif owed is not None and owed.fraction < 1:
        runner.owed = replace(owed, held=position.quantity)


def closed_trade(trade: Trade) -> ClosedTrade | None:
    """Return a trade as limits look at it; None while it is open."""
    if trade.status != "closed" or trade.closed_at is None or trade.pnl is None:
        return None
    return ClosedTrade(trade.trade_id, trade.closed_at, trade.pnl, trade.entry_value)
