"""A history that is extended bar by bar is what reading all of it again would give."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.candles.read import read_candles
from candela.candles.store import CandleStore, Source
from candela.clock import SystemClock
from candela.db.connect import Role
from candela.market.instrument import Instrument
from live.signals.history import History
from live.streams.link import DatabaseLink
from tests.fixtures.candles import MINUTE, START, batch, made_up

if TYPE_CHECKING:
    from candela.db.connect import Database

CAPACITY = 20
WHOLE = made_up(200)
# Where the stored bars begin, so that earlier ones can come later.
FIRST = 60

NUMBERS = itertools.count()
Step = tuple[str, int]


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("new"), st.integers(1, 8)),
            st.tuples(st.just("revise"), st.integers(1, 40)),
            st.tuples(st.just("earlier"), st.integers(1, 10)),
            st.tuples(st.just("nothing"), st.just(0)),
        ),
        min_size=1,
        max_size=10,
    ),
    looks=st.sets(st.integers(0, 9)),
)
def test_history_when_bars_come_and_change_then_it_is_what_is_stored(
    worker_database: Database, steps: list[Step], looks: set[int]
) -> None:
    with worker_database.connect(autocommit=True) as connection:
        connection.execute("TRUNCATE market.candles, market.candle_revisions, market.batches")
    instrument = Instrument("made", f"H{next(NUMBERS)}/EUR")
    history = History((instrument, MINUTE), CAPACITY)

    async def run() -> None:
        link = DatabaseLink(worker_database, Role.EXECUTOR, "test")
        with worker_database.connect(Role.PIPELINES, autocommit=True) as connection:
            store = CandleStore(connection, SystemClock())
            low, high = FIRST, FIRST + 3
            _write(store, instrument, low, high, 0)
            for number, (kind, count) in enumerate(steps):
                if kind == "new":
                    _write(store, instrument, high, min(high + count, 190), number)
                    high = min(high + count, 190)
                elif kind == "earlier":
                    _write(store, instrument, max(low - count, 0), low, number)
                    low = max(low - count, 0)
                elif kind == "revise":
                    row = max(high - count, low)
                    _write(store, instrument, row, row + 1, number + 1)
                if number in looks:
                    async with link.use() as opened:
                        await history.refresh(opened)
            async with link.use() as opened:
                await history.refresh(opened)
        await link.close()

    asyncio.run(run())
    stored = read_candles(worker_database, instrument, MINUTE, role=Role.EXECUTOR)
    last = START + stored.frame.height * timedelta(minutes=500)
    got = history.until(last)
    # All that a window may ask for, up to the capacity.
    rows = min(CAPACITY, stored.frame.height)
    want = stored.frame.tail(rows)
    kept = got.last(rows)
    np.testing.assert_array_equal(kept.time, want["time"].dt.epoch("us").to_numpy())
    for row, name in enumerate(("open", "high", "low", "close", "volume")):
        np.testing.assert_array_equal(kept.values[row], want[name].to_numpy())
    assert history.known_at == stored.as_of
    assert np.all(np.diff(got.time) > 0)


def _write(store: CandleStore, instrument: Instrument, low: int, high: int, version: int) -> None:
    if low >= high:
        return
    rows = WHOLE[low:high].with_columns(pl.col("volume") + version)
    store.write(batch(rows, instrument=instrument, source=Source("live", "made", "sha256:0")))
