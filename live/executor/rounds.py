"""What an executor does every second: owed exits, stops, kill switches, blocked accounts."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from candela.money import plain
from candela.orders.words import Side
from live.bots.runner import BotRunner
from live.executor.accounts import AccountWork, TenantWork
from live.executor.batch import Batch
from live.executor.crew import Crew
from live.executor.rows import BotSaid
from live.executor.settling import Settler
from live.executor.shields import Shields
from live.journal.journal import JournalEvent

__all__ = ["Rounds"]

_LOG: Final = logging.getLogger(__name__)
_GRACE: Final = timedelta(seconds=60)
"""How long a bot that stops waits for its open orders."""


class Rounds:
    """Goes round all bots: nobody has a task of his own."""

    def __init__(self, crew: Crew, settler: Settler) -> None:
        self._crew = crew
        self._settler = settler
        self._shields = Shields(crew.tools.journal)
        self._stopping: dict[UUID, datetime] = {}

    async def go(self) -> None:
        """Go round once."""
        for shard in self._crew.lost:
            _LOG.warning("the lease of part %d is over", shard)
            await self._crew.close_shard(shard)
        async with self._crew.fanout.turn:
            await self._round(self._crew.fanout.batch())

    async def _round(self, batch: Batch) -> None:
        said = self._crew.to_say()
        for work in self._crew.accounts():
            self._account(work, said)
        ended: list[tuple[TenantWork, BotRunner, str]] = []
        for tenant, runner in self._crew.runners():
            if tenant.halts and runner.is_held:
                self._halt(batch, tenant, runner)
            if runner.wanted == "stopped":
                reason = self._stop(batch, tenant, runner, said)
                if reason is not None:
                    ended.append((tenant, runner, reason))
            elif self._stopping:
                self._stopping.pop(runner.bot_id, None)
            if runner.config.protect_at_venue:
                self._shields.look(batch, tenant, runner)
            if runner.owed is not None:
                self._owed(batch, tenant, runner)
        await self._settler.settle(batch)
        for tenant, runner, reason in ended:
            await self._end(tenant, runner, reason, said)
        await self._crew.tools.roster.say(said, batch.now)

    async def keep_best(self) -> None:
        """Keep the best prices that rose, so that trailing stops survive a restart."""
        for runner, best in self._crew.fanout.risen():
            await self._crew.tools.store.mark_position(
                runner.account, runner.bot_id, runner.symbol, best
            )

    def _account(self, work: AccountWork, said: list[BotSaid]) -> None:
        """Let bots be blocked with their account, and go on with it."""
        account = work.desk.book.account
        state = account.state
        if state == work.said:
            return
        work.said = state
        reason = account.state_reason if state == "blocked" else None
        for tenant, runner in self._crew.runners():
            if runner.account != work.account.key or runner.state not in {"running", "blocked"}:
                continue
            runner.state = "blocked" if state == "blocked" else "running"
            said.append(BotSaid(tenant.tenant_id, runner.bot_id, runner.state, reason))
            level = "warning" if state == "blocked" else "info"
            words = f"the account is {state}" + (f": {reason}" if reason else "")
            self._crew.tools.journal.note(
                tenant.tenant_id, runner.bot_id, "blocked", words, level=level
            )

    def _halt(self, batch: Batch, tenant: TenantWork, runner: BotRunner) -> None:
        halt = tenant.flattens(runner)
        if halt is None:
            return
        if runner.owed is None:
            self._note(tenant, runner, "halted", f"all is sold: {halt.reason}")
        batch.flatten(tenant, runner, "flatten", self._crew.fanout.quote_of(runner))

    def _owed(self, batch: Batch, tenant: TenantWork, runner: BotRunner) -> None:
        quote = self._crew.fanout.quote_of(runner)
        batch.settle_owed(tenant, runner, quote, None)
        if not runner.is_held and not self._has_open(tenant, runner):
            runner.owed = None

    def _stop(
        self, batch: Batch, tenant: TenantWork, runner: BotRunner, said: list[BotSaid]
    ) -> str | None:
        """Bring a stop forward; returns why it is done, once it is."""
        if runner.bot_id not in self._stopping:
            self._stopping[runner.bot_id] = batch.now
            runner.state = "stopping"
            said.append(BotSaid(tenant.tenant_id, runner.bot_id, "stopping"))
            self._note(tenant, runner, "state", f"{runner.name} is stopping")
            self._cancel_entries(tenant, runner)
        if runner.flatten_on_stop and runner.is_held:
            batch.flatten(tenant, runner, "flatten", self._crew.fanout.quote_of(runner))
            if runner.owed is not None:
                return None
        if not self._has_open(tenant, runner):
            return "stopped"
        is_late = batch.now - self._stopping[runner.bot_id] > _GRACE
        # Its orders stay in the books, and the desk goes on with them.
        return "stopped, with orders that are not final" if is_late else None

    async def _end(
        self, tenant: TenantWork, runner: BotRunner, reason: str, said: list[BotSaid]
    ) -> None:
        self._stopping.pop(runner.bot_id, None)
        self._shields.forget(runner.bot_id)
        self._crew.fanout.remove(runner)
        tenant.runners.pop(runner.bot_id, None)
        runner.state = "stopped"
        said[:] = [one for one in said if one.bot_id != runner.bot_id]
        held = f"; it holds {plain(runner.position.quantity)}" if runner.is_held else ""
        kept = None if reason == "stopped" and not held else reason + held
        said.append(BotSaid(tenant.tenant_id, runner.bot_id, "stopped", kept))
        now = self._crew.tools.clock.now()
        await self._crew.tools.roster.end_runs(tenant.tenant_id, [runner.bot_id], "stopped", now)
        self._note(tenant, runner, "state", f"{runner.name} is stopped{held}")

    @staticmethod
    def _has_open(tenant: TenantWork, runner: BotRunner) -> bool:
        account = tenant.accounts.get(runner.account.account_id)
        return account is not None and account.desk.has_open_intent(runner.bot_id, runner.symbol)

    @staticmethod
    def _cancel_entries(tenant: TenantWork, runner: BotRunner) -> None:
        account = tenant.accounts.get(runner.account.account_id)
        if account is None:
            return
        for intent in account.desk.book.intents:
            if intent.bot_id == runner.bot_id and intent.side is Side.BUY:
                account.desk.cancel_intent(intent.intent_id)

    def _note(self, tenant: TenantWork, runner: BotRunner, event: JournalEvent, words: str) -> None:
        self._crew.tools.journal.note(tenant.tenant_id, runner.bot_id, event, words)
