"""Turns: writers of the same candles wait for one another, however long the one before takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

__all__ = ["wait_for_turn"]


def wait_for_turn(
    cursor: psycopg.Cursor, locks: Sequence[LiteralString], values: Mapping[str, object]
) -> None:
    """Take advisory locks one after the other, to be held until the transaction ends.

    The session's lock_timeout is for tables that somebody alters. Another writer's month of
    seconds, or a chunk on its way into the columnstore, takes longer and is only to be waited for,
    up to the statement_timeout.
    """
    cursor.execute("SET LOCAL lock_timeout = 0")
    for lock in locks:
        cursor.execute(lock, values)
