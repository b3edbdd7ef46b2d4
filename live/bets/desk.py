"""The desk of one account's bets: everything that is placed, found again and settled for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from candela.brokers.payout_port import PayoutBroker
from candela.brokers.port import CredentialsDead, EventKind, NoInformation
from candela.clock import Clock
from candela.errors import NotFound
from candela.orders.bets import Bet, BetEnding, BetIntent, BetStatus
from candela.orders.records import AccountKey
from candela.orders.words import OrderState
from live.bets.image import BetImage
from live.bets.keeper import BetKeeper
from live.bets.placing import Placing
from live.bets.settling import Settling
from live.bets.terms import BetCounts, BetPace
from live.desk.terms import Alarm, DeskNotReady, Leases
from live.store.bets_port import BetCommit, BetStore
from live.store.port import Placed, Store

__all__ = ["BetDesk", "BetNotOpen"]


class BetNotOpen(NotFound):
    """No bet of the account under that id waits for a word."""

    code = "bet_not_open"


class BetDesk:
    """Bets of one account: committed, placed once, settled by evidence.

    Parameters
    ----------
    leases
        Gives the lease of the account's part, None once its local term is over.
    """

    def __init__(
        self,
        account: AccountKey,
        store: Store,
        bets: BetStore,
        broker: PayoutBroker,
        leases: Leases,
        clock: Clock,
        pace: BetPace | None = None,
    ) -> None:
        self.account = account
        self.counts = BetCounts()
        self.failure: BaseException | None = None
        self._pace = pace or BetPace()
        self._broker = broker
        self._keeper = BetKeeper(account, store, bets, leases, clock, self.counts)
        self._settling = Settling(self._keeper, broker, self._pace)
        self._placing = Placing(self._keeper, broker, self._pace, self._settling.wake)
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._carried: set[UUID] = set()
        self._asked: set[UUID] = set()
        self._changed = asyncio.Event()
        self._on_end: Callable[[BaseException], None] | None = None
        self._is_ending = False
        self._is_started = False

    # --- what others ask --------------------------------------------------------------------------

    @property
    def image(self) -> BetImage:
        """What is known of the account's bets now."""
        return self._keeper.image

    @property
    def is_ready(self) -> bool:
        """Whether new bets are taken: compared with the broker, and nothing old is in question."""
        return (
            self._is_started
            and self._settling.is_compared
            and not self._asked
            and not self._is_ending
            and self.failure is None
        )

    @property
    def unknown_open(self) -> int:
        """How many attempts there are whose answer was lost and not found yet."""
        return sum(one.state is OrderState.UNKNOWN for one in self.image.orders.values())

    def on_settled(self, callback: Callable[[Bet], None]) -> None:
        """Call back with each bet whose result was booked."""
        self._keeper.on_settled.append(callback)

    def on_opened(self, callback: Callable[[Bet], None]) -> None:
        """Call back with each bet that the broker accepted."""
        self._keeper.on_opened.append(callback)

    def on_alarm(self, callback: Callable[[Alarm], None]) -> None:
        """Call back with what a person should hear of."""
        self._keeper.on_alarm.append(callback)

    def on_doubt(self, callback: Callable[[UUID, str | None], None]) -> None:
        """Call back with a bot that is blocked and why; with None once it may go on."""
        self._keeper.on_doubt.append(callback)

    def on_end(self, callback: Callable[[BaseException], None]) -> None:
        """Call back once where the desk cannot go on: its lease is lost, or the store failed."""
        self._on_end = callback

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read the books, find out what became of what was under way, and begin to settle."""
        await self._keeper.load()
        self._is_started = True
        for bet in self.image.doubtful():
            words = f"the result of bet {bet.venue_bet_id} on {bet.asset} is unknown"
            await self._keeper.doubt(bet.bot_id, bet.trade_id, "result_unknown", words)
        for intent in list(self.image.intents.values()):
            if intent.intent_id not in self.image.bets:
                self._asked.add(intent.intent_id)
                self._carry(intent)
        self._spawn(self._listen())
        self._spawn(self._settling.run(self._changed))

    async def wait_ready(self) -> None:
        """Wait until new bets are taken, or the desk has ended."""
        while not self.is_ready and self.failure is None and not self._is_ending:
            self._changed.clear()
            await self._changed.wait()

    async def place(self, commits: Sequence[BetCommit]) -> tuple[Placed, ...]:
        """Commit bets; what was committed is sent by tasks of the desk.

        Raises
        ------
        DeskNotReady
            The desk is starting or ending; nothing was written.
        LeaseLost
            Nothing was written.
        """
        if not self.is_ready:
            state = "ending" if self._is_ending else "starting"
            raise DeskNotReady(
                f"the desk of account {self.account.account_id} is {state}",
                "Try again when it is ready.",
            )
        placed = await self._keeper.commit(commits)
        for commit, result in zip(commits, placed, strict=True):
            if result.kind == "committed":
                self._carry(commit.intent)
        return placed

    async def settle_by_hand(self, trade_id: UUID, status: BetStatus, paid: Decimal) -> Bet:
        """Take a person's word for how a bet ended that is in doubt.

        Parameters
        ----------
        paid
            What came back, stake included.

        Raises
        ------
        BetNotOpen
            No such bet is in doubt.
        """
        bet = self.image.bets.get(trade_id)
        if bet is None or bet.status is not BetStatus.UNKNOWN or not status.is_known:
            raise BetNotOpen(
                f"bet {trade_id} of account {self.account.account_id} is not in doubt",
                "Only a bet whose result is unknown or disputed takes a person's word.",
            )
        return await self._keeper.settle(bet, BetEnding(status, paid), by_hand=True)

    async def drain(self, deadline_s: float) -> bool:
        """Take nothing new, and wait until no answer is missing; False where time was up."""
        self._is_ending = True
        try:
            async with asyncio.timeout(deadline_s):
                while self._carried and self.failure is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Let go at once; what is open is resolved by whoever starts next."""
        self._is_ending = True
        self._changed.set()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- inside -----------------------------------------------------------------------------------

    def _carry(self, intent: BetIntent) -> None:
        if intent.intent_id in self._carried or self.failure is not None:
            return
        self._carried.add(intent.intent_id)
        self._spawn(self._carried_through(intent))

    async def _carried_through(self, intent: BetIntent) -> None:
        try:
            await self._placing.carry(intent, lambda: self._known(intent.intent_id))
        finally:
            self._carried.discard(intent.intent_id)
            self._changed.set()

    def _known(self, intent_id: UUID) -> None:
        self._asked.discard(intent_id)
        self._changed.set()

    async def _listen(self) -> None:
        wait_s = self._pace.first_s
        while True:
            try:
                async for event in self._broker.events():
                    wait_s = self._pace.first_s
                    if event.kind is EventKind.CONNECTED:
                        self._settling.compare_soon()
                    elif event.contract is not None and event.contract.state.is_final:
                        # Only a reason to look: what is booked is what the statement says.
                        self._settling.wake()
            except NoInformation:
                self.counts.questions_unanswered += 1
            except CredentialsDead:
                await self._keeper.block("credentials_dead", "the broker refuses the login")
                wait_s = self._pace.dead_key_s
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, max(wait_s, self._pace.slow_s))

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if task.cancelled():
            return
        failure = task.exception()
        if failure is None or self.failure is not None:
            return
        self.failure = failure
        self._changed.set()
        for other in list(self._tasks):
            other.cancel()
        if self._on_end is not None:
            self._on_end(failure)
