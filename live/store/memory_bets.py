"""Bets in memory: what PostgreSQL keeps of them, beside the books of the store in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from candela.money import EXACT, ZERO
from candela.orders.bet_booking import Ended, bet_opened, bet_settled, order_moved
from candela.orders.bets import (
    Bet,
    BetBook,
    BetEnding,
    BetIntent,
    BetOrder,
    BetShown,
    BetStatus,
)
from candela.orders.records import AccountKey
from candela.orders.words import IntentState, OrderState, Side
from candela.risk.bets import BetRows, OpenStake, judge_bet, settled_of
from live.store.bets_port import BetCommit
from live.store.memory import StoreGone
from live.store.memory_books import Key, MemoryBooks, decision_key
from live.store.port import Lease, LeaseLost, Placed

__all__ = ["BetShelf", "MemoryBetStore"]

_KNOWN: Final = timedelta(days=2)


@dataclass(slots=True)
class BetShelf:
    """Everything committed of bets; handles come and go over it."""

    intents: dict[UUID, BetIntent] = field(default_factory=dict[UUID, BetIntent])
    keys: set[Key] = field(default_factory=set[Key])
    orders: dict[str, BetOrder] = field(default_factory=dict[str, BetOrder])
    bets: dict[UUID, Bet] = field(default_factory=dict[UUID, Bet])
    held: dict[UUID, Decimal] = field(default_factory=dict[UUID, Decimal])


class MemoryBetStore:
    """One process's handle on the bets: the `live.store.bets_port.BetStore` of simulations.

    Parameters
    ----------
    pause
        Awaited before and after each transaction: where a process can be killed, or stall.
    """

    def __init__(
        self,
        books: MemoryBooks,
        shelf: BetShelf,
        pause: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.books = books
        self.shelf = shelf
        self._pause = pause
        self._is_dead = False

    def kill(self) -> None:
        """Let every further call of this handle fail; what was committed stays."""
        self._is_dead = True

    async def load_bets(self, account: AccountKey, now: datetime) -> BetBook:
        """Return what is known of an account's bets."""
        await self._begun()
        books, shelf = self.books, self.shelf
        row = books.accounts[account]
        intents = tuple(one for one in self._intents(account) if not one.state.is_final)
        ids = {one.intent_id for one in intents}
        bets = [one for one in shelf.bets.values() if one.account == account]
        return BetBook(
            account=row,
            balance=books.balance_of(account, row.quote_ccy),
            intents=intents,
            orders=tuple(one for one in shelf.orders.values() if one.intent_id in ids),
            bets=tuple(one for one in bets if not one.status.is_known),
            known=frozenset(one.venue_bet_id for one in bets if one.opened_at >= now - _KNOWN),
        )

    async def commit_bets(self, lease: Lease, commits: Sequence[BetCommit]) -> tuple[Placed, ...]:
        """Write decisions, intents and reservations, each wholly or not at all."""
        await self._begun()
        self._check(lease)
        placed = tuple(self._committed(commit) for commit in commits)
        await self._ended()
        return placed

    async def begin_bet(self, lease: Lease, order: BetOrder) -> bool:
        """Write an attempt as SENDING, just before it is sent; its intent becomes WORKING."""
        await self._begun()
        self._check(lease)
        shelf = self.shelf
        intent = shelf.intents[order.intent_id]
        if (
            order.client_id in shelf.orders
            or intent.state.is_final
            or any(one.state.may_be_alive for one in self._attempts(order.intent_id))
        ):
            return False
        shelf.orders[order.client_id] = replace(order, state=OrderState.SENDING)
        shelf.intents[intent.intent_id] = replace(intent, state=IntentState.WORKING)
        await self._ended()
        return True

    async def move_bet(
        self,
        account: AccountKey,
        client_id: str,
        state: OrderState,
        reason: str | None,
        now: datetime,
        *,
        ends: bool,
    ) -> bool:
        """Move an attempt that was not accepted along the declared graph; False: it was not."""
        await self._begun()
        order = self._order(account, client_id)
        after = order_moved(order, state, now, reason=reason)
        if after is None:
            return False
        self.shelf.orders[client_id] = after
        if ends:
            self._end(self.shelf.intents[order.intent_id], IntentState.FAILED, reason, now)
        await self._ended()
        return True

    async def lapse_bet(
        self, account: AccountKey, intent_id: UUID, reason: str, now: datetime
    ) -> bool:
        """Fail an intent that no attempt of is alive, and release its stake; False: it is final."""
        await self._begun()
        intent = self.shelf.intents[intent_id]
        if (
            intent.account != account
            or intent.state.is_final
            or any(one.state.may_be_alive for one in self._attempts(intent_id))
        ):
            return False
        self._end(intent, IntentState.FAILED, reason, now)
        await self._ended()
        return True

    async def open_bet(
        self, account: AccountKey, client_id: str, shown: BetShown, now: datetime
    ) -> Bet | None:
        """Book an accepted bet: attempt OPEN, trade row, stake in the ledger, nothing reserved."""
        await self._begun()
        shelf, order = self.shelf, self._order(account, client_id)
        after = order_moved(order, OrderState.OPEN, now, venue_bet_id=shown.venue_bet_id)
        if after is None or order.intent_id in shelf.bets:
            return None
        intent = shelf.intents[order.intent_id]
        bet, entry = bet_opened(self.books.accounts[account], intent, shown)
        shelf.orders[client_id] = after
        shelf.bets[bet.trade_id] = bet
        self._release(intent)
        self.books.keep_entry(entry)
        await self._ended()
        return bet

    async def settle_bet(
        self,
        account: AccountKey,
        trade_id: UUID,
        ending: BetEnding,
        now: datetime,
        *,
        by_hand: bool = False,
    ) -> Ended:
        """Book a result: trade row, payout in the ledger, attempt FILLED and intent DONE."""
        await self._begun()
        shelf = self.shelf
        intent = shelf.intents[trade_id]
        if intent.account != account:
            raise KeyError(trade_id)
        ended = bet_settled(shelf.bets[trade_id], ending, intent.ccy, now, by_hand=by_hand)
        shelf.bets[trade_id] = ended.bet
        if ended.entry is not None:
            self.books.keep_entry(ended.entry)
        if ended.kind == "settled":
            for order in self._attempts(trade_id):
                after = order_moved(order, OrderState.FILLED, now)
                if order.state is OrderState.OPEN and after is not None:
                    shelf.orders[order.client_id] = after
            self._end(intent, IntentState.DONE, ended.bet.reason, now)
        await self._ended()
        return ended

    async def bets_since(self, account: AccountKey, since: datetime) -> tuple[Bet, ...]:
        """Return bets of an account opened since an instant, oldest first."""
        await self._begun()
        found = [
            one
            for one in self.shelf.bets.values()
            if one.account == account and one.opened_at >= since
        ]
        return tuple(sorted(found, key=lambda one: (one.opened_at, one.trade_id)))

    # --- inside -----------------------------------------------------------------------------------

    async def _begun(self) -> None:
        if self._pause is not None:
            await self._pause()
        if self._is_dead:
            raise StoreGone("the store's handle is dead", "Open another handle on the books.")

    async def _ended(self) -> None:
        if self._pause is not None:
            await self._pause()

    def _check(self, lease: Lease) -> None:
        held = self.books.epochs.get(lease.shard, 0)
        if lease.epoch != held:
            raise LeaseLost(
                f"the lease of part {lease.shard} is at epoch {held}, not {lease.epoch}",
                "Another executor has taken the part over; this one lets go of it.",
            )

    def _intents(self, account: AccountKey) -> list[BetIntent]:
        return [one for one in self.shelf.intents.values() if one.account == account]

    def _attempts(self, intent_id: UUID) -> list[BetOrder]:
        return [one for one in self.shelf.orders.values() if one.intent_id == intent_id]

    def _order(self, account: AccountKey, client_id: str) -> BetOrder:
        order = self.shelf.orders[client_id]
        if order.account != account:
            raise KeyError(client_id)
        return order

    def _end(
        self, intent: BetIntent, state: IntentState, reason: str | None, now: datetime
    ) -> None:
        if not intent.state.is_final:
            self.shelf.intents[intent.intent_id] = replace(
                intent, state=state, reason=reason, final_at=now
            )
            self._release(intent)

    def _release(self, intent: BetIntent) -> None:
        held = self.shelf.held.pop(intent.intent_id, ZERO)
        reserved = self.books.reserved[intent.account]
        reserved[intent.ccy] = EXACT.subtract(reserved.get(intent.ccy, ZERO), held)

    def _committed(self, commit: BetCommit) -> Placed:
        books, shelf, intent, decision = self.books, self.shelf, commit.intent, commit.decision
        key = decision_key(decision)
        if key in books.decisions or key in shelf.keys:
            return Placed("duplicate")
        refused = self._state_refusal(commit)
        if refused is None:
            verdict = judge_bet(commit.case(), self._rows(commit))
            if verdict.decided_by is not None:
                gate = verdict.decided_by
                decision = replace(decision, gates=(*decision.gates, gate.as_dict()))
                refused = Placed("refused", gate.name, gate.words)
        if refused is not None:
            books.decisions[key] = replace(decision, outcome="refused", decided_by=refused.gate)
            return refused
        books.decisions[key] = decision
        shelf.keys.add(key)
        shelf.intents[intent.intent_id] = intent
        shelf.held[intent.intent_id] = intent.stake
        reserved = books.reserved[intent.account]
        reserved[intent.ccy] = EXACT.add(reserved.get(intent.ccy, ZERO), intent.stake)
        return Placed("committed")

    def _state_refusal(self, commit: BetCommit) -> Placed | None:
        books, intent = self.books, commit.intent
        for halt in books.halts_of(intent.tenant_id):
            if halt.account_id in {None, intent.account.account_id} and (
                halt.bot_id in {None, intent.bot_id}
            ):
                return Placed("refused", "halt", halt.reason)
        account = books.accounts[intent.account]
        if account.state != "active":
            return Placed("refused", "account", account.state_reason or account.state)
        if intent.bot_id is not None:
            bot = books.bots.get((intent.tenant_id, intent.bot_id))
            if bot is None or bot.wanted != "running":
                return Placed("refused", "wanted", "the bot is not wanted running")
        if commit.day_limit is not None:
            others = [one.created_at for one in books.intents.values()
                      if one.tenant_id == intent.tenant_id and one.side is Side.BUY]  # fmt: skip
            others += [
                one.created_at
                for one in self.shelf.intents.values()
                if one.tenant_id == intent.tenant_id
            ]
            entries = sum(at >= commit.day_at for at in others)
            if entries >= commit.day_limit:
                words = f"{entries} of {commit.day_limit} entries today"
                return Placed("refused", "day_limit", words)
        return None

    def _rows(self, commit: BetCommit) -> BetRows:
        shelf, intent = self.shelf, commit.intent
        own = [one for one in self._intents(intent.account) if one.bot_id == intent.bot_id]
        return BetRows(
            open_stakes=tuple(
                self._open_stake(one)
                for one in self._intents(intent.account)
                if not one.state.is_final
                or (one.intent_id in shelf.bets and not shelf.bets[one.intent_id].status.is_known)
            ),
            settled=tuple(
                settled_of(one)
                for one in shelf.bets.values()
                if one.bot_id == intent.bot_id and one.status is not BetStatus.OPEN
            ),
            bets_today=sum(one.created_at >= commit.day_at for one in own),
            free=self.books.balance_of(intent.account, intent.ccy).free,
        )

    def _open_stake(self, intent: BetIntent) -> OpenStake:
        bet = self.shelf.bets.get(intent.intent_id)
        unknown = any(one.state is OrderState.UNKNOWN for one in self._attempts(intent.intent_id))
        return OpenStake(
            bot_id=intent.bot_id,
            asset=intent.asset,
            expires_at=intent.expires_at,
            stake=intent.stake if bet is None else bet.stake,
            in_doubt=unknown or (bet is not None and bet.status is BetStatus.UNKNOWN),
        )
