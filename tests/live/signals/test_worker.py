"""Signals are those of the whole history, once a bar; a broken strategy stops itself only."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from candela.candles.read import read_candles
from candela.db.connect import Role
from live.signals.decision import decide_last
from live.signals.definitions import WarmUpTooLong, mend, register, registered
from live.signals.evaluator import Evaluator
from live.signals.worker import Bar, window_of
from live.streams.link import DatabaseLink
from strategies.bars import Bars
from strategies.definition import ALL_BARS
from strategies.registry import SHIPPED, find
from tests.fixtures.candles import HOUR
from tests.live.signals.bench_of_signals import (
    BTC,
    ETH,
    changed,
    definition_of,
    own_definition,
    play,
)

if TYPE_CHECKING:
    from candela.db.connect import Database

START = datetime(2023, 6, 1, tzinfo=UTC)


def test_signals_when_bars_come_one_by_one_then_they_are_those_of_the_whole_history(
    database: Database, redis_url: str
) -> None:
    definitions = [definition_of(name) for name in SHIPPED]
    bars = 30

    async def run() -> tuple[list[Any], Any]:
        async with play(database, redis_url, definitions, start=START, is_settled=True) as played:
            await played.feed.run(START, START + timedelta(hours=bars))
            told = await played.until(bars * len(definitions))
            assert {(one.definition_id, one.bar_at) for one in told} == {
                (row[0], row[1]) for row in played.rows()
            }
            assert played.worker.evaluator.evaluations == bars * len(definitions)
            return played.rows("definition_id, bar_at, status, decision, known_at"), played.series

    rows, series = asyncio.run(run())
    assert len(rows) == bars * len(definitions)
    whole = Bars.from_frame(series[0].frame, HOUR, str(BTC))
    at = {int(moment): row for row, moment in enumerate(whole.time)}
    for name, definition in zip(SHIPPED, definitions, strict=True):
        strategy = find(name)
        parameters = strategy.with_values()
        own = {row[1]: row for row in rows if row[0] == definition.definition_id}
        assert len(own) == bars
        for bar_at, (_, _, status, decision, _) in own.items():
            stop = at[round(bar_at.timestamp() * 1_000_000)] + 1
            beginning = whole[:stop]
            assert status == "ok"
            assert decision == decide_last(strategy.signals(beginning, parameters), beginning)
    # The instant kept with a signal gives back the bars that it was decided on.
    _, bar_at, *_, known_at = rows[-1]
    stored = read_candles(
        database, BTC, HOUR, None, bar_at + HOUR.delta, as_of=known_at, role=Role.EXECUTOR
    )
    assert stored.frame["time"][-1] == bar_at


def test_signal_when_a_bar_is_told_again_then_it_is_decided_once(
    database: Database, redis_url: str
) -> None:
    async def run() -> tuple[int, int]:
        async with play(database, redis_url, [definition_of("ma_cross")], start=START) as played:
            await played.feed.run(START, START + timedelta(hours=1))
            await played.until(1)
            again = Bar(BTC, HOUR, START, "ok")
            await played.worker.handle([again, again])
            return len(played.rows()), played.worker.evaluator.evaluations

    assert asyncio.run(run()) == (1, 1)


def test_signals_when_strategies_break_then_only_they_stop(
    database: Database, redis_url: str
) -> None:
    good = definition_of("ma_cross")
    broken = {
        "raises": own_definition("return 1 / 0", name="raises"),
        "nothing": own_definition("return None", name="nothing"),
        "nan": own_definition(
            "return Signals(long_entries=np.full(len(bars), np.nan))", name="nan"
        ),
        "hangs": own_definition("while True: pass", name="hangs"),
        "eats": own_definition("return Signals(size=np.ones(10**10))", name="eats"),
        "dies": own_definition("import ctypes\nctypes.string_at(0)", name="dies"),
        "short": own_definition("return Signals(size=np.ones(3))", name="short"),
    }

    async def run() -> tuple[dict[str, list[str]], dict[str, str], int]:
        definitions = [*broken.values(), good]
        async with play(
            database,
            redis_url,
            definitions,
            start=START,
            evaluator=Evaluator(cpu_s=0.6, wall_s=20.0, memory_mib=256),
        ) as played:
            await played.feed.run(START, START + timedelta(hours=1))
            await played.until(len(definitions))
            evaluations = played.worker.evaluator.evaluations
            await played.feed.run(START + timedelta(hours=1), START + timedelta(hours=2))
            await played.until(len(definitions) + 1)
            found: dict[str, list[str]] = {}
            for definition_id, _, status, _ in played.rows():
                found.setdefault(definition_id, []).append(status)
            with database.connect(Role.EXECUTOR, autocommit=True) as connection:
                reasons = connection.execute(
                    "SELECT strategy, broken_reason FROM live.definitions"
                    " WHERE broken_since IS NOT NULL"
                ).fetchall()
            return found, dict(reasons), played.worker.evaluator.evaluations - evaluations

    found, reasons, later = asyncio.run(run())
    assert found[good.definition_id] == ["ok", "ok"]
    assert later == 1
    for name, definition in broken.items():
        assert found[definition.definition_id] == ["failed"], name
    assert "division by zero" in reasons["raises"]
    assert "not Signals" in reasons["nothing"]
    assert "long_entries" in reasons["nan"]
    assert "processor time" in reasons["hangs"]
    assert "memory" in reasons["eats"]
    assert "imports ctypes" in reasons["dies"]
    assert "size has the shape" in reasons["short"]


def test_signals_when_a_bar_is_missing_or_old_or_refused_then_the_status_says_so(
    database: Database, redis_url: str
) -> None:
    definition = definition_of("ma_cross")
    hour = timedelta(hours=1)

    async def run() -> list[Any]:
        async with play(database, redis_url, [definition], start=START) as played:
            await played.worker.refresh()
            for number, status in enumerate(("missing", "quarantined", "stale", "ok")):
                # The last is told of, and nobody has stored it.
                await played.worker.handle([Bar(BTC, HOUR, START + number * hour, status)])
            played.clock.at = START + timedelta(minutes=91)
            await played.worker.handle([Bar(BTC, HOUR, START - hour, "ok")])
            played.clock.at = START + timedelta(minutes=31)
            await played.worker.handle([Bar(BTC, HOUR, START - 2 * hour, "ok")])
            return played.rows("bar_at, status, decision")

    rows = asyncio.run(run())
    assert [(at, status) for at, status, _ in rows] == [
        (START - 2 * hour, "stale_bar"),
        (START - hour, "stale_bar"),
        (START, "missing_bar"),
        (START + hour, "quarantined_bar"),
        (START + 2 * hour, "stale_bar"),
        (START + 3 * hour, "missing_bar"),
    ]
    assert all(decision == {} for *_, decision in rows)


def test_signals_when_a_bar_is_taken_late_then_it_is_decided_on(
    database: Database, redis_url: str
) -> None:
    definition = definition_of("ma_cross")

    async def run() -> list[Any]:
        async with play(database, redis_url, [definition], start=START) as played:
            await played.worker.refresh()
            # Of the last bar before the start, three quarters of an hour after its close.
            played.clock.at = START + timedelta(minutes=45)
            await played.worker.handle([Bar(BTC, HOUR, START - HOUR.delta, "ok")])
            return played.rows("status")

    assert asyncio.run(run()) == [("ok",)]


def test_signals_when_a_part_changes_hands_then_the_bars_between_are_decided(
    database: Database, redis_url: str
) -> None:
    definition = definition_of("ma_cross")

    async def run() -> tuple[list[Any], list[Any]]:
        async with play(database, redis_url, [definition], start=START) as played:
            await played.worker.refresh()
            held = dict(played.leases)
            played.leases.clear()
            await played.worker.take_over()
            old = Bar(BTC, HOUR, START - 2 * HOUR.delta, "ok")
            played.clock.at = START + timedelta(minutes=31)
            await played.worker.handle([old, Bar(BTC, HOUR, START - HOUR.delta, "ok")])
            before = played.rows("bar_at, status")
            played.leases |= held
            await played.worker.take_over()
            await played.worker.take_over()
            return before, played.rows("bar_at, status")

    before, after = asyncio.run(run())
    assert before == []
    # The bar before it is too old for anybody: it gets no signal.
    assert after == [(START - HOUR.delta, "ok")]


def test_signals_when_history_is_short_then_nothing_is_decided(
    database: Database, redis_url: str
) -> None:
    definition = definition_of("ma_cross", slow=200)

    async def run() -> list[Any]:
        async with play(database, redis_url, [definition], start=START, rows=50) as played:
            await played.feed.run(START, START + timedelta(hours=1))
            await played.until(1)
            return played.rows("status, bars")

    assert asyncio.run(run()) == [("too_few_bars", 51)]


def test_signals_when_another_instrument_is_read_then_its_bar_is_waited_for(
    database: Database, redis_url: str
) -> None:
    definition = own_definition(
        f'return Signals(long_entries=bars.other("{ETH}").close > 0)', reads=(str(ETH),)
    )

    async def run() -> list[Any]:
        async with play(
            database, redis_url, [definition], start=START, instruments=(BTC, ETH)
        ) as played:
            await played.worker.refresh()
            await played.feed.run(START, START + timedelta(hours=1))
            await played.until(1)
            # Of the next bar only the first of the two is ever told.
            bar = Bar(BTC, HOUR, START + timedelta(hours=1), "ok")
            await played.worker.handle([bar])
            await played.until(2)
            return [(status, decision.get("long_entry")) for *_, status, decision in played.rows()]

    assert asyncio.run(run()) == [("ok", True), ("missing_bar", None)]


def test_signals_when_the_lease_is_lost_then_nothing_is_stored(
    database: Database, redis_url: str
) -> None:
    async def run() -> list[Any]:
        async with play(database, redis_url, [definition_of("ma_cross")], start=START) as played:
            with database.connect(Role.EXECUTOR, autocommit=True) as connection:
                connection.execute("UPDATE live.shards SET owner = 'another', epoch = epoch + 1")
            await played.worker.refresh()
            await played.worker.handle([Bar(BTC, HOUR, START, "missing")])
            return played.rows()

    assert asyncio.run(run()) == []


def test_missed_when_a_reader_was_away_then_it_gets_later_bars_only(
    database: Database, redis_url: str
) -> None:
    definition = definition_of("ma_cross")

    async def run() -> list[datetime]:
        async with play(database, redis_url, [definition], start=START) as played:
            await played.feed.run(START, START + timedelta(hours=4))
            await played.until(4)
            after = {definition.definition_id: START + timedelta(hours=1)}
            return [one.bar_at for one in await played.signals.missed(after)]

    assert asyncio.run(run()) == [START + timedelta(hours=2), START + timedelta(hours=3)]


def test_definition_when_it_needs_all_bars_then_it_is_refused(database: Database) -> None:
    async def run() -> None:
        link = DatabaseLink(database, Role.EXECUTOR, "test")
        async with link.use() as connection:
            with pytest.raises(WarmUpTooLong, match="1,000,000,000 bars"):
                await register(connection, changed(definition_of("dca"), warm_up=ALL_BARS))
        await link.close()

    asyncio.run(run())


def test_definition_when_broken_and_mended_then_it_is_loaded_again(database: Database) -> None:
    async def run() -> list[int]:
        link = DatabaseLink(database, Role.EXECUTOR, "test")
        definition = definition_of("dca")
        counts: list[int] = []
        async with link.use() as connection:
            await register(connection, definition)
            await register(connection, definition)
            counts.append(len(await registered(connection, [definition.definition_id])))
            await connection.execute("UPDATE live.definitions SET broken_since = now()")
            counts.append(len(await registered(connection, [definition.definition_id])))
            await mend(connection, definition.definition_id)
            counts.append(len(await registered(connection, [definition.definition_id])))
        await link.close()
        return counts

    assert asyncio.run(run()) == [1, 0, 1]


@pytest.mark.parametrize("warm_up", [0, 1, 254, 255, 256, 1_023, 1_024, 50_000])
def test_window_when_any_warm_up_then_it_holds_the_bar_decided_on(warm_up: int) -> None:
    assert window_of(warm_up) >= warm_up + 1
    assert window_of(warm_up) <= max(256, 2 * (warm_up + 1))
