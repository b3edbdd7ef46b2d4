"""The book of trials: each combination of a family once, whatever tried it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl

from backtest.canonical import BadFigures, canonical
from backtest.ledger.door import Door
from backtest.ledger.identity import trial_base, trial_key
from backtest.ledger.records import Family, Trial
from backtest.ledger.stored import finite_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import psycopg

    from backtest.ledger.records import Surface

__all__ = ["TrialBook", "family_id", "insert_trials", "per_bar", "trial_of"]

_FAMILY: Final = """
SELECT f.family_id FROM research.families AS f
WHERE f.strategy = %s AND f.instruments = %s AND f.timeframe = %s
"""
_NEW_FAMILY: Final = """
INSERT INTO research.families (strategy, instruments, timeframe, first_seen_at)
VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
# In order of the key: two sweeps that share points then wait for each other and never in a circle.
_NEW_TRIALS: Final = """
INSERT INTO research.trials (
    family_id, trial_key, sweep_id, parameters, bars, sharpe, total_return, max_drawdown,
    skewness, kurtosis, round_trips, surface, first_seen_at
)
SELECT %(family)s, t.trial_key, %(sweep)s, t.parameters::jsonb, t.bars, t.sharpe, t.total_return,
    t.max_drawdown, t.skewness, t.kurtosis, t.round_trips, %(surface)s, %(now)s
FROM unnest(
    %(key)s::text[], string_to_array(%(parameters)s, chr(10)), %(bars)s::integer[],
    %(sharpe)s::float8[],
    %(total_return)s::float8[], %(max_drawdown)s::float8[], %(skewness)s::float8[],
    %(kurtosis)s::float8[], %(round_trips)s::integer[]
) AS t (
    trial_key, parameters, bars, sharpe, total_return, max_drawdown, skewness, kurtosis,
    round_trips
)
ORDER BY t.trial_key COLLATE "C"
ON CONFLICT (family_id, trial_key) DO NOTHING
"""
_COUNT: Final = """
SELECT count(*) FROM research.trials AS t INNER JOIN research.families AS f USING (family_id)
WHERE f.strategy = %s AND f.instruments = %s AND f.timeframe = %s
"""
_TRIALS: Final = """
SELECT t.trial_key, t.sweep_id,
    (SELECT r.run_id FROM research.runs AS r
     WHERE r.family_id = t.family_id AND r.trial_key = t.trial_key
     ORDER BY r.created_at, r.run_id LIMIT 1),
    t.parameters, t.bars, t.sharpe, t.total_return, t.max_drawdown, t.skewness, t.kurtosis,
    t.round_trips, t.surface, t.first_seen_at
FROM research.trials AS t INNER JOIN research.families AS f USING (family_id)
WHERE f.strategy = %s AND f.instruments = %s AND f.timeframe = %s
ORDER BY t.first_seen_at, t.trial_key
"""
_FAMILIES: Final = """
SELECT f.strategy, f.instruments, f.timeframe, count(t.trial_key)
FROM research.families AS f LEFT JOIN research.trials AS t USING (family_id)
GROUP BY f.family_id ORDER BY f.strategy, f.timeframe, f.instruments
"""
_COLUMNS: Final[dict[str, Any]] = {
    "trial_key": pl.String(),
    "sweep_id": pl.String(),
    "run_id": pl.String(),
    "bars": pl.Int64(),
    "sharpe": pl.Float64(),
    "total_return": pl.Float64(),
    "max_drawdown": pl.Float64(),
    "skewness": pl.Float64(),
    "kurtosis": pl.Float64(),
    "round_trips": pl.Int64(),
    "surface": pl.String(),
    "first_seen_at": pl.Datetime("us", "UTC"),
}
_PARAMETERS_AT: Final = 3


