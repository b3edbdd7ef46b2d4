"""The crew: the tenants, accounts and bots of the parts that an executor holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from candela.brokers.paper import CostsOf
from candela.brokers.port import NoInformation, SpotBroker
from candela.clock import Clock
from candela.errors import CandelaError
from candela.ids import new_id
from candela.market.timeframe import Timeframe
from candela.money import plain
from candela.orders.records import Account, AccountBook
from live.bots.runner import BotRunner
from live.desk.desk import AccountDesk
from live.desk.terms import Alarm
from live.executor.accounts import AccountWork, TenantWork
from live.executor.batch import Leases
from live.executor.fanout import FanOut
from live.executor.roster import Roster
from live.executor.rows import BotLoaded, BotSaid, DefinitionRow, RunBegun, TenantLoaded
from live.executor.staffing import Configs, closed_trade, position_changed, runner_of
from live.journal.journal import Journal
from live.metrics.figures import Figures
from live.store.port import Booked, LeaseLost, Store

__all__ = ["Brokers", "Crew", "Tools"]

_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 32
_READY_S: Final = 20.0
"""How long bots wait for their desk before they begin all the same; entries wait for it longer."""
_BLOCKED: Final = "blocked"


class Brokers(Protocol):
    """Opens the broker of an account, its key opened in memory alone."""

    async def open(self, account: Account, book: AccountBook, costs_of: CostsOf) -> SpotBroker:
        """Return the broker.

        Parameters
        ----------
        costs_of
            Of the orders of a paper account, each bot's its own.

        Raises
        ------
        CandelaError
            The key cannot be opened, or the venue is none that is traded.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What everything in an executor works with.

    Parameters
    ----------
    executor
        Its name.
    fail
        Called with what the process cannot go on after.
    """

    executor: str
    store: Store
    roster: Roster
    brokers: Brokers
    journal: Journal
    figures: Figures
    clock: Clock
    leases: Leases
    fail: Callable[[BaseException], None]


class Crew:
    """Opens and closes parts, puts bots to work and lets them go."""

    def __init__(self, tools: Tools, fanout: FanOut) -> None:
        self.tools = tools
        self.fanout = fanout
        self.tenants: dict[UUID, TenantWork] = {}
        self.known: dict[int, tuple[UUID, ...]] = {}
        self._configs = Configs()
        self._turn = asyncio.Lock()
        self._lost: set[int] = set()
        self._broken: dict[str, str] = {}
        self._to_say: list[BotSaid] = []

    def runners(self) -> Iterable[tuple[TenantWork, BotRunner]]:
        """Return all bots at work."""
        for tenant in list(self.tenants.values()):
            for runner in list(tenant.runners.values()):
                yield tenant, runner

    def accounts(self) -> Iterable[AccountWork]:
        """Return all accounts at work."""
        for tenant in list(self.tenants.values()):
            yield from list(tenant.accounts.values())

    def instruments(self) -> frozenset[str]:
        """Return what is traded: by bots, and by hand lately."""
        found = {runner.config.instrument for _, runner in self.runners()}
        for work in self.accounts():
            found.update(f"{work.account.venue}:{symbol}" for symbol in work.rules)
        return frozenset(found)

    # --- parts ------------------------------------------------------------------------------------

    async def open_shards(self, shards: Collection[int]) -> list[BotRunner]:
        """Recover parts and put their bots to work; return those bots."""
        async with self._turn:
            self._lost.difference_update(shards)
            wanted: list[UUID] = []
            for shard in shards:
                self.known[shard] = await self.tools.roster.tenants(shard)
                wanted += self.known[shard]
            loaded = await self.tools.roster.load(wanted, self.tools.clock.now())
            return await self._man(loaded)

    async def close_shard(self, shard: int) -> None:
        """Let go of a part at once: nothing is sent for it any more."""
        self._lost.add(shard)
        self.known.pop(shard, None)
        gone = [one for one in self.tenants.values() if one.shard == shard]
        for tenant in gone:
            for runner in tenant.runners.values():
                self.fanout.remove(runner)
            del self.tenants[tenant.tenant_id]
        await self.fanout.close_bets(tenant.tenant_id for tenant in gone)
        works = [work for tenant in gone for work in tenant.accounts.values()]
        await asyncio.gather(*(self._close(work) for work in works))

    async def reload(
        self, tenant_id: UUID, shard: int, bots: Collection[UUID] | None
    ) -> list[BotRunner]:
        """Read a tenant again, of its bots those named; return bots that begin now."""
        async with self._turn:
            if shard not in self.known:
                return []
            if tenant_id not in self.known[shard]:
                self.known[shard] = (*self.known[shard], tenant_id)
            now = self.tools.clock.now()
            only = None if bots is None else list(bots)
            return await self._man(await self.tools.roster.load([tenant_id], now, only))

    # --- bots -------------------------------------------------------------------------------------

    async def _man(self, loaded: Iterable[TenantLoaded]) -> list[BotRunner]:
        turns = asyncio.Semaphore(_AT_ONCE)
        opening: list[AccountWork] = []
        rows: list[tuple[TenantWork, BotLoaded]] = []

        async def opened(tenant: TenantWork, account: Account) -> None:
            async with turns:
                work = await self._open(tenant, account)
            if work is not None:
                opening.append(work)

        jobs: list[asyncio.Task[None]] = []
        for one in loaded:
            tenant = self._tenant(one)
            for account in one.accounts:
                if account.key.account_id not in tenant.accounts and account.kind == "spot":
                    jobs.append(asyncio.create_task(opened(tenant, account)))
                elif account.kind == "fixed_payout" and self.fanout.betting is not None:
                    jobs.append(asyncio.create_task(self.fanout.betting.open(tenant, account)))
            rows += [(tenant, bot) for bot in one.bots]
        await asyncio.gather(*jobs)
        await asyncio.gather(*(self._ready(work) for work in opening))
        return await self._begin(rows)

    def _tenant(self, one: TenantLoaded) -> TenantWork:
        tenant = self.tenants.get(one.tenant_id)
        if tenant is None:
            shard = next(shard for shard, ids in self.known.items() if one.tenant_id in ids)
            tenant = TenantWork(one.tenant_id, shard, one.zone, one.subscription, one.buys)
            self.tenants[one.tenant_id] = tenant
        tenant.subscribe(one.subscription)
        tenant.halts = one.halts
        for bot in one.bots:
            with suppress(CandelaError):  # said of the bot itself when it is put to work
                tenant.costs[bot.bot_id] = self._configs.read(bot.config).costs
        return tenant

    async def _open(self, tenant: TenantWork, account: Account) -> AccountWork | None:
        tools, shard = self.tools, tenant.shard
        try:
            book = await tools.store.load(account.key)
            broker = await tools.brokers.open(account, book, tenant.costs_of(book))
        except NoInformation as error:
            _LOG.warning("account %s waits: %s", account.key.account_id, error.message)
            return None
        except CandelaError as error:
            tools.figures.count("candela_errors_total", "account")
            reason = f"{error.code}: {error.message}"
            await tools.store.block_account(account.key, reason, tools.clock.now())
            return None
        desk = AccountDesk(
            account.key, tools.store, broker, lambda: tools.leases(shard), tools.clock
        )
        work = AccountWork(account, desk, broker)
        desk.on_booked(lambda booked: self._booked(tenant, work, booked))
        desk.on_alarm(lambda alarm: self._alarmed(tenant, work, alarm))
        desk.on_end(lambda failure: self._ended(shard, failure))
        try:
            await desk.start()
            if shard not in self._lost:
                tenant.accounts[account.key.account_id] = work
                return work
        finally:
            if tenant.accounts.get(account.key.account_id) is not work:
                # Also where the process ends meanwhile: nobody else knows of it.
                await self._close(work)
        return None

    async def _ready(self, work: AccountWork) -> None:
        try:
            await asyncio.wait_for(work.desk.wait_ready(), _READY_S)
        except TimeoutError:
            _LOG.warning("account %s is not ready yet", work.account.key.account_id)

    async def _close(self, work: AccountWork) -> None:
        await work.desk.stop()
        await work.broker.close()

    async def _begin(self, rows: Iterable[tuple[TenantWork, BotLoaded]]) -> list[BotRunner]:
        said: list[BotSaid] = []
        made: list[tuple[TenantWork, BotRunner]] = []
        now = self.tools.clock.now()
        for tenant, row in rows:
            old = tenant.runners.get(row.bot_id)
            if row.wanted == "stopped" and old is not None:
                old.wanted, old.flatten_on_stop = "stopped", row.flatten_on_stop
            elif old is not None and (old.version, old.since) == (row.version, row.since):
                continue
            elif tenant.shard in self.known:
                runner = await self._made(tenant, row, said)
                if runner is not None:
                    self._succeed(old, runner)
                    made.append((tenant, runner))
        await self._teach([runner for _, runner in made])
        runs: list[RunBegun] = []
        for tenant, runner in made:
            reason = self._broken.get(runner.definition_id)
            runner.state = "running" if runner.wanted == "running" else "stopping"
            if reason is not None:
                runner.state = "error"
            elif runner.wanted == "running":
                runner.run_id = new_id(now)
                run = RunBegun(tenant.tenant_id, runner.run_id, runner.bot_id, runner.version)
                runs.append(run)
            tenant.runners[runner.bot_id] = runner
            self.fanout.add(tenant, runner)
            said.append(BotSaid(tenant.tenant_id, runner.bot_id, runner.state, reason))
            self._tell(tenant, runner, f"{runner.name} is {runner.state}")
        await self.tools.roster.begin_runs(runs, self.tools.executor, now)
        await self.tools.roster.say(said, now)
        return [runner for _, runner in made]

    def _succeed(self, old: BotRunner | None, runner: BotRunner) -> None:
        """Hand over what a run that ends leaves to the one that begins."""
        if old is None:
            return
        self.fanout.remove(old)
        runner.position, runner.entered = old.position, old.entered
        runner.first, runner.owed = old.first, old.owed

    async def _made(
        self, tenant: TenantWork, row: BotLoaded, said: list[BotSaid]
    ) -> BotRunner | None:
        betting, account = self.fanout.betting, tenant.accounts.get(row.account.account_id)
        if account is None and (betting is None or row.account not in betting.works):
            words = "its account cannot be traded now"
            if row.state != _BLOCKED:
                said.append(BotSaid(tenant.tenant_id, row.bot_id, _BLOCKED, words))
            return None
        try:
            if account is None:
                return betting and betting.runner(row, tenant.zone, self._configs)
            runner = runner_of(row, account.account, tenant.zone, self._configs)
            if runner.symbol not in account.rules:
                account.rules[runner.symbol] = await account.broker.rules(runner.symbol)
        except CandelaError as error:
            reason = f"{error.code}: {error.message}"
            said.append(BotSaid(tenant.tenant_id, row.bot_id, "error", reason))
            self.tools.figures.count("candela_errors_total", "bot")
            return None
        # Where the desk booked something since the rows were read, it knows better.
        position = account.desk.position(runner.bot_id, runner.symbol)
        if position.bot_id == runner.bot_id and position.trade_id is not None:
            runner.position = position
        return runner

    async def _teach(self, runners: Iterable[BotRunner]) -> None:
        """Tell the fan-out of definitions that it does not know yet."""
        bars: dict[str, int] = {}
        frames: dict[str, Timeframe] = {}
        for runner in runners:
            if self.fanout.knows(runner.definition_id):
                continue
            frames[runner.definition_id] = runner.config.interval
            if runner.config.sizing.kind == "volatility_target":
                before = bars.get(runner.definition_id, 0)
                bars[runner.definition_id] = max(before, runner.config.sizing.window)
        if not frames:
            return
        missing = set(frames)
        for row in await self.tools.roster.definitions(frames, bars):
            missing.discard(row.definition_id)
            self.fanout.learn(row, frames[row.definition_id])
            self._broken.pop(row.definition_id, None)
            if row.broken_reason is not None:
                self._broken[row.definition_id] = f"its strategy failed: {row.broken_reason}"
        for name in missing:
            self.fanout.learn(DefinitionRow(name, "spot", 0, None), frames[name])
            self._broken[name] = f"there is no definition {name[:12]}"

    def break_off(self, bots: Iterable[tuple[TenantWork, BotRunner]], reason: str) -> None:
        """Put bots whose strategy cannot be run into error; what they hold stays watched."""
        for tenant, runner in bots:
            if runner.state == "error":
                continue
            runner.state = "error"
            self._broken[runner.definition_id] = reason
            self._to_say.append(BotSaid(tenant.tenant_id, runner.bot_id, "error", reason))
            self.tools.journal.note(
                tenant.tenant_id, runner.bot_id, "state", f"error: {reason}", level="error"
            )

    def to_say(self) -> list[BotSaid]:
        """Return what is to be written of bots, once."""
        said, self._to_say = self._to_say, []
        return said

    # --- news of the desks ------------------------------------------------------------------------

    def _booked(self, tenant: TenantWork, work: AccountWork, booked: Booked) -> None:
        tools = self.tools
        tools.figures.count("candela_fills_total", work.account.mode, len(booked.fills))
        trades = {trade.trade_id: trade for trade in booked.trades}
        for position in booked.positions:
            runner = tenant.runners.get(position.bot_id)
            if runner is None:
                continue
            trade = trades.get(position.trade_id) if position.trade_id is not None else None
            position_changed(runner, position, trade)
            self.fanout.watch(tenant, runner)
        for fill in booked.fills:
            words = f"{fill.side} {plain(fill.quantity)} {fill.symbol} at {plain(fill.price)}"
            data = {"trade_id": fill.trade_id, "fee": plain(fill.fee), "fee_ccy": fill.fee_ccy}
            tools.journal.note(tenant.tenant_id, fill.bot_id, "fill", words, data=data)
        for trade in booked.trades:
            closed = closed_trade(trade)
            if closed is None or trade.bot_id is None:
                continue
            runner = tenant.runners.get(trade.bot_id)
            if runner is not None:
                runner.tally.closed(closed)
            tools.figures.count("candela_trades_total", trade.mode)
            words = f"closed {trade.symbol} by {trade.exit_reason}: {plain(closed.pnl)}"
            tools.journal.note(tenant.tenant_id, trade.bot_id, "trade", words)

    def _alarmed(self, tenant: TenantWork, work: AccountWork, alarm: Alarm) -> None:
        self.tools.figures.count("candela_errors_total", alarm.code)
        _LOG.warning("account %s: %s: %s", work.account.key.account_id, alarm.code, alarm.words)
        for runner in tenant.runners.values():
            if runner.account == work.account.key:
                words = f"{alarm.code}: {alarm.words}"
                self.tools.journal.note(
                    tenant.tenant_id, runner.bot_id, "blocked", words, level="warning"
                )

    def _ended(self, shard: int, failure: BaseException) -> None:
        if isinstance(failure, LeaseLost):
            self._lost.add(shard)
        else:
            self.tools.fail(failure)

    @property
    def lost(self) -> frozenset[int]:
        """Parts whose lease turned out to be over, to be closed."""
        return frozenset(self._lost & self.known.keys())

    def lose(self, shard: int) -> None:
        """Note that the lease of a part is over."""
        self._lost.add(shard)

    def _tell(self, tenant: TenantWork, runner: BotRunner, words: str) -> None:
        self.tools.journal.note(tenant.tenant_id, runner.bot_id, "state", words)
