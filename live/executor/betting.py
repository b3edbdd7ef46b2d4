"""Bots that bet: their desks opened and closed with parts, their wishes committed after a bar."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from candela.brokers.payout_port import PayoutBroker
from candela.brokers.port import NoInformation
from candela.clock import Clock
from candela.errors import CandelaError
from candela.ids import new_id
from candela.money import EXACT, ZERO
from candela.orders.bets import Bet, BetBook
from candela.orders.records import Account, AccountKey, Decision
from candela.orders.words import Quote
from live.bets.desk import BetDesk
from live.bots.betting import BetSurroundings, bet_on
from live.bots.conditions import SignalBar
from live.bots.runner import BotRunner
from live.bots.tally import ClosedTrade
from live.desk.terms import Alarm
from live.executor.accounts import TenantWork
from live.executor.batch import Leases
from live.executor.rows import BotLoaded
from live.executor.staffing import Configs, runner_of
from live.journal.journal import Journal
from live.metrics.figures import Figures
from live.store.bets_port import BetCommit, BetStore
from live.store.port import LeaseLost, Store

__all__ = ["BetBrokers", "BetWork", "Betting"]

_LOG: Final = logging.getLogger(__name__)
_READY_S: Final = 20.0


class BetBrokers(Protocol):
    """Opens the broker of a fixed-payout account."""

    async def open(self, account: Account, book: BetBook) -> PayoutBroker:
        """Return the broker.

        Raises
        ------
        CandelaError
            The key cannot be opened, or there is no adapter of that broker.
        """
        ...

    def prepare(self, account: Account, runner: BotRunner) -> None:
        """Make what a bot bets on known to a paper broker."""
        ...

    def on_quote(self, venue: str, quote: Quote) -> None:
        """Settle paper bets by a new price."""
        ...


@dataclass(slots=True)
class BetWork:
    """A fixed-payout account with the desk that bets for it."""

    tenant: TenantWork
    account: Account
    desk: BetDesk
    broker: PayoutBroker


class Betting:
    """All fixed-payout accounts of the parts that an executor holds.

    Parameters
    ----------
    fail
        Called with what the process cannot go on after.
    on_lost
        Called with a part whose lease turned out to be over.
    """

    def __init__(
        self,
        store: Store,
        bets: BetStore,
        brokers: BetBrokers,
        journal: Journal,
        figures: Figures,
        clock: Clock,
        leases: Leases,
        fail: Callable[[BaseException], None],
        on_lost: Callable[[int], None],
    ) -> None:
        self.works: dict[AccountKey, BetWork] = {}
        self._store = store
        self._bets = bets
        self._brokers = brokers
        self._journal = journal
        self._figures = figures
        self._clock = clock
        self._leases = leases
        self._fail = fail
        self._on_lost = on_lost
        self._wishes: list[tuple[BetWork, BotRunner, SignalBar, Quote | None]] = []

    # --- accounts and bots ------------------------------------------------------------------------

    async def open(self, tenant: TenantWork, account: Account) -> None:
        """Open the desk of an account, and wait a while until it takes bets."""
        if account.key in self.works:
            return
        try:
            book = await self._bets.load_bets(account.key, self._clock.now())
            broker = await self._brokers.open(account, book)
        except NoInformation as error:
            _LOG.warning("account %s waits: %s", account.key.account_id, error.message)
            return
        except CandelaError as error:
            self._figures.count("candela_errors_total", "account")
            reason = f"{error.code}: {error.message}"
            await self._store.block_account(account.key, reason, self._clock.now())
            return
        shard = tenant.shard
        desk = BetDesk(
            account.key, self._store, self._bets, broker, lambda: self._leases(shard), self._clock
        )
        work = self.works[account.key] = BetWork(tenant, account, desk, broker)
        desk.on_settled(lambda bet: self._settled(work, bet))
        desk.on_opened(lambda bet: self._opened(work, bet))
        desk.on_alarm(lambda alarm: self._alarmed(work, alarm))
        desk.on_doubt(lambda bot_id, reason: self._doubted(work, bot_id, reason))
        desk.on_end(lambda failure: self._ended(shard, failure))
        await desk.start()
        try:
            await asyncio.wait_for(desk.wait_ready(), _READY_S)
        except TimeoutError:
            _LOG.warning("account %s is not ready yet", account.key.account_id)

    def runner(self, row: BotLoaded, zone: str, configs: Configs) -> BotRunner:
        """Return a bot of one of the accounts, ready to be put to work.

        Raises
        ------
        BadBotConfig
            Its configuration cannot be read.
        """
        work = self.works[row.account]
        made = runner_of(row, work.account, zone, configs)
        self._brokers.prepare(work.account, made)
        return made

    async def close(self, tenants: Collection[UUID]) -> None:
        """Let go of the accounts of tenants at once."""
        gone = [work for work in self.works.values() if work.tenant.tenant_id in tenants]
        for work in gone:
            del self.works[work.account.key]
        for work in gone:
            await work.desk.stop()
            await work.broker.close()

    async def drain(self, shard: int, within_s: float) -> None:
        """Let what is being sent for a part come to rest."""
        desks = [work.desk for work in self.works.values() if work.tenant.shard == shard]
        await asyncio.gather(*(desk.drain(within_s) for desk in desks))

    # --- bars and quotes --------------------------------------------------------------------------

    def hear(
        self, tenant: TenantWork, runner: BotRunner, bar: SignalBar, quote: Quote | None
    ) -> None:
        """Note that a bot heard of a bar; `settle` decides."""
        work = self.works.get(runner.account)
        if (
            work is not None
            and work.tenant is tenant
            and (bar.conditions.call or bar.conditions.put)
        ):
            self._wishes.append((work, runner, bar, quote))

    def instruments(self) -> frozenset[str]:
        """Return what open bets are on: their results need its prices."""
        return frozenset(
            f"{work.account.venue}:{bet.asset}"
            for work in self.works.values()
            for bet in work.desk.image.bets.values()
        )

    def on_quote(self, instrument: str, quote: Quote) -> None:
        """Settle paper bets by a new price."""
        self._brokers.on_quote(instrument.partition(":")[0], quote)

    async def settle(self) -> int:
        """Commit the bets that bars asked for; return how many were committed."""
        wishes, self._wishes = self._wishes, []
        committed = 0
        for work, runner, bar, quote in wishes:
            committed += await self._wish(work, runner, bar, quote)
        return committed

    async def _wish(
        self, work: BetWork, runner: BotRunner, bar: SignalBar, quote: Quote | None
    ) -> bool:
        tenant, now = work.tenant, self._clock.now()
        lease = self._leases(tenant.shard)
        if lease is None or not work.desk.is_ready:
            return False
        facts = tenant.facts(lease, now, lambda: new_id(now))
        what = bet_on(runner, bar, self._around(work, runner, quote), facts)
        try:
            if isinstance(what, Decision):
                await self._store.decide(lease, [what])
                self._refused(work, what.bot_id, what.decided_by or "")
            elif what is not None:
                return await self._placed(work, runner, what)
        except LeaseLost:
            self._on_lost(tenant.shard)
        return False

    async def _placed(self, work: BetWork, runner: BotRunner, commit: BetCommit) -> bool:
        (result,) = await work.desk.place([commit])
        self._figures.count("candela_decisions_total", result.kind)
        if result.kind == "refused":
            self._refused(work, runner.bot_id, f"{result.gate}: {result.words}")
        if result.kind != "committed":
            return False
        intent = commit.intent
        work.tenant.bought(intent.created_at)
        runner.tally.entered(intent.created_at)
        lag = self._clock.now() - (intent.expires_at - timedelta(seconds=intent.duration_s))
        self._figures.lag.add(max(lag.total_seconds(), 0.0), 1)
        words = f"{intent.side} {intent.stake:f} {intent.ccy} on {intent.asset}"
        self._journal.note(work.tenant.tenant_id, runner.bot_id, "intent", words)
        return True

    def _around(self, work: BetWork, runner: BotRunner, quote: Quote | None) -> BetSurroundings:
        image = work.desk.image
        mine = [one for one in image.intents.values() if one.bot_id == runner.bot_id]
        at_stake = ZERO
        for one in mine:
            at_stake = EXACT.add(at_stake, one.stake)
        halts = work.tenant.halts_of(work.account.key.account_id)
        return BetSurroundings(
            account=image.account,
            halts=halts.get(None, ()) + halts.get(runner.bot_id, ()),
            quote=quote,
            free=image.free,
            at_stake=at_stake,
            open_bets=len(mine),
        )

    # --- news of the desks ------------------------------------------------------------------------

    def _refused(self, work: BetWork, bot_id: UUID | None, why: str) -> None:
        self._figures.count("candela_refusals_total", why.partition(":")[0])
        self._journal.note(work.tenant.tenant_id, bot_id, "refused", f"a bet is refused by {why}")

    def _opened(self, work: BetWork, bet: Bet) -> None:
        words = f"{bet.side} {bet.stake:f} on {bet.asset} until {bet.expires_at:%H:%M:%S}"
        self._journal.note(work.tenant.tenant_id, bet.bot_id, "order", words)

    def _settled(self, work: BetWork, bet: Bet) -> None:
        pnl = bet.pnl if bet.pnl is not None else ZERO
        runner = None if bet.bot_id is None else work.tenant.runners.get(bet.bot_id)
        if runner is not None:
            closed = ClosedTrade(bet.trade_id, bet.expires_at, pnl, bet.stake)
            runner.tally.closed(closed)
        self._figures.count("candela_trades_total", bet.mode)
        words = f"{bet.side} {bet.stake:f} on {bet.asset} is {bet.status}: {pnl:f}"
        self._journal.note(work.tenant.tenant_id, bet.bot_id, "trade", words)

    def _alarmed(self, work: BetWork, alarm: Alarm) -> None:
        self._figures.count("candela_errors_total", alarm.code)
        _LOG.warning("account %s: %s: %s", work.account.key.account_id, alarm.code, alarm.words)

    def _doubted(self, work: BetWork, bot_id: UUID, reason: str | None) -> None:
        runner = work.tenant.runners.get(bot_id)
        if runner is not None and runner.state in {"running", "blocked"}:
            runner.state = "running" if reason is None else "blocked"
        words = "goes on" if reason is None else reason
        level = "info" if reason is None else "warning"
        self._journal.note(work.tenant.tenant_id, bot_id, "blocked", words, level=level)

    def _ended(self, shard: int, failure: BaseException) -> None:
        if isinstance(failure, LeaseLost):
            self._on_lost(shard)
        else:
            self._fail(failure)
