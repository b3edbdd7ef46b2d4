"""The book of runs: what a backtest was, its figures, its trades and its report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast, get_args

from backtest.canonical import BadFigures
from backtest.ledger.records import Family, RunKind, RunLine, RunRecord
from backtest.ledger.refusals import (
    AmbiguousId,
    NoSuchReport,
    NoSuchRun,
    RunNotReproduced,
)
from backtest.ledger.stored import (
    as_figures,
    exact_json,
    figures_json,
    pack_html,
    pack_table,
    records_table,
    unpack_html,
    unpack_table,
)
from backtest.ledger.trials import TrialBook, family_id, insert_trials, trial_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

    from backtest.ledger.records import RunResult, Surface
    from candela.errors import NotFound

__all__ = ["RunBook", "whole_id"]

_NEW_RUN: Final = """
INSERT INTO research.runs (
    run_id, family_id, trial_key, kind, manifest, metrics, trades_digest, trades, surface,
    requested_by, created_at
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (run_id) DO NOTHING
"""
_NEW_REPORT: Final = """
INSERT INTO research.run_reports (run_id, report, created_at) VALUES (%s, %s, %s)
ON CONFLICT (run_id) DO NOTHING
"""
_LINE: Final = """
SELECT r.run_id, r.kind, f.strategy, f.instruments, f.timeframe, r.trial_key,
    r.manifest -> 'parameters', r.manifest -> 'protection', r.metrics,
    r.trades_digest, r.surface, r.requested_by,
    r.created_at,
    EXISTS (SELECT 1 FROM research.run_reports AS p WHERE p.run_id = r.run_id)
FROM research.runs AS r INNER JOIN research.families AS f USING (family_id)
"""
_LIST: Final = (
    _LINE
    + """
WHERE (%(strategy)s::text IS NULL OR f.strategy = %(strategy)s)
  AND (%(instrument)s::text IS NULL OR %(instrument)s = ANY(f.instruments))
  AND (%(timeframe)s::text IS NULL OR f.timeframe = %(timeframe)s)
  AND (%(kind)s::text IS NULL OR r.kind = %(kind)s)
  AND (%(surface)s::text IS NULL OR r.surface = %(surface)s)
  AND (%(since)s::timestamptz IS NULL OR r.created_at >= %(since)s)
ORDER BY r.created_at DESC, r.run_id
LIMIT %(limit)s
"""
)
_SHORTEST: Final = 4
_SHOWN: Final = 5
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]+")


class RunBook(TrialBook):
    """Runs by the id of their manifest; each is a trial of its family."""

    def record_run(
        self,
        result: RunResult,
        *,
        surface: Surface,
        report_html: str | None = None,
        requested_by: str | None = None,
    ) -> bool:
        """Record a run with its trial; return whether it was new.

        The same run again adds nothing but a report, where it had none.

        Raises
        ------
        RunNotReproduced
            The run was recorded before, and its trades were others.
        BadFigures
            Manifest, figures or trades cannot be recorded.
        """
        manifest = result.manifest
        run_id = str(manifest["id"])
        kind = _kind(manifest)
        trial = trial_of(manifest, result.metrics)
        trades = pack_table(records_table(result.trades))
        now = self.clock.now()
        with self._transaction() as connection:
            family = family_id(connection, Family.of(manifest), now)
            insert_trials(connection, family, [trial], surface=surface, now=now)
            done = connection.execute(
                _NEW_RUN,
                (
                    *(run_id, family, trial.key, kind, exact_json(manifest)),
                    *(figures_json(result.metrics), result.trades_digest, trades),
                    *(surface, requested_by, now),
                ),
            )
            if not done.rowcount:
                _check_reproduced(connection, run_id, result.trades_digest)
            if report_html is not None:
                connection.execute(_NEW_REPORT, (run_id, pack_html(report_html), now))
        return bool(done.rowcount)

    def run(self, run_id: str) -> RunRecord:
        """Return a run by its id, or by the beginning of one that no other run shares.

        Raises
        ------
        NoSuchRun
            No run has such an id.
        AmbiguousId
            Several have.
        """
        with self._transaction() as connection:
            found = _whole_run_id(connection, run_id)
            row = connection.execute(
                "SELECT r.manifest, r.trades FROM research.runs AS r WHERE r.run_id = %s", (found,)
            ).fetchone()
            line = connection.execute(_LINE + " WHERE r.run_id = %s", (found,)).fetchone()
        manifest, trades = cast("tuple[dict[str, Any], bytes]", row)
        return RunRecord(_line(cast("tuple[Any, ...]", line)), manifest, unpack_table(trades))

    def runs(
        self,
        *,
        strategy: str | None = None,
        instrument: str | None = None,
        timeframe: str | None = None,
        kind: RunKind | None = None,
        surface: Surface | None = None,
        since: datetime | None = None,
        limit: int = 50,
    ) -> list[RunLine]:
        """Return the runs that are as asked for, newest first."""
        wanted = {
            "strategy": strategy,
            "instrument": instrument,
            "timeframe": timeframe,
            "kind": kind,
            "surface": surface,
            "since": since,
            "limit": limit,
        }
        with self._transaction() as connection:
            rows = connection.execute(_LIST, wanted).fetchall()
        return [_line(row) for row in rows]

    def report(self, run_id: str) -> str:
        """Return the HTML report of a run.

        Raises
        ------
        NoSuchReport
            It was recorded without one.
        NoSuchRun, AmbiguousId
            As `run`.
        """
        with self._transaction() as connection:
            found = _whole_run_id(connection, run_id)
            row = connection.execute(
                "SELECT p.report FROM research.run_reports AS p WHERE p.run_id = %s", (found,)
            ).fetchone()
        if row is None:
            message = f"Run {found[:12]} has no report."
            raise NoSuchReport(message, "Run it again with a report: it stays the same run.")
        return unpack_html(cast("bytes", row[0]))


def whole_id(
    connection: psycopg.Connection,
    query: LiteralString,
    given: str,
    what: str,
    unknown: type[NotFound],
) -> str:
    """Return the one id that begins with what was given.

    Parameters
    ----------
    query
        Gives ids from a parameter for LIKE and a limit.

    Raises
    ------
    NotFound
        As ``unknown``: none begins so, or it is no beginning of an id.
    AmbiguousId
        Several do.
    """
    start = given.strip().lower().removeprefix("sha256:")
    if _HEXADECIMAL.fullmatch(start) is None or len(start) < _SHORTEST:
        message = f"{given!r} is not the id of a {what}."
        raise unknown(message, f"Ids are hexadecimal; their first {_SHORTEST} letters or more do.")
    rows = connection.execute(query, (f"{start}%", _SHOWN + 1)).fetchall()
    ids = [cast("str", row[0]) for row in rows]
    if not ids:
        message = f"No {what} has an id that begins with {start}."
        raise unknown(message, f"List the {what}s to see their ids.")
    if len(ids) > 1 and start not in ids:
        shown = ", ".join(one[: len(start) + 4] for one in ids[:_SHOWN])
        more = " and more" if len(ids) > _SHOWN else ""
        message = f"Several {what}s have ids that begin with {start}: {shown}{more}."
        raise AmbiguousId(message, "Give more letters.")
    return start if start in ids else ids[0]


def _kind(manifest: Mapping[str, Any]) -> str:
    kind = str(manifest.get("kind", "backtest"))
    if kind not in get_args(RunKind) or not manifest["instruments"]:
        message = f"A {kind} on {manifest['instruments']} cannot be recorded."
        known = ", ".join(get_args(RunKind))
        raise BadFigures(message, f"Record one of {known}, on instruments that have names.")
    return kind


def _whole_run_id(connection: psycopg.Connection, given: str) -> str:
    query = "SELECT r.run_id FROM research.runs AS r WHERE r.run_id LIKE %s ORDER BY 1 LIMIT %s"
    return whole_id(connection, query, given, "run", NoSuchRun)


def _check_reproduced(connection: psycopg.Connection, run_id: str, trades_digest: str) -> None:
    row = connection.execute(
        "SELECT r.trades_digest FROM research.runs AS r WHERE r.run_id = %s", (run_id,)
    ).fetchone()
    before = cast("str", cast("tuple[object]", row)[0])
    if before != trades_digest:
        message = f"Run {run_id[:12]} gave trades {before} before, and {trades_digest} now."
        raise RunNotReproduced(
            message,
            "The strategy is not a pure function of candles and parameters: check it, and give"
            " whatever it draws at random a seed.",
        )


def _line(row: tuple[Any, ...]) -> RunLine:
    run_id, kind, strategy, instruments, timeframe, key, parameters, protection, *rest = row
    metrics, *rest = rest
    return RunLine(
        run_id,
        kind,
        Family(strategy, tuple(instruments), timeframe),
        key,
        cast("Mapping[str, Any]", parameters or {}),
        cast("Mapping[str, Any]", protection or {}),
        as_figures(metrics),
        *rest,
    )
