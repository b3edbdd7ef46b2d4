"""What so many accounts behind one address ask of a venue in a minute, with orders that rest.

Run it as ``python -m bench.weights``: real brokers and streams against the sandbox, in real time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from uuid import UUID

from candela.brokers.keys import VenueKey
from candela.brokers.opening import VenueBrokers
from candela.clock import SystemClock
from candela.embedded import open_places, stop_servers
from candela.ids import new_id, shard_of
from candela.orders.records import (
    Account,
    AccountKey,
    Decision,
    Intent,
    PositionTerms,
    Reservation,
)
from candela.orders.words import IntentSource, OrderKind, Side
from candela.settings import load_settings
from candela.vault.credential import Credential
from live.desk.desk import AccountDesk
from live.desk.terms import DeskNotReady
from live.store.memory import MemoryBooks, MemoryStore
from live.store.port import Commit, Lease
from sandbox.venue import SandboxVenue

__all__ = ["Weight", "measure", "run_weights"]

_SYMBOL = "BTC/USDT"
_FUNDS = Decimal(100_000)
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Weight:
    """What one run asked for.

    Parameters
    ----------
    highest, used
        Request weight of the heaviest minute, and of each.
    throttled, banned
        Answers 429 and 418.
    ready_s
        After which all accounts took intents.
    """

    accounts: int
    seconds: float
    ready_s: float
    highest: int
    used: list[int]
    throttled: int
    banned: int
    fills: int
    looks: int
    comparisons: int
    sweeps: int
    unanswered: int
    without_room: int
    by_path: dict[str, int]


class _Trader:
    """One account with a bot: an order that rests, and a trade now and then."""

    def __init__(self, venue: SandboxVenue, brokers: VenueBrokers, random: Random) -> None:
        key, secret = venue.add_account({"USDT": str(_FUNDS)})
        self._random = random
        self._account = AccountKey(new_id(_CLOCK.now()), new_id(_CLOCK.now()))
        self._bot = new_id(_CLOCK.now())
        self._shard = shard_of(self._account.tenant_id)
        self._bars = 0
        self.books = MemoryBooks()
        self.books.epochs[self._shard] = 1
        account = Account(self._account, "main", "binance", "spot", "live", "USDT")
        self.books.add_account(account, {"USDT": _FUNDS}, _CLOCK.now())
        self.books.add_bot(self._bot, self._account)
        self.broker = brokers.open("binance", VenueKey(Credential(key), Credential(secret)))
        lease = Lease(self._shard, 1, "here")
        self.desk = AccountDesk(
            self._account, MemoryStore(self.books), self.broker, lambda: lease, _CLOCK
        )

    async def run(self, until: float, price: Decimal) -> None:
        """Rest one order, and buy and sell in turn."""
        resting = (price * Decimal("0.9")).quantize(Decimal(1))
        await self._place(Side.BUY, OrderKind.LIMIT, resting, price)
        side = Side.BUY
        while True:
            left_s = until - time.monotonic()
            await asyncio.sleep(max(0.0, min(left_s, self._random.uniform(45, 120))))
            if time.monotonic() >= until:
                return
            await self._place(side, OrderKind.MARKET, None, price)
            side = Side.SELL if side is Side.BUY else Side.BUY

    async def _place(
        self, side: Side, kind: OrderKind, price: Decimal | None, reference: Decimal
    ) -> None:
        self._bars += 1
        now, is_entry = _CLOCK.now(), side is Side.BUY
        bar_at = now.replace(microsecond=0) + timedelta(seconds=self._bars)
        intent_id, decision_id = new_id(now), new_id(now)
        # The fee of what was bought is taken in base.
        quantity = Decimal("0.00200") if is_entry else Decimal("0.00199")
        commit = Commit(
            _decision(self._account, decision_id, self._bot, bar_at, is_entry=is_entry),
            Intent(
                account=self._account,
                intent_id=intent_id,
                bot_id=self._bot,
                decision_id=decision_id,
                symbol=_SYMBOL,
                bar_at=bar_at,
                leg="entry" if is_entry else "exit",
                source=IntentSource.SIGNAL,
                side=side,
                kind=kind,
                quantity=quantity,
                price=price,
                stop_price=None,
                reference_price=reference,
                terms=PositionTerms(),
                reserve=Reservation(
                    intent_id,
                    "USDT" if is_entry else "BTC",
                    quantity * reference * 2 if is_entry else quantity,
                ),
                valid_until=None if kind is OrderKind.LIMIT else now + timedelta(minutes=1),
                shard=self._shard,
                epoch=1,
                created_at=now,
            ),
            is_entry=is_entry,
        )
        try:
            await self.desk.place([commit])
        except DeskNotReady:
            self._bars -= 1


def _decision(
    account: AccountKey, decision_id: UUID, bot: UUID, bar_at: datetime, *, is_entry: bool
) -> Decision:
    now = _CLOCK.now()
    return Decision(
        tenant_id=account.tenant_id,
        decision_id=decision_id,
        bot_id=bot,
        definition_id=None,
        symbol=_SYMBOL,
        bar_at=bar_at,
        leg="entry" if is_entry else "exit",
        action="enter" if is_entry else "exit",
        outcome="intent",
        decided_by=None,
        gates=(),
        decided_at=now,
    )


async def _traded(
    venue: SandboxVenue, redis_url: str, accounts: int, seconds: float
) -> tuple[list[_Trader], float, list[int]]:
    brokers = VenueBrokers(clock=_CLOCK, gateway=venue.gateway, redis_url=redis_url)
    traders = [_Trader(venue, brokers, Random(number)) for number in range(accounts)]
    price = (await traders[0].broker.quote(_SYMBOL)).ask
    began = time.monotonic()
    used: list[int] = []
    watch = asyncio.create_task(_watch(venue, used))
    await asyncio.gather(*(trader.desk.start() for trader in traders))
    await asyncio.gather(*(trader.desk.wait_ready() for trader in traders))
    ready_s = time.monotonic() - began
    until = time.monotonic() + seconds
    await asyncio.gather(*(trader.run(until, price) for trader in traders))
    watch.cancel()
    for end in ("desk", "broker"):
        await asyncio.gather(*(_end(trader, end) for trader in traders))
    await brokers.close()
    return traders, ready_s, used


async def _end(trader: _Trader, part: str) -> None:
    stop: Callable[[], Awaitable[None]]
    stop = trader.desk.stop if part == "desk" else trader.broker.close
    await stop()


async def _watch(venue: SandboxVenue, used: list[int]) -> None:
    """Keep the last figure of each minute."""
    minute = -1
    while True:
        now = int(venue.clock.elapsed_s() // 60)
        figure = venue.limits.used("127.0.0.1")
        if now != minute:
            minute = now
            used.append(figure)
        used[-1] = max(used[-1], figure)
        await asyncio.sleep(0.2)


def measure(redis_url: str, accounts: int, seconds: float) -> Weight:
    """Let so many accounts trade at one sandbox for so long."""
    with SandboxVenue(symbols=(_SYMBOL,)) as venue:
        began = time.monotonic()
        traders, ready_s, used = asyncio.run(_traded(venue, redis_url, accounts, seconds))
        by_path = Counter(f"{one.method} {one.path}" for one in venue.ledger.requests())
        counts = [trader.desk.counts for trader in traders]
        return Weight(
            accounts,
            time.monotonic() - began,
            ready_s,
            venue.limits.highest,
            used,
            venue.limits.throttled,
            venue.limits.banned,
            sum(one.fills for one in counts),
            sum(one.looks for one in counts),
            sum(one.reconciles for one in counts),
            sum(one.sweeps for one in counts),
            sum(one.questions_unanswered for one in counts),
            sum(one.questions_without_room for one in counts),
            dict(by_path.most_common()),
        )


def run_weights(redis_url: str, accounts: int = 200, seconds: float = 180.0) -> Weight:
    """Measure and print."""
    found = measure(redis_url, accounts, seconds)
    print(f"{found.accounts} accounts, {found.seconds:.0f} s, ready after {found.ready_s:.1f} s")
    print(f"weight by minute {found.used}, highest {found.highest} of 6000")
    print(
        f"429: {found.throttled}, 418: {found.banned}, unanswered: {found.unanswered},"
        f" no room in the budget: {found.without_room}"
    )
    print(
        f"{found.fills} fills, {found.looks} looks, {found.comparisons} comparisons of the whole,"
        f" {found.sweeps} with all executions"
    )
    for path, number in found.by_path.items():
        print(f"{number:>8,} {path}")
    return found


def main() -> None:
    """Measure on the command line, with a server of its own for the shared budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="candela-weights-"))
    settings = load_settings().model_copy(
        update={"state_dir": folder / "state", "database_url": None, "redis_url": None}
    )
    try:
        found = run_weights(open_places(settings).redis_url, given.accounts, given.seconds)
        if given.json:
            given.json.write_text(json.dumps(asdict(found), indent=1))
    finally:
        stop_servers(settings.state_dir)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
