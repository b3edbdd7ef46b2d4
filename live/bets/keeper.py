"""What a desk of bets writes, and whom it tells: every change of an account goes through here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from candela.clock import Clock
from candela.orders.bets import Bet, BetEnding, BetIntent, BetOrder, BetShown
from candela.orders.records import AccountKey
from candela.orders.words import Balance, OrderState
from live.bets.image import BetImage
from live.bets.terms import BetCounts
from live.desk.terms import Alarm, Leases
from live.store.bets_port import BetCommit, BetStore
from live.store.port import Lease, LeaseLost, Placed, Store

__all__ = ["BetKeeper"]


class BetKeeper:
    """Writes through the stores and keeps the image as it was written."""

    def __init__(
        self,
        key: AccountKey,
        store: Store,
        bets: BetStore,
        leases: Leases,
        clock: Clock,
        counts: BetCounts,
    ) -> None:
        self.key = key
        self.clock = clock
        self.counts = counts
        self.on_settled: list[Callable[[Bet], None]] = []
        self.on_opened: list[Callable[[Bet], None]] = []
        self.on_alarm: list[Callable[[Alarm], None]] = []
        self.on_doubt: list[Callable[[UUID, str | None], None]] = []
        self._store = store
        self._bets = bets
        self._leases = leases
        self._image: BetImage | None = None
        self._doubts: dict[UUID, set[UUID]] = {}
        self._told: set[tuple[str, UUID | None]] = set()

    @property
    def image(self) -> BetImage:
        """What is known."""
        if self._image is None:
            message = "the books of this account are not loaded"
            raise RuntimeError(message)
        return self._image

    def lease(self) -> Lease:
        """Return the lease to write under.

        Raises
        ------
        LeaseLost
            Its local term is over.
        """
        lease = self._leases()
        if lease is None:
            raise LeaseLost(
                f"the part of account {self.key.account_id} is not held any more",
                "Another executor takes it over.",
            )
        return lease

    async def load(self) -> None:
        """Read the books."""
        while True:
            before = self._image
            version = None if before is None else before.version
            found = await self._bets.load_bets(self.key, self.clock.now())
            # What was written while the rows were on their way may not be among them.
            if before is None or before.version == version:
                self._image = BetImage(found)
                return

    async def commit(self, commits: Sequence[BetCommit]) -> tuple[Placed, ...]:
        """Write intents."""
        placed = await self._bets.commit_bets(self.lease(), commits)
        self.take(commits, placed)
        return placed

    def take(self, commits: Sequence[BetCommit], placed: Sequence[Placed]) -> None:
        """Take up intents that were committed."""
        for commit, result in zip(commits, placed, strict=True):
            if result.kind == "committed":
                self.image.take(commit.intent)

    async def begin(self, order: BetOrder) -> bool:
        """Write an attempt just before it is sent."""
        begun = await self._bets.begin_bet(self.lease(), order)
        if begun:
            self.image.begun(order)
            self.counts.sent += 1
        return begun

    async def move(
        self, order: BetOrder, state: OrderState, reason: str | None, *, ends: bool
    ) -> None:
        """Write that an attempt was not accepted, or that nobody knows."""
        now = self.clock.now()
        await self._bets.move_bet(self.key, order.client_id, state, reason, now, ends=ends)
        self.image.moved(order, state, reason, now)
        if ends:
            self.image.ended(order.intent_id)

    async def lapse(self, intent: BetIntent, reason: str) -> None:
        """Write that nothing comes of an intent."""
        now = self.clock.now()
        if await self._bets.lapse_bet(self.key, intent.intent_id, reason, now):
            self.image.ended(intent.intent_id)
            self.counts.lapsed += 1
        else:
            await self.load()

    async def open(self, order: BetOrder, shown: BetShown) -> None:
        """Book an accepted bet."""
        now = self.clock.now()
        bet = await self._bets.open_bet(self.key, order.client_id, shown, now)
        if bet is None:
            return
        self.image.opened(order, bet, now)
        self.counts.accepted += 1
        for callback in self.on_opened:
            callback(bet)

    async def settle(self, bet: Bet, ending: BetEnding, *, by_hand: bool = False) -> Bet:
        """Book a result, or that there is none."""
        now = self.clock.now()
        ended = await self._bets.settle_bet(self.key, bet.trade_id, ending, now, by_hand=by_hand)
        if ended.kind == "same":
            return ended.bet
        self.image.settled(ended)
        if ended.kind == "settled":
            self.counts.settled += 1
            await self.clear(ended.bet.bot_id, bet.trade_id)
            for callback in self.on_settled:
                callback(ended.bet)
        elif ended.kind == "unknown":
            self.counts.results_unknown += 1
            words = f"the result of bet {bet.venue_bet_id} on {bet.asset} is unknown"
            await self.doubt(bet.bot_id, bet.trade_id, "result_unknown", words)
        else:
            self.counts.disputed += 1
            words = f"the broker told two results of bet {bet.venue_bet_id} on {bet.asset}"
            await self.doubt(bet.bot_id, bet.trade_id, "result_disputed", words)
        return ended.bet

    async def recent(self, since: datetime) -> tuple[Bet, ...]:
        """Return bets opened since an instant, settled ones included."""
        return await self._bets.bets_since(self.key, since)

    async def adopt(self, shown: Decimal, now: datetime) -> None:
        """Book what the broker's balance has beyond our ledger as external."""
        ccy = self.image.account.quote_ccy
        key = f"external:{now.isoformat()}"
        differences = await self._store.adopt_balances(
            self.key, {ccy: Balance(shown)}, now, "seen in the balance", key=key
        )
        if differences:
            self.counts.adopted += 1
            await self.load()

    async def reconciled(self, now: datetime) -> None:
        """Write when the books last agreed."""
        await self._store.reconciled(self.key, now)

    async def block(self, code: str, words: str) -> None:
        """Block the account and tell a person."""
        self.alarm(code, words, None)
        await self._store.block_account(self.key, f"{code}: {words}", self.clock.now())

    async def doubt(self, bot_id: UUID | None, about: UUID, code: str, words: str) -> None:
        """Block a bot over an intent of which nobody knows what became; tell a person, once."""
        self.alarm(code, words, about)
        if bot_id is None or about in self._doubts.get(bot_id, ()):
            return
        self._doubts.setdefault(bot_id, set()).add(about)
        reason = f"{code}: {words}"
        await self._say(bot_id, "blocked", reason)

    async def clear(self, bot_id: UUID | None, about: UUID) -> None:
        """Let a bot go on where this was its last doubt."""
        doubts = self._doubts.get(bot_id) if bot_id is not None else None
        if bot_id is None or doubts is None or about not in doubts:
            return
        doubts.discard(about)
        if not doubts:
            del self._doubts[bot_id]
            await self._say(bot_id, "running", None)

    def alarm(self, code: str, words: str, about: UUID | None) -> None:
        """Tell a person of something, once."""
        if (code, about) in self._told:
            return
        self._told.add((code, about))
        self.counts.alarms += 1
        for callback in self.on_alarm:
            callback(Alarm(code, words, about))

    async def _say(self, bot_id: UUID, state: str, reason: str | None) -> None:
        now = self.clock.now()
        await self._store.set_bot_state(self.key.tenant_id, bot_id, state, reason, now)
        for callback in self.on_doubt:
            callback(bot_id, reason)
