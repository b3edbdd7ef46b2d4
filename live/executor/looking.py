"""What people want: bots started or stopped, kill switches, orders by hand; heard or looked for."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal
from uuid import UUID

from candela.brokers.port import NoInformation
from candela.errors import CandelaError
from candela.ids import shard_of
from candela.money import ZERO
from candela.orders.records import Decision
from candela.orders.words import InstrumentRules, Quote
from live.bots.runner import BotRunner
from live.executor.accounts import AccountWork, TenantWork
from live.executor.batch import Ordered
from live.executor.crew import Crew
from live.executor.fanout import Quotes
from live.executor.manual import ManualOrder, manual_order
from live.executor.rows import OrderRequestRow
from live.executor.settling import Settler
from live.streams.events import StreamEvent

__all__ = ["Looking"]

Answer = Literal["taken", "refused", "lapsed"]
_PLANS_EVERY: Final = 10
"""Thorough looks from one question for all plans to the next."""
_LOG: Final = logging.getLogger(__name__)


class Looking:
    """Makes what is wanted so; an event only says that it is time to look.

    Parameters
    ----------
    on_begun
        Called with bots that begin, which have not heard the last signals.
    on_keys
        Called with a tenant and what was said of its keys and accounts.
    """

    def __init__(
        self,
        crew: Crew,
        settler: Settler,
        quotes: Quotes,
        on_begun: Callable[[list[BotRunner]], None],
        on_keys: Callable[[UUID, Mapping[str, Any]], None] = lambda _tenant, _payload: None,
    ) -> None:
        self._crew = crew
        self._settler = settler
        self._quotes = quotes
        self._on_begun = on_begun
        self._on_keys = on_keys
        self._dirty: dict[UUID, set[UUID]] = defaultdict(set)
        self._is_halt = False
        self._looks = 0

    def hear(self, events: Iterable[StreamEvent]) -> bool:
        """Note which tenants want something; returns whether any is ours."""
        heard = False
        for event in events:
            tenant = _id(event.payload.get("tenant"))
            if tenant is None:
                self._is_halt = True
                heard = True
            elif shard_of(tenant) in self._crew.known:
                bot = _id(event.payload.get("bot"))
                self._dirty[tenant] |= set() if bot is None else {bot}
                self._is_halt = self._is_halt or "scope" in event.payload
                self._on_keys(tenant, event.payload)
                heard = True
        return heard

    async def look(self, *, thoroughly: bool) -> None:
        """Make what is wanted so.

        Parameters
        ----------
        thoroughly
            Ask for all tenants, not only for those that were heard of.
        """
        crew = self._crew
        ours = [tenant for ids in crew.known.values() for tenant in ids]
        if thoroughly:
            for tenant_id, bot_id in await crew.tools.roster.changed(ours):
                self._dirty[tenant_id].add(bot_id)
            if self._looks % _PLANS_EVERY == 0:
                await self._subscriptions()
            self._looks += 1
        dirty, self._dirty = self._dirty, defaultdict(set)
        if thoroughly or self._is_halt:
            self._is_halt = False
            await self._halts()
        for tenant_id, bots in dirty.items():
            begun = await crew.reload(tenant_id, shard_of(tenant_id), bots)
            if begun:
                self._on_begun(begun)
        asked = ours if thoroughly else list(dirty)
        if asked:
            await self._requests(asked)

    async def _subscriptions(self) -> None:
        """Take over plans that changed, though the word of it was lost on the way."""
        tenants = list(self._crew.tenants)
        for tenant_id, found in (await self._crew.tools.roster.subscriptions(tenants)).items():
            tenant = self._crew.tenants.get(tenant_id)
            if tenant is not None:
                tenant.subscribe(found)

    async def _halts(self) -> None:
        tenants = list(self._crew.tenants)
        found = await self._crew.tools.roster.halts(tenants)
        everybody = found.get(None, [])
        for tenant in self._crew.tenants.values():
            tenant.halts = (*everybody, *found.get(tenant.tenant_id, ()))

    # --- orders by hand ---------------------------------------------------------------------------

    async def _requests(self, tenants: list[UUID]) -> None:
        for request in await self._crew.tools.roster.requests(tenants):
            try:
                await self._request(request)
            except NoInformation as error:
                _LOG.info("an order by hand waits: %s", error.message)
            except CandelaError as error:
                await self._answer(request, "refused", f"{error.code}: {error.message}")

    async def _request(self, request: OrderRequestRow) -> None:
        crew = self._crew
        now = crew.tools.clock.now()
        if await crew.tools.roster.has_intent(request):
            # Committed by an executor that died before it could say so, however long ago.
            await self._answer(request, "taken", None)
            return
        if request.valid_until is not None and now >= request.valid_until:
            await self._answer(request, "lapsed", "no executor took it in time")
            return
        account_id = request.account.account_id
        tenant = crew.tenants.get(request.tenant_id)
        if tenant is None or account_id not in tenant.accounts:
            await crew.reload(request.tenant_id, shard_of(request.tenant_id), ())
            tenant = crew.tenants.get(request.tenant_id)
        account = None if tenant is None else tenant.accounts.get(account_id)
        if tenant is None or account is None or not account.desk.is_ready:
            return
        rules = account.rules.get(request.symbol)
        if rules is None:
            rules = account.rules[request.symbol] = await account.broker.rules(request.symbol)
        quote = self._quotes.latest(f"{account.account.venue}:{request.symbol}")
        if quote is None:
            quote = await account.broker.quote(request.symbol)
        async with crew.fanout.turn:
            await self._commit(request, tenant, account, rules, quote)

    async def _commit(
        self,
        request: OrderRequestRow,
        tenant: TenantWork,
        account: AccountWork,
        rules: InstrumentRules,
        quote: Quote,
    ) -> None:
        batch = self._crew.fanout.batch()
        facts = batch.facts(tenant, account)
        if facts is None:
            return
        held = facts[1].free.get(rules.base, ZERO)
        for position in account.desk.book.positions:
            if position.symbol.split("/", 1)[0] == rules.base:
                held -= position.quantity + position.dust
        shields = facts[1].shields.values()
        for reservation in account.desk.book.reservations:
            if reservation.intent_id in shields and reservation.ccy == rules.base:
                # Of what a bot holds, which was taken off just now.
                held += reservation.amount
        order = ManualOrder(request, rules, quote, max(held, ZERO))
        what, words = manual_order(order, facts[1], facts[0])
        batch.ordered.append(Ordered(tenant, account, None, what))
        committed = await self._settler.settle(batch)
        if isinstance(what, Decision):
            await self._answer(request, "refused", f"{what.decided_by}: {words}")
        elif committed:
            await self._answer(request, "taken", None)
        elif not await self._crew.tools.roster.has_intent(request):
            await self._answer(request, "refused", "refused when it was to be committed")

    async def _answer(self, request: OrderRequestRow, state: Answer, reason: str | None) -> None:
        now = self._crew.tools.clock.now()
        await self._crew.tools.roster.answer(request, state, reason, now)


def _id(value: object) -> UUID | None:
    return UUID(value) if isinstance(value, str) else None
