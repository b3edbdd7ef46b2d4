"""From decisions to committed intents: one transaction a part, however many bots decided."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from candela.clock import Clock
from candela.money import plain
from candela.orders.records import Decision
from live.executor.accounts import AccountWork
from live.executor.batch import Batch, Leases, Ordered
from live.journal.journal import Journal
from live.metrics.figures import Figures
from live.store.port import Commit, LeaseLost, Placed, Store

__all__ = ["Settler"]

_PART: Final = 500
"""Intents of one transaction: more would hold locks for longer than others should wait."""
_Written: TypeAlias = tuple[Sequence[tuple[Ordered, Commit]], Sequence[Placed]]


class Settler:
    """Writes what a batch decided, and hands committed intents to the desks.

    Parameters
    ----------
    on_lost
        Called with a part whose lease turned out to be over: nothing of it was written.
    """

    def __init__(
        self,
        store: Store,
        leases: Leases,
        journal: Journal,
        figures: Figures,
        clock: Clock,
        on_lost: Callable[[int], None],
    ) -> None:
        self._store = store
        self._leases = leases
        self._journal = journal
        self._figures = figures
        self._clock = clock
        self._on_lost = on_lost

    async def settle(self, batch: Batch, closed_at: datetime | None = None) -> int:
        """Write a batch; return how many intents were committed.

        Parameters
        ----------
        closed_at
            End of the bar that was decided on, for the figure of the lag.
        """
        by_shard: dict[int, list[Ordered]] = defaultdict(list)
        for ordered in batch.ordered:
            by_shard[ordered.tenant.shard].append(ordered)
        written = await asyncio.gather(
            *(self._shard(shard, ordered) for shard, ordered in by_shard.items())
        )
        # Sent only now: an order on its way would hold up what is still to be written.
        committed = sum(self._take(part, placed) for parts in written for part, placed in parts)
        if closed_at is not None and committed:
            lag = (self._clock.now() - closed_at) / timedelta(seconds=1)
            self._figures.lag.add(max(lag, 0.0), committed)
        return committed

    async def _shard(self, shard: int, ordered: Sequence[Ordered]) -> list[_Written]:
        """Write what one part ordered; return its intents with what became of them."""
        lease = self._leases(shard)
        if lease is None:
            return []
        written: list[_Written] = []
        intents = [(one, one.what) for one in ordered if isinstance(one.what, Commit)]
        refused = [(one, one.what) for one in ordered if isinstance(one.what, Decision)]
        try:
            for start in range(0, len(intents), _PART):
                part = intents[start : start + _PART]
                placed = await self._store.commit(lease, [what for _, what in part])
                written.append((part, placed))
            if refused:
                await self._store.decide(lease, [what for _, what in refused])
        except LeaseLost:
            self._on_lost(shard)
            return written
        for one, decision in refused:
            self._refused(one, decision)
        return written

    def _take(self, part: Sequence[tuple[Ordered, Commit]], placed: Sequence[Placed]) -> int:
        """Hand what was committed to its desk, all of a desk at once, so that exits go first."""
        by_desk: dict[int, tuple[AccountWork, list[Commit], list[Placed]]] = {}
        committed = 0
        for (one, commit), result in zip(part, placed, strict=True):
            work = by_desk.setdefault(id(one.account), (one.account, [], []))
            work[1].append(commit)
            work[2].append(result)
            self._figures.count("candela_decisions_total", result.kind)
            if result.kind == "committed":
                committed += 1
                self._committed(one, commit)
            elif result.kind == "refused":
                self._turned_down(one, commit, result)
        for account, commits, results in by_desk.values():
            account.desk.take(commits, results)
        return committed

    def _committed(self, one: Ordered, commit: Commit) -> None:
        intent, runner = commit.intent, one.runner
        if intent.side.sign > 0:
            one.tenant.bought(intent.created_at)
            if runner is not None and intent.leg == "entry":
                runner.tally.entered(intent.created_at)
        self._journal.note(
            one.tenant.tenant_id,
            intent.bot_id,
            "intent",
            f"{intent.side} {plain(intent.quantity)} {intent.symbol} by {intent.kind}"
            f" ({intent.leg})",
            data={"intent": intent.intent_id, "leg": intent.leg, "bar": intent.bar_at},
        )

    def _turned_down(self, one: Ordered, commit: Commit, result: Placed) -> None:
        self._figures.count("candela_refusals_total", result.gate or "")
        intent = commit.intent
        words = f"{intent.leg} of {intent.symbol} refused by {result.gate}: {result.words}"
        self._journal.note(
            one.tenant.tenant_id, intent.bot_id, "refused", words, data={"gate": result.gate}
        )

    def _refused(self, one: Ordered, decision: Decision) -> None:
        self._figures.count("candela_decisions_total", "refused")
        self._figures.count("candela_refusals_total", decision.decided_by or "")
        words = next((one["words"] for one in decision.gates if not one["passed"]), "")
        self._journal.note(
            one.tenant.tenant_id,
            decision.bot_id,
            "refused",
            f"{decision.leg} of {decision.symbol} refused by {decision.decided_by}: {words}",
            data={"gate": decision.decided_by},
        )