class TrialBook(Door):
    """What was tried, by family."""

    def families(self) -> list[tuple[Family, int]]:
        """Return the families in order of name, each with its number of trials."""
        with self._transaction() as connection:
            rows = connection.execute(_FAMILIES).fetchall()
        return [
            (Family(strategy, tuple(instruments), timeframe), count)
            for strategy, instruments, timeframe, count in rows
        ]

    def trial_count(self, family: Family) -> int:
        """Return how many different combinations of a family were ever tried, 0 for a new one."""
        with self._transaction() as connection:
            row = connection.execute(_COUNT, _values(family)).fetchone()
        return 0 if row is None else cast("int", row[0])

    def trials(self, family: Family) -> pl.DataFrame:
        """Return the trials of a family, oldest first; none for a family that is not known.

        Columns: trial_key, sweep_id (the sweep that tried it first), run_id (its first recorded
        run), parameters (a struct), bars, sharpe (per bar), total_return, max_drawdown, skewness,
        kurtosis, round_trips, surface, first_seen_at. What is undefined is null.
        """
        with self._transaction() as connection:
            rows = connection.execute(_TRIALS, _values(family)).fetchall()
        known = [(*row[:_PARAMETERS_AT], *row[_PARAMETERS_AT + 1 :]) for row in rows]
        frame = pl.DataFrame(known, schema=_COLUMNS, orient="row")
        parameters = pl.Series(
            "parameters",
            [row[_PARAMETERS_AT] for row in rows],
            dtype=None if rows else pl.Struct({}),
            strict=False,
        )
        return frame.insert_column(_PARAMETERS_AT, parameters)


def family_id(connection: psycopg.Connection, family: Family, now: datetime) -> int:
    """Return the number of a family, which is made known where it is not."""
    values = _values(family)
    row = connection.execute(_FAMILY, values).fetchone()
    if row is None:
        connection.execute(_NEW_FAMILY, (*values, now))
        row = connection.execute(_FAMILY, values).fetchone()
    return cast("int", cast("tuple[object]", row)[0])


def insert_trials(
    connection: psycopg.Connection,
    family: int,
    trials: Sequence[Trial],
    *,
    surface: Surface,
    now: datetime,
    sweep_id: str | None = None,
) -> int:
    """Add those of the trials that the family has not; return how many these were."""
    done = connection.execute(
        _NEW_TRIALS,
        {
            "family": family,
            "sweep": sweep_id,
            "surface": surface,
            "now": now,
            "key": [one.key for one in trials],
            # One text: in an array each would be searched for quotes. This JSON has no newline.
            "parameters": "\n".join(canonical(one.parameters) for one in trials),
            "bars": [one.bars for one in trials],
            "round_trips": [one.round_trips for one in trials],
            **{
                name: [finite_or_none(getattr(one, name)) for one in trials]
                for name in ("sharpe", "total_return", "max_drawdown", "skewness", "kurtosis")
            },
        },
    )
    return done.rowcount


def per_bar(sharpe: float, bars_per_year: float) -> float:
    """Return a Sharpe ratio per bar from the annualised one."""
    return sharpe / math.sqrt(bars_per_year) if bars_per_year > 0 else math.nan


def trial_of(manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> Trial:
    """Return the trial that a run is.

    Raises
    ------
    BadFigures
        A figure that every trial has is not there.
    """
    missing = [
        name for name in ("bars", "bars_per_year", "sharpe", "total_return") if name not in metrics
    ]
    if missing:
        message = f"The run has no figure {', '.join(missing)}."
        raise BadFigures(message, "Record a run with all figures, NaN where one is undefined.")
    parameters = cast("Mapping[str, Any]", manifest.get("parameters", {}))
    protection = cast("Mapping[str, Any]", manifest.get("protection", {}))
    given = {name: value for name, value in protection.items() if value is not None}
    return Trial(
        key=trial_key(trial_base(manifest), parameters),
        parameters={**given, **parameters},
        bars=int(metrics["bars"]),
        sharpe=per_bar(_number(metrics["sharpe"]), _number(metrics["bars_per_year"])),
        total_return=_number(metrics["total_return"]),
        max_drawdown=_number(metrics.get("max_drawdown")),
        skewness=_number(metrics.get("skewness")),
        kurtosis=_number(metrics.get("kurtosis")),
        round_trips=None if metrics.get("trades") is None else int(metrics["trades"]),
    )


def _number(value: object) -> float:
    return math.nan if value is None else float(cast("float", value))


def _values(family: Family) -> tuple[str, list[str], str]:
    return family.strategy, sorted(_texts(family.instruments)), family.timeframe


def _texts(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values]
