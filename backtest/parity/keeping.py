"""Proofs of every bot, kept in the books; one that cannot be made stops none of the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from backtest.parity.proof import Proof, prove
from backtest.parity.reading import BotTime, bot_times
from backtest.parity.replay import NothingToReplay
from candela.db.connect import Role
from candela.errors import CandelaError
from candela.ids import new_id

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["Attempt", "prove_all"]

_KEEP: Final = """
INSERT INTO trading.parity (
    tenant_id, parity_id, bot_id, since_at, until_at, is_explained, gap, report, created_at
) VALUES (
    %(tenant)s, %(id)s, %(bot)s, %(since)s, %(until)s, %(explained)s, %(gap)s, %(report)s, %(now)s
)
"""
# A version that ended so long ago has been proved with all its late fills in.
_SETTLED: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one bot: a proof, nothing to compare yet, or what went wrong."""

    bot: BotTime
    proof: Proof | None = None
    skipped: str | None = None
    error: CandelaError | None = None


def prove_all(
    database: Database,
    clock: Clock,
    *,
    bot: str | None = None,
    tenant_id: UUID | None = None,
    keep: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> list[Attempt]:
    """Prove every version of every bot that ran lately, and keep what comes out.

    Parameters
    ----------
    bot, tenant_id
        That one only, also where it ended long ago.
    progress
        Told how many are done of how many.
    """
    now = clock.now()
    with database.connect(Role.PIPELINES) as connection:
        times = bot_times(connection, bot=bot, tenant_id=tenant_id)
    if bot is None:
        times = [
            one
            for one in times
            if one.spans[-1].stopped_at is None or one.spans[-1].stopped_at > now - _SETTLED
        ]
    attempts: list[Attempt] = []
    for number, one in enumerate(times, 1):
        attempts.append(_attempt(database, one))
        proof = attempts[-1].proof
        if proof is not None and keep:
            _keep(database, clock, proof)
        if progress is not None:
            progress(number, len(times))
    return attempts


def _attempt(database: Database, bot: BotTime) -> Attempt:
    try:
        return Attempt(bot, proof=prove(database, bot))
    except NothingToReplay as nothing:
        return Attempt(bot, skipped=nothing.message)
    except CandelaError as error:
        return Attempt(bot, error=error)


def _keep(database: Database, clock: Clock, proof: Proof) -> None:
    now = clock.now()
    with database.connect(Role.PIPELINES) as connection:
        connection.execute(
            _KEEP,
            {
                "tenant": proof.bot.tenant_id,
                "id": new_id(now),
                "bot": proof.bot.bot_id,
                "since": proof.since,
                "until": proof.until,
                "explained": proof.parity.is_explained,
                "gap": proof.parity.gap,
                "report": json.dumps(proof.as_dict()),
                "now": now,
            },
        )
