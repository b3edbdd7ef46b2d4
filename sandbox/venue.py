"""The sandbox venue: everything together, in a thread of its own or in the caller's loop."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import threading
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from candela.clock import Clock, FixedClock, SystemClock
from candela.venues.gateway import VenueGateway
from sandbox.accounts import open_account
from sandbox.bars import Series, sample_series
from sandbox.clock import VenueClock
from sandbox.engine import Engine
from sandbox.faults import Chance, Fault, FaultPlan
from sandbox.fees import Fees
from sandbox.hosts import authority_file
from sandbox.journal import Journal, read_journal
from sandbox.ledger import Ledger
from sandbox.limits import Limits
from sandbox.listing import STEP_MS, Listing, generated, new_symbol
from sandbox.opening import plan_opening
from sandbox.rest import Rest
from sandbox.serve import Server
from sandbox.view import LedgerView

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from types import TracebackType

    from sandbox.records import Account

__all__ = ["SandboxVenue"]

_LONGEST_WAIT_S: Final = 0.25
_SHORTEST_WAIT_S: Final = 0.005
_JOURNAL: Final = "ledger.jsonl"
_DAY_S: Final = 86_400.0

_Result = TypeVar("_Result")


class SandboxVenue:
    """A venue on loopback that the real client takes for the exchange.

    As a context manager it serves from a thread of its own; as an asynchronous one in the caller's
    loop. Methods and properties may be used from any thread.

    Parameters
    ----------
    symbols
        Pairs such as ``BTC/USDT``; each replays the shipped candles of its base currency.
    series
        Candles to replay instead, by pair.
    speed
        Venue seconds per second.
    start
        The venue's time when it opens. By default the middle of the candles: at speed 1 they are
        moved so that their middle is now, at other speeds they keep their times.
    history
        Minutes of candles before the opening, where no start is given; None: half of them.
    clock
        The clock beneath; a ``FixedClock`` stands until :meth:`advance` moves it.
    folder
        Where the authority and, with ``keeps_ledger``, the ledger are kept; None: a folder that
        goes away with the venue.
    pieces
        Fills come in up to so many pieces.
    listed
        How many made-up symbols ``GEN0001/USDT`` ... are listed beside.
    """

    def __init__(
        self,
        symbols: Sequence[str] = ("BTC/USDT",),
        *,
        series: Mapping[str, Series] | None = None,
        speed: float = 1.0,
        start: datetime | None = None,
        history: int | None = None,
        clock: Clock | None = None,
        folder: Path | None = None,
        keeps_ledger: bool = False,
        port: int = 0,
        control_port: int = 0,
        seed: int = 0,
        pieces: int = 1,
        listed: int = 0,
        fee_bps: Decimal | int = 10,
    ) -> None:
        self._is_own_folder = folder is None
        self._folder = folder
        self._beneath: Clock = clock or SystemClock()
        given = dict(series or {})
        pairs = list(dict.fromkeys([*symbols, *given]))
        found = {pair: given.get(pair) or sample_series(pair) for pair in pairs}
        self._journal_path = self.folder / _JOURNAL if keeps_ledger else None
        opening = plan_opening(
            found,
            start=start,
            history=history,
            speed=speed,
            clock=self._beneath,
            journal=self._journal_path,
        )
        self.clock = VenueClock(opening.start, speed, self._beneath)
        anchors = opening.anchors
        self.listing = Listing()
        self.listing.add(new_symbol(pair, one, anchors[pair]) for pair, one in found.items())
        if listed:
            self.listing.add(generated(listed, found[pairs[0]], anchors[pairs[0]]))
        journal = None if self._journal_path is None else Journal(self._journal_path)
        self._journal = journal
        self._ledger = Ledger(journal)
        self.faults = FaultPlan(self.clock)
        self.limits = Limits(self.clock)
        self.engine = Engine(
            self._ledger,
            self.listing,
            self.clock,
            Fees(Decimal(fee_bps)),
            pieces=pieces,
            seed=seed,
        )
        self._ledger.assets = {
            one.name: (one.base, one.quote) for one in self.listing.symbols.values()
        }
        self._take_over()
        if journal is not None:
            journal.write([opening.record(self._beneath.now(), speed)])
        self.rest = Rest(self.engine, self.limits, self.faults)
        self._server = Server(self.rest, port, control_port)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ticker: asyncio.Task[None] | None = None
        self.on_tick: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), loop).result(30)
        asyncio.run_coroutine_threadsafe(_end_tasks(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
        self._loop = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()
        self._loop = None

    @property
    def folder(self) -> Path:
        """Where authority and ledger lie; made when it is first asked for."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sandbox-"))
        return self._folder

    @property
    def gateway(self) -> VenueGateway:
        """The gateway through which clients reach the venue."""
        return VenueGateway("127.0.0.1", self._server.port, authority_file(self.folder))

    @property
    def control_url(self) -> str:
        """The address of the control interface."""
        return f"http://127.0.0.1:{self._server.control_port}"

    @property
    def ledger(self) -> LedgerView:
        """The venue's truth, as it stands at each call."""
        return LedgerView(self._ledger, self.rest.log, self.call)

    def call(self, act: Callable[[], _Result]) -> _Result:
        """Do something in the venue's loop, and return what comes of it."""
        loop = self._loop
        if loop is None or not loop.is_running() or _is_inside(loop):
            return act()

        async def inside() -> _Result:
            return act()

        return asyncio.run_coroutine_threadsafe(inside(), loop).result(30)

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the venue's loop, from outside of it, and return its result.

        Raises
        ------
        RuntimeError
            The venue is not open.
        """
        if self._loop is None:
            work.close()
            message = "The venue is not open."
            raise RuntimeError(message)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def add_account(
        self,
        balances: Mapping[str, str | Decimal] | None = None,
        *,
        name: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        can_trade: bool = True,
        can_withdraw: bool = False,
        can_read: bool = True,
        ip_restricted: bool = False,
    ) -> tuple[str, str]:
        """Open an account; returns its key and secret."""
        account = self.call(
            lambda: open_account(
                self.engine,
                balances or {},
                name=name,
                key=key,
                secret=secret,
                can_trade=can_trade,
                can_withdraw=can_withdraw,
                can_read=can_read,
                ip_restricted=ip_restricted,
            )
        )
        return account.key, account.secret

    def find_account(self, name: str) -> tuple[str, str] | None:
        """Return key and secret of an account, if there is one of that name."""
        found = self._ledger.accounts.get(name)
        return None if found is None else (found.key, found.secret)

    def pairs(self) -> list[str]:
        """Return the pairs that are listed."""
        return [one.pair for one in self.listing.symbols.values()]

    def script(self, faults: Sequence[Fault], *, seed: int = 0, rate_ratio: float = 0.0) -> None:
        """Let these go wrong, and a share of all orders by seed."""

        def act() -> None:
            self.faults.add(*faults)
            if rate_ratio:
                self.faults.chance = Chance(seed, rate_ratio)

        self.call(act)

    def account(self, key: str) -> Account:
        """Return the account of a key."""
        return self._ledger.by_key[key]

    def transfer(self, key: str, asset: str, amount: str | Decimal) -> None:
        """Deposit, or with a negative amount withdraw, behind the trader's back."""

        def act() -> None:
            self.engine.transfer(self._ledger.by_key[key], asset, Decimal(amount))
            self._ledger.commit()

        self.call(act)

    def advance(self, seconds: float) -> None:
        """Move a clock that stands, and let the market catch up.

        Parameters
        ----------
        seconds
            Of the clock beneath; the venue's time moves by as many times its speed.

        Raises
        ------
        TypeError
            The clock runs by itself.
        """
        if not isinstance(self._beneath, FixedClock):
            message = "Only a venue on a FixedClock is moved by hand."
            raise TypeError(message)
        until = self._beneath.at + timedelta(seconds=seconds)
        beneath = self._beneath

        def act() -> None:
            step = timedelta(milliseconds=STEP_MS / self.clock.speed)
            while beneath.at < until:
                beneath.at = min(until, beneath.at + step)
                self.tick()

        self.call(act)

    def tick(self) -> None:
        """Let what is due happen: late executions, prices, streams."""
        self.engine.due()
        for name, book in self.engine.books.items():
            if book:
                self.engine.settle(self.listing.symbols[name])
        self._server.tick()
        for act in self.on_tick:
            act()
        self._ledger.commit()

    async def _open(self) -> None:
        await self._server.open(self.folder)
        self._ticker = asyncio.get_running_loop().create_task(self._run())

    async def _close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        await self._server.close()
        self._ledger.commit()
        if self._journal is not None:
            self._journal.close()
        if self._is_own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _run(self) -> None:
        wait = STEP_MS / 1_000 / self.clock.speed / 2
        wait = min(max(wait, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)
        while True:
            self.tick()
            await asyncio.sleep(wait)

    def _take_over(self) -> None:
        """Read what the journal of an earlier run holds."""
        if self._journal_path is None:
            return
        for kind, content in read_journal(self._journal_path):
            if kind != "opening":
                self._ledger.replay(kind, content)
        now = self.clock.now_ms()
        for account in self._ledger.accounts.values():
            for order in account.open.values():
                self.engine.books.setdefault(order.symbol, {})[order.order_id] = order
        for symbol in self.listing.symbols.values():
            # While the venue was down, its market stood still for the orders.
            symbol.seen_step = symbol.step_number(now)
        for fill in self._ledger.executions:
            symbol = self.listing.symbols[fill.symbol]
            symbol.last_trade = max(symbol.last_trade, fill.trade_id)


async def _end_tasks() -> None:
    """End what connections that were torn down have left behind."""
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _is_inside(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
