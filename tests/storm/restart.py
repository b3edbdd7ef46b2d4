"""`python -m tests.storm.restart`: kill the only executor, start another, time its return."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, Final

from candela.bots.market import Market
from candela.clock import SystemClock
from candela.desk.orders import request_order
from candela.desk.session import tenant_session
from candela.market.instrument import Instrument
from candela.orders.words import InstrumentRules, OrderKind
from tests.storm.world import World

_RESTING: Final = "SELECT count(*) FROM trading.orders WHERE state = 'open'"
_PARTS: Final = (
    "SELECT count(*) FROM live.shards AS s INNER JOIN live.executors AS e ON e.executor = s.owner"
    " WHERE s.kind = 'trade' AND s.expires_at > now() AND e.pid = {pid}"
)
_RUNNING: Final = "SELECT count(*) FROM trading.bots WHERE state = 'running'"
_FILLED: Final = (
    "SELECT count(DISTINCT account_id) FROM trading.orders"
    " WHERE kind = 'market' AND state = 'filled' AND created_at > to_timestamp({at})"
    " AND intent_id IN (SELECT intent_id FROM trading.intents WHERE bot_id IS NULL)"
)
_BY_HAND: Final = (
    "SELECT count(*) FROM trading.orders AS o"
    " INNER JOIN trading.intents AS i USING (tenant_id, intent_id)"
    " WHERE i.bot_id IS NULL AND o.kind = 'limit'"
)
_DEEP: Final = Decimal("0.8")
_ORDER_CCY: Final = Decimal(100)
_WITHIN_S: Final = 60.0


def main() -> int:
    """Print how long parts, and a new order of every account, take; 1 where it is over 10 s."""
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="restart-", dir="/tmp"))
    returns: list[float] = []
    with World(folder, users=options.users, bots=options.bots, speed=1.0, fault_rate=0.0) as world:
        world.people()
        world.start_executor("executor")
        world.wait("all bots", _RUNNING, options.bots, 120)
        prices = {symbol: _price(world, symbol) for symbol in world.symbols}
        each = options.orders // options.users
        for number in range(options.users):
            symbol = world.symbols[number % len(world.symbols)]
            _ask(world, number, symbol, prices[symbol] * _DEEP, each)
        world.wait("resting orders", _RESTING, each * options.users, 300)
        say(f"{options.bots} bots, {world.count(_RESTING):,} open orders")
        for _ in range(options.kills):
            time.sleep(options.pause)
            process = world.executors["executor"]
            at = time.time()
            process.kill()
            process.wait()
            world.start_executor("executor")
            for number in range(options.users):
                _ask(world, number, world.symbols[number % len(world.symbols)], None, 1)
            parts = _PARTS.format(pid=world.executors["executor"].pid)
            world.wait("all parts", parts, 64, _WITHIN_S)
            parts_s = time.time() - at
            filled = _FILLED.format(at=at)
            world.wait("an order of every account", filled, options.users, _WITHIN_S)
            returns.append(time.time() - at)
            say(f"all parts after {parts_s:.1f} s, every account traded {returns[-1]:.1f} s")
        twice = world.count(_BY_HAND) - each * options.users
        world.executors["executor"].terminate()
        world.executors["executor"].wait(90)
    say(f"back to trading: median {median(returns):.1f} s, worst {max(returns):.1f} s")
    say(f"limit orders beyond those asked for: {twice}")
    return 1 if max(returns) > options.most or twice else 0


def say(words: str) -> None:
    """Print a line at once."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _price(world: World, symbol: str) -> Decimal:
    query = f"SELECT reference_price FROM trading.intents WHERE symbol = '{symbol}' LIMIT 1"
    world.wait("a first price", f"SELECT count(*) FROM ({query}) AS q", 1, 200)
    with world.database.connect() as connection:
        row: Sequence[Any] | None = connection.execute(query.encode()).fetchone()
    assert row is not None
    return Decimal(row[0]).quantize(Decimal(1))


def _ask(world: World, number: int, symbol: str, price: Decimal | None, count: int) -> None:
    """Ask for orders of a user's own: at a price far below, or at the market."""
    base, _, quote = symbol.partition("/")
    kinds = frozenset({OrderKind.MARKET, OrderKind.LIMIT})
    market = Market(
        Instrument("binance", symbol), InstrumentRules(symbol, base, quote, kinds=kinds)
    )
    with world.database.connect() as connection:
        row = connection.execute(
            "SELECT tenant_id FROM trading.accounts WHERE account_id = %s",
            (list(world.accounts)[number],),
        ).fetchone()
    assert row is not None
    with tenant_session(world.database, row[0]) as session:
        for _ in range(count):
            request_order(
                session,
                account="venue",
                market=market,
                side="buy",
                quantity=Decimal("0.01") if price is None else round(_ORDER_CCY / price, 4),
                price=None if price is None else price.quantize(Decimal(1)),
                requested_by="storm",
                clock=SystemClock(),
                valid_s=300,
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--bots", type=int, default=100)
    parser.add_argument("--orders", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--pause", type=float, default=8.0, help="between returns, s")
    parser.add_argument("--most", type=float, default=10.0, help="longest return that passes, s")
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
