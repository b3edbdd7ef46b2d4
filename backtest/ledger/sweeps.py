"""The book of sweeps: chunks of points, each stored with its trials or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import polars as pl

from backtest.canonical import BadFigures
from backtest.ledger.records import Family, Sweep
from backtest.ledger.refusals import NoSuchSweep, SweepDiffers
from backtest.ledger.runs import whole_id
from backtest.ledger.stored import exact_json, pack_table, unpack_table
from backtest.ledger.trials import TrialBook, family_id, insert_trials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from backtest.ledger.records import Surface, Trial

__all__ = ["SweepBook"]

_NEW_SWEEP: Final = """
INSERT INTO research.sweeps (
    sweep_id, family_id, spec, total, surface, requested_by, opened_at
) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (sweep_id) DO NOTHING
"""
_SWEEPS: Final = """
SELECT s.sweep_id, f.strategy, f.instruments, f.timeframe, s.spec, s.total,
    (SELECT coalesce(sum(c.points), 0) FROM research.sweep_chunks AS c
     WHERE c.sweep_id = s.sweep_id),
    s.surface, s.requested_by, s.opened_at, s.finished_at
FROM research.sweeps AS s INNER JOIN research.families AS f USING (family_id)
"""
_NEW_CHUNK: Final = """
INSERT INTO research.sweep_chunks (sweep_id, chunk, first_point, points, figures, recorded_at)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (sweep_id, chunk) DO NOTHING
"""
_END: Final = """
UPDATE research.sweeps SET state = 'done', finished_at = %(now)s
WHERE sweep_id = %(sweep)s AND state = 'open' AND total <= (
    SELECT sum(c.points) FROM research.sweep_chunks AS c WHERE c.sweep_id = %(sweep)s
)
"""
# Chunks of one sweep are recorded one at a time: two that end it at one moment would each miss
# the other's points, and the sweep would never be said to be done.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('research.sweep ' || %s, 0))"


class SweepBook(TrialBook):
    """Sweeps by the digest of their spec: the same spec is the same sweep, and goes on."""

    def open_sweep(
        self,
        sweep_id: str,
        spec: Mapping[str, Any],
        total: int,
        family: Family,
        *,
        surface: Surface,
        requested_by: str | None = None,
    ) -> Sweep:
        """Begin a sweep, or find it as far as it is.

        Parameters
        ----------
        sweep_id
            Digest of the spec, in hexadecimal.
        total
            Its points.

        Raises
        ------
        SweepDiffers
            It was begun with another number of points or for another family.
        """
        now = self.clock.now()
        with self._transaction() as connection:
            number = family_id(connection, family, now)
            connection.execute(
                _NEW_SWEEP, (sweep_id, number, exact_json(spec), total, surface, requested_by, now)
            )
            sweep = _sweep(connection, sweep_id)
        if (sweep.total, sweep.family) != (
            total,
            Family(family.strategy, tuple(sorted(family.instruments)), family.timeframe),
        ):
            message = (
                f"Sweep {sweep_id[:12]} was begun with {sweep.total} points of {sweep.family},"
                f" not {total} of {family}."
            )
            raise SweepDiffers(message, "A sweep's id must be the digest of its whole spec.")
        return sweep

    def sweep(self, sweep_id: str) -> Sweep:
        """Return a sweep by its id, or by the beginning of one that no other shares.

        Raises
        ------
        NoSuchSweep
            No sweep has such an id.
        AmbiguousId
            Several have.
        """
        with self._transaction() as connection:
            return _sweep(connection, _whole_sweep_id(connection, sweep_id))

    def sweeps(self, *, strategy: str | None = None, limit: int = 50) -> list[Sweep]:
        """Return the sweeps, newest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                _SWEEPS
                + " WHERE %(strategy)s::text IS NULL OR f.strategy = %(strategy)s"
                + " ORDER BY s.opened_at DESC, s.sweep_id LIMIT %(limit)s",
                {"strategy": strategy, "limit": limit},
            ).fetchall()
        return [_as_sweep(row) for row in rows]

    def done_chunks(self, sweep_id: str) -> set[int]:
        """Return the numbers of the chunks that are stored whole."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT c.chunk FROM research.sweep_chunks AS c WHERE c.sweep_id = %s", (sweep_id,)
            ).fetchall()
        return {cast("int", row[0]) for row in rows}

    def record_chunk(
        self,
        sweep_id: str,
        chunk: int,
        first: int,
        figures: pl.DataFrame,
        trials: Sequence[Trial],
    ) -> bool:
        """Store a chunk with its trials in one transaction; return whether it was not there.

        Parameters
        ----------
        first
            Number of its first point within the sweep.
        figures
            A row for each point, in order.
        trials
            One for each point; the same combination may come twice.

        Raises
        ------
        NoSuchSweep
            The sweep was not opened.
        SweepDiffers
            The chunk is there with other points.
        BadFigures
            Figures and trials are not one for each point.
        """
        if figures.height != len(trials) or not trials:
            message = f"Chunk {chunk} has {figures.height} rows of figures, {len(trials)} trials."
            raise BadFigures(message, "Give a row and a trial for each point, and at least one.")
        now = self.clock.now()
        packed = pack_table(figures)
        with self._transaction() as connection:
            connection.execute(_LOCK, (sweep_id,))
            row = connection.execute(
                "SELECT s.family_id, s.surface FROM research.sweeps AS s WHERE s.sweep_id = %s",
                (sweep_id,),
            ).fetchone()
            if row is None:
                _refuse(sweep_id)
            family, surface = cast("tuple[int, Surface]", row)
            done = connection.execute(
                _NEW_CHUNK, (sweep_id, chunk, first, len(trials), packed, now)
            )
            if not done.rowcount:
                _check_span(connection, sweep_id, chunk, (first, len(trials)))
                return False
            insert_trials(connection, family, trials, surface=surface, now=now, sweep_id=sweep_id)
            connection.execute(_END, {"sweep": sweep_id, "now": now})
        return True

    def sweep_figures(self, sweep_id: str) -> pl.DataFrame:
        """Return the figures of all stored points, in their order; empty where there is none.

        Raises
        ------
        NoSuchSweep, AmbiguousId
            As `sweep`.
        """
        with self._transaction() as connection:
            found = _whole_sweep_id(connection, sweep_id)
            rows = connection.execute(
                "SELECT c.figures FROM research.sweep_chunks AS c WHERE c.sweep_id = %s"
                " ORDER BY c.first_point",
                (found,),
            ).fetchall()
        if not rows:
            return pl.DataFrame()
        return pl.concat([unpack_table(cast("bytes", row[0])) for row in rows], how="vertical")


def _refuse(sweep_id: str) -> NoReturn:
    raise NoSuchSweep(f"No sweep {sweep_id[:12]} was opened.", "Open it before its first chunk.")


def _sweep(connection: psycopg.Connection, sweep_id: str) -> Sweep:
    row = connection.execute(_SWEEPS + " WHERE s.sweep_id = %s", (sweep_id,)).fetchone()
    if row is None:
        _refuse(sweep_id)
    return _as_sweep(row)


def _as_sweep(row: tuple[Any, ...]) -> Sweep:
    sweep_id, strategy, instruments, timeframe, *rest = row
    return Sweep(sweep_id, Family(strategy, tuple(instruments), timeframe), *rest)


def _whole_sweep_id(connection: psycopg.Connection, given: str) -> str:
    query = (
        "SELECT s.sweep_id FROM research.sweeps AS s WHERE s.sweep_id LIKE %s ORDER BY 1 LIMIT %s"
    )
    return whole_id(connection, query, given, "sweep", NoSuchSweep)


def _check_span(
    connection: psycopg.Connection, sweep_id: str, chunk: int, span: tuple[int, int]
) -> None:
    row = connection.execute(
        "SELECT c.first_point, c.points FROM research.sweep_chunks AS c"
        " WHERE c.sweep_id = %s AND c.chunk = %s",
        (sweep_id, chunk),
    ).fetchone()
    if row is not None and tuple(row) != span:
        message = (
            f"Chunk {chunk} of sweep {sweep_id[:12]} is stored with {row[1]} points from"
            f" {row[0]} on, not {span[1]} from {span[0]} on."
        )
        raise SweepDiffers(message, "Cut a sweep into the same chunks when it goes on.")
