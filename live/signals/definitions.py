"""The registry of definitions: what is evaluated, which of them somebody wants, what broke."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from candela.bots.definition import LONGEST_WARM_UP
from candela.errors import StrategyError
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from candela.bots.definition import Definition

__all__ = [
    "SIGNAL_SHARDS",
    "Registered",
    "SeriesKey",
    "WarmUpTooLong",
    "mark_broken",
    "mend",
    "register",
    "registered",
    "shard_of_definition",
    "wanted_definitions",
]

SIGNAL_SHARDS: Final = 8
"""Parts into which definitions are divided, by their id."""

SeriesKey = tuple[Instrument, Timeframe]

_REGISTER: Final = """
INSERT INTO live.definitions
    (definition_id, strategy, source_digest, parameters, instrument, timeframe, kind, warm_up,
     reads, source)
VALUES (%s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s)
ON CONFLICT (definition_id) DO NOTHING
"""
_LOAD: Final = """
SELECT d.definition_id, d.strategy, d.source_digest, d.parameters, d.instrument, d.timeframe,
    d.warm_up, d.reads, d.source
FROM live.definitions AS d
WHERE d.definition_id = ANY(%s) AND d.broken_since IS NULL
"""
_WANTED: Final = """
SELECT DISTINCT v.definition_id
FROM trading.bots AS b
INNER JOIN trading.bot_versions AS v
    ON v.tenant_id = b.tenant_id AND v.bot_id = b.bot_id AND v.version = b.version
WHERE b.wanted = 'running' AND b.removed_at IS NULL
"""


class WarmUpTooLong(StrategyError):
    """A definition needs more bars before its newest than are kept at hand."""

    code = "warm_up_too_long"


@dataclass(frozen=True, slots=True)
class Registered:
    """A definition as the database holds it; broken ones are not loaded."""

    definition_id: str
    strategy: str
    source_digest: str
    parameters: Mapping[str, Any]
    instrument: Instrument
    timeframe: Timeframe
    warm_up: int
    reads: tuple[str, ...]
    source: str | None

    @property
    def series(self) -> SeriesKey:
        """The series whose bars it decides on."""
        return self.instrument, self.timeframe

    @property
    def needs(self) -> tuple[SeriesKey, ...]:
        """All series that it reads, its own first."""
        further = (Instrument.parse(name) for name in self.reads)
        return (self.series, *((one, self.timeframe) for one in further))


def shard_of_definition(definition_id: str) -> int:
    """Return the part of a definition, for leases of kind signals."""
    return int(definition_id[:8], 16) % SIGNAL_SHARDS


async def register(connection: psycopg.AsyncConnection, definition: Definition) -> str:
    """Write a definition where it is new; return its id.

    Raises
    ------
    WarmUpTooLong
        It needs more bars than live evaluation keeps, or all bars since the first.
    """
    if definition.warm_up > LONGEST_WARM_UP:
        message = f"{definition.strategy} needs {definition.warm_up:,} bars before its newest one."
        hint = (
            f"Live, at most {LONGEST_WARM_UP:,} are kept: what needs all bars since the first would"
        )
        raise WarmUpTooLong(message, f"{hint} depend on where they happen to begin.")
    await connection.execute(
        _REGISTER,
        (
            definition.definition_id,
            definition.strategy,
            definition.source_digest,
            json.dumps(dict(definition.parameters)),
            str(definition.instrument),
            str(definition.timeframe),
            definition.kind,
            definition.warm_up,
            list(definition.reads),
            definition.source,
        ),
    )
    return definition.definition_id


async def registered(
    connection: psycopg.AsyncConnection, ids: Collection[str]
) -> dict[str, Registered]:
    """Return definitions by id, without those that are broken."""
    rows = await (await connection.execute(_LOAD, (list(ids),))).fetchall()
    found: dict[str, Registered] = {}
    for (
        definition_id,
        name,
        digest,
        parameters,
        instrument,
        timeframe,
        warm_up,
        reads,
        text,
    ) in rows:
        found[definition_id] = Registered(
            definition_id,
            name,
            digest,
            parameters,
            Instrument.parse(instrument),
            Timeframe.parse(timeframe),
            warm_up,
            tuple(reads),
            text,
        )
    return found


async def wanted_definitions(connection: psycopg.AsyncConnection) -> frozenset[str]:
    """Return the ids of definitions that running bots follow, of all tenants.

    Parameters
    ----------
    connection
        As candela_pipelines, which alone sees the bots of all tenants at once.
    """
    rows = await (await connection.execute(_WANTED)).fetchall()
    return frozenset(row[0] for row in rows)


async def mark_broken(
    cursor: psycopg.AsyncCursor, reasons: Mapping[str, str], now: datetime
) -> None:
    """Note that definitions failed: they are not evaluated again, and their bots stop."""
    await cursor.execute(
        "UPDATE live.definitions AS d SET broken_since = %s, broken_reason = b.reason"
        " FROM unnest(%s::text[], %s::text[]) AS b (definition_id, reason)"
        " WHERE d.definition_id = b.definition_id AND d.broken_since IS NULL",
        (now, list(reasons), [reason[:2_000] for reason in reasons.values()]),
    )


async def mend(connection: psycopg.AsyncConnection, definition_id: str) -> None:
    """Let a broken definition be tried again, after its cause was taken away."""
    await connection.execute(
        "UPDATE live.definitions SET broken_since = NULL, broken_reason = NULL"
        " WHERE definition_id = %s",
        (definition_id,),
    )
