"""Writers, readers and recorders that meet: each waits for its turn, and nobody is wrong after."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from candela.candles.gaps import GapChange, list_gaps, record_gaps
from candela.candles.read import Candles, read_candles
from candela.candles.rollups import refresh_rollups
from candela.candles.series import Series
from candela.candles.store import CandleStore, Written
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.market.instrument import Instrument
from tests.fixtures.candles import BTC, HOUR, MINUTE, START, batch, made_up, without

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import psycopg

NOW = datetime(2024, 6, 1, tzinfo=UTC)
WAIT_S = 30.0
Result = TypeVar("Result")
_WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@contextmanager
def meanwhile(call: Callable[[], Result]) -> Generator[Future[Result]]:
    """Do a call in a thread of its own, which the block waits for at its end."""
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(call)


@contextmanager
def pipelines(database: Database) -> Generator[psycopg.Connection]:
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        yield connection


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection]:
    with pipelines(database) as connection:
        yield connection


def wait_until_waiting(database: Database, worker: Future[Any], number: int = 1) -> None:
    """Wait until so many sessions wait for a lock, or the worker is done without one."""
    deadline = time.monotonic() + WAIT_S
    with database.connect(autocommit=True) as connection:
        while not worker.done():
            row = connection.execute(_WAITING).fetchone()
            if row is not None and row[0] >= number:
                return
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)


def minutes(number: int) -> datetime:
    return START + timedelta(minutes=number)


def test_read_as_of_when_a_writer_is_at_it_then_waits_for_what_it_brings(
    writer: psycopg.Connection, database: Database
) -> None:
    frame = made_up(20)
    CandleStore(writer, FixedClock(NOW)).write(batch(frame[:10]))
    instant = NOW + timedelta(hours=2)
    late = CandleStore(writer, FixedClock(NOW + timedelta(hours=1)))
    with ThreadPoolExecutor(1) as threads:
        readers: list[Future[Candles]] = []

        def read_meanwhile(_cursor: psycopg.Cursor) -> None:
            readers.append(
                threads.submit(lambda: read_candles(database, BTC, MINUTE, as_of=instant))
            )
            wait_until_waiting(database, readers[0])

        late.write(batch(frame[10:]), also=read_meanwhile)
        seen = readers[0].result()
    assert seen.frame.equals(frame)
    assert read_candles(database, BTC, MINUTE, as_of=instant).digest == seen.digest


def test_read_as_of_the_past_when_a_writer_is_at_it_then_waits_for_nobody(
    writer: psycopg.Connection, database: Database
) -> None:
    frame = made_up(30)
    store = CandleStore(writer, FixedClock(NOW))
    store.write(batch(frame[:10]))
    store.write(batch(frame[10:20]))
    heights: list[int] = []
    store.write(
        batch(frame[20:]),
        also=lambda _: heights.append(read_candles(database, BTC, MINUTE, as_of=NOW).frame.height),
    )
    assert heights == [10]


def test_read_as_of_when_another_timeframe_came_later_then_answers_as_before(
    writer: psycopg.Connection, database: Database
) -> None:
    clock = FixedClock(NOW)
    store = CandleStore(writer, clock)
    store.write(batch(made_up(600)))
    before = read_candles(database, BTC, HOUR)
    clock.at = NOW - timedelta(days=1)  # set back: later is what the store says, not the clock
    store.write(batch(made_up(24, timeframe=HOUR, seed=3), timeframe=HOUR))
    assert read_candles(database, BTC, HOUR).source_timeframe == HOUR
    again = read_candles(database, BTC, HOUR, as_of=before.as_of)
    assert (again.digest, again.source_timeframe) == (before.digest, MINUTE)
    assert again.frame.height == 10


def test_write_when_series_is_new_then_waits_for_other_writers_of_the_instrument(
    writer: psycopg.Connection, database: Database
) -> None:
    """Else a read in between would repeat with the new series, whose batch is said to be older."""
    clock = FixedClock(NOW)
    store = CandleStore(writer, clock)
    store.write(batch(made_up(60)))
    clock.at = NOW + timedelta(hours=1)

    def write_hours() -> Written:
        with pipelines(database) as connection:
            other = CandleStore(connection, FixedClock(NOW - timedelta(days=1)))
            return other.write(batch(made_up(5, timeframe=HOUR), timeframe=HOUR))

    with ThreadPoolExecutor(1) as threads:
        second: list[Future[Written]] = []

        def write_meanwhile(_cursor: psycopg.Cursor) -> None:
            second.append(threads.submit(write_hours))
            wait_until_waiting(database, second[0])

        store.write(batch(made_up(60, start=minutes(60))), also=write_meanwhile)
        second[0].result()
    known = writer.execute(
        "SELECT timeframe_s FROM market.batches ORDER BY known_at, batch_id"
    ).fetchall()
    assert known == [(60,), (60,), (3600,)]


def test_write_when_another_writer_takes_longer_than_the_lock_timeout_then_waits(
    writer: psycopg.Connection, database: Database
) -> None:
    writer.execute("SET lock_timeout = '100ms'")
    store = CandleStore(writer, FixedClock(NOW))
    instrument_id = store.ensure_instrument(BTC)
    with (
        database.connect() as blocker,
        meanwhile(lambda: store.write(batch(made_up(10)))) as waiting,
    ):
        blocker.execute("SELECT pg_advisory_xact_lock(%s, 60)", (instrument_id,))
        wait_until_waiting(database, waiting)
        time.sleep(0.2)
        blocker.rollback()
        assert waiting.result().new == 10
    assert writer.execute("SHOW lock_timeout").fetchone() == ("100ms",)


def test_write_when_the_server_ends_it_for_a_deadlock_then_begins_anew(
    writer: psycopg.Connection, database: Database
) -> None:
    """As TimescaleDB does while it moves a chunk to its columnstore."""
    store = CandleStore(writer, FixedClock(NOW))
    store.write(batch(made_up(100)))
    done: list[None] = []
    with closing(database.connect()) as blocker:
        # The writer looks for the deadlock first, and is the one that is ended.
        blocker.execute("SET deadlock_timeout = '20s'")
        blocker.execute("SET lock_timeout = 0")
        blocker.execute("LOCK TABLE market.candles IN EXCLUSIVE MODE")
        revised = batch(made_up(100, seed=2))
        with meanwhile(lambda: store.write(revised, also=lambda _: done.append(None))) as waiting:
            wait_until_waiting(database, waiting)
            blocker.execute("LOCK TABLE market.batches IN ACCESS EXCLUSIVE MODE")
            blocker.rollback()
            assert waiting.result().changed == 100
    assert len(done) == 1
    assert read_candles(database, BTC, MINUTE).frame.equals(revised.frame)
    counts = writer.execute(
        "SELECT (SELECT count(*) FROM market.candle_revisions),"
        " (SELECT count(*) FROM market.batches), (SELECT count(*) FROM market.rollup_ranges)"
    ).fetchone()
    assert counts == (100, 2, 2)


def test_record_when_a_slower_look_ends_later_then_no_filled_gap_comes_back(
    writer: psycopg.Connection, database: Database
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    frame = made_up(600)
    store.write(batch(without(frame, [*range(100, 200), 300]), span=(START, minutes(600))))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    record_gaps(writer, series, START, minutes(600), now=NOW)
    writer.execute("DELETE FROM market.gaps WHERE from_at = %s", (minutes(100),))

    def record(since: int, until: int) -> GapChange:
        with pipelines(database) as connection:
            return record_gaps(connection, series, minutes(since), minutes(until), now=NOW)

    with closing(database.connect()) as blocker, meanwhile(lambda: record(0, 600)) as slow:
        # The slow one has looked, and stands still at a gap that the fast one does not touch.
        blocker.execute("SELECT FROM market.gaps WHERE from_at = %s FOR UPDATE", (minutes(300),))
        wait_until_waiting(database, slow)
        store.write(batch(frame[100:200]))
        with meanwhile(lambda: record(100, 200)) as fast:
            wait_until_waiting(database, fast, number=2)
            blocker.rollback()
            slow.result()
            fast.result()
    assert [gap.from_at for gap in list_gaps(writer)] == [minutes(300)]


def test_record_when_an_earlier_run_died_before_its_look_then_the_next_reaches_over_it(
    writer: psycopg.Connection,
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    frame = made_up(600)
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    store.write(batch(without(frame[:300], range(100, 110)), span=(START, minutes(300))))
    store.write(batch(frame[300:]))
    change = record_gaps(writer, series, minutes(500), minutes(600), now=NOW)
    assert change.new == 1
    assert [gap.from_at for gap in list_gaps(writer)] == [minutes(100)]
    writer.execute("DELETE FROM market.gaps")
    # What was looked at once is not looked at each time.
    assert record_gaps(writer, series, minutes(500), minutes(600), now=NOW).new == 0


def test_record_when_somebody_has_tables_of_the_same_names_then_leaves_them_alone(
    writer: psycopg.Connection, database: Database
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    store.write(batch(without(made_up(100), [50]), span=(START, minutes(100))))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    with database.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE public.spans (number integer)")
        try:
            assert record_gaps(writer, series, START, minutes(100), now=NOW).new == 1
            assert connection.execute("SELECT to_regclass('public.spans')").fetchone() == ("spans",)
        finally:
            connection.execute("DROP TABLE IF EXISTS public.spans")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_record_when_series_arrive_in_any_order_then_reasons_are_those_of_a_full_look(
    writer: psycopg.Connection, order: tuple[int, ...]
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    frame = made_up(400)
    holes = ([*range(50, 60), *range(100, 120)], [*range(50, 60), *range(200, 220)], range(45, 65))
    several = [Instrument("made", f"{name}/EUR") for name in "ABC"]
    stored: list[Series] = []
    for number in order:
        one = several[number]
        rows = without(frame, list(holes[number]))
        store.write(batch(rows, instrument=one, span=(START, minutes(400))))
        stored.append(Series(one, store.ensure_instrument(one), MINUTE))
        record_gaps(writer, stored[-1], START, minutes(400), now=NOW)
    for series in stored:
        change = record_gaps(writer, series, START, minutes(400), now=NOW)
        assert change == GapChange(new=0, changed=0, filled=0)
    assert [(gap.instrument, gap.from_at, gap.reason) for gap in list_gaps(writer)] == [
        ("made:A/EUR", minutes(50), "outage"),
        ("made:A/EUR", minutes(100), "no_trades"),
        ("made:B/EUR", minutes(50), "outage"),
        ("made:B/EUR", minutes(200), "no_trades"),
        ("made:C/EUR", minutes(45), "no_trades"),
    ]


class Hasty(Database):
    """A server whose statements are ended soon."""

    def url(self, role: Role | None = None) -> str:
        return super().url(role).replace("statement_timeout%3D15min", "statement_timeout%3D100ms")


def test_refresh_when_it_takes_longer_than_statements_may_then_goes_on(
    writer: psycopg.Connection, database: Database
) -> None:
    CandleStore(writer, FixedClock(NOW)).write(batch(made_up(10)))
    hasty = Hasty(database.admin_url, database.roles_log_in, database.role_urls)
    with hasty.connect(Role.PIPELINES) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("100ms",)
    with database.connect(autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('candela:rollups'))")
        with meanwhile(lambda: refresh_rollups(hasty)) as waiting:
            wait_until_waiting(database, waiting)
            time.sleep(0.2)
            other.execute("SELECT pg_advisory_unlock_all()")
            assert waiting.result().ranges == 1


def test_refresh_when_candles_come_meanwhile_then_their_span_is_kept_for_the_next(
    writer: psycopg.Connection, database: Database
) -> None:
    store = CandleStore(writer, FixedClock(NOW))
    frame = made_up(600)
    store.write(batch(frame[:300]))
    with database.connect() as slow:
        # A writer that is still at it when the refresh begins and ends.
        slow.execute(
            "INSERT INTO market.rollup_ranges (from_at, to_at, batch_id) VALUES (%s, %s, 1)",
            (minutes(0), minutes(1)),
        )
        assert refresh_rollups(database).ranges == 1
        store.write(batch(frame[300:]))
        slow.commit()
    assert refresh_rollups(database).ranges == 2
    assert refresh_rollups(database).ranges == 0
    hours = read_candles(database, BTC, HOUR).frame
    assert hours["candles"].to_list() == [60] * 10
