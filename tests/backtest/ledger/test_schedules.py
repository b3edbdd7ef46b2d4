"""Schedules: each tick is asked for once, whoever looks, however often, after whatever rest."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from backtest.ledger.refusals import BadCron, NoSuchSchedule
from candela.db.connect import Role

if TYPE_CHECKING:
    from backtest.ledger import Ledger
    from candela.clock import FixedClock
    from candela.db.connect import Database

SPEC = {"strategy": "ma_cross"}


def test_schedule_when_a_tick_passes_then_asked_for_once(worker: Ledger, clock: FixedClock) -> None:
    worker.put_schedule("hourly", "0 * * * *", SPEC, requested_by="ada")
    assert worker.enqueue_due() == ({}, []), "the tick before it was made is not its own"
    clock.at += timedelta(hours=1)
    made, _ = worker.enqueue_due()
    assert worker.enqueue_due() == ({}, [])
    (request,) = worker.requests()
    assert made == {"hourly": request.request_id}
    assert (request.surface, request.requested_by, request.spec) == ("schedule", "ada", SPEC)
    assert (request.schedule, request.scheduled_for) == (
        "hourly",
        datetime(2026, 3, 2, 11, tzinfo=UTC),
    )


def test_schedule_when_many_ticks_passed_unseen_then_the_last_counts(
    worker: Ledger, clock: FixedClock
) -> None:
    worker.put_schedule("quarterly", "*/15 * * * *", SPEC)
    clock.at += timedelta(days=2, minutes=20)
    worker.enqueue_due()
    clock.at += timedelta(minutes=15)
    worker.enqueue_due()
    ticks = [one.scheduled_for for one in worker.requests()]
    assert ticks == [
        datetime(2026, 3, 4, 11, tzinfo=UTC),
        datetime(2026, 3, 4, 10, 45, tzinfo=UTC),
    ]


def test_schedule_when_four_look_at_once_then_one_request(
    worker: Ledger, clock: FixedClock
) -> None:
    worker.put_schedule("hourly", "0 * * * *", SPEC)
    clock.at += timedelta(hours=1)
    start = threading.Barrier(4)

    def look() -> None:
        start.wait()
        worker.enqueue_due()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(worker.requests()) == 1


def test_schedule_when_made_anew_under_its_name_then_no_tick_twice(
    worker: Ledger, ledger: Ledger, clock: FixedClock
) -> None:
    worker.put_schedule("hourly", "0 * * * *", SPEC)
    clock.at += timedelta(hours=1)
    worker.enqueue_due()
    ledger.remove_schedule("hourly")
    with pytest.raises(NoSuchSchedule, match="hourly"):
        ledger.remove_schedule("hourly")
    clock.at -= timedelta(hours=1)
    worker.put_schedule("hourly", "0 * * * *", SPEC)
    clock.at += timedelta(hours=1)
    assert worker.enqueue_due() == ({}, [])


def test_schedule_when_at_rest_then_asks_nothing_and_makes_nothing_up(
    worker: Ledger, clock: FixedClock
) -> None:
    worker.put_schedule("hourly", "0 * * * *", SPEC)
    assert not worker.enable_schedule("hourly", is_enabled=False).is_enabled
    clock.at += timedelta(hours=3)
    assert worker.enqueue_due() == ({}, [])
    worker.enable_schedule("hourly", is_enabled=True)
    assert worker.enqueue_due() == ({}, [])
    clock.at += timedelta(hours=1)
    assert list(worker.enqueue_due()[0]) == ["hourly"]
    with pytest.raises(NoSuchSchedule, match="gone"):
        worker.enable_schedule("gone", is_enabled=True)


def test_schedule_when_another_cannot_be_read_then_goes_on(
    worker: Ledger, clock: FixedClock, database: Database
) -> None:
    worker.put_schedule("hourly", "0 * * * *", SPEC)
    with database.connect(Role.ANALYST, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO research.schedules (name, cron, kind, spec, counts_from)"
            " VALUES ('bad', 'soon', 'backtest', '{}', now())"
        )
    clock.at += timedelta(hours=1)
    made, bad = worker.enqueue_due()
    assert list(made) == ["hourly"]
    assert ["soon" in error.message for error in bad] == [True]


def test_schedule_when_the_expression_is_bad_then_refused(worker: Ledger) -> None:
    with pytest.raises(BadCron, match="'61'"):
        worker.put_schedule("hourly", "61 * * * *", SPEC)
    assert worker.schedules() == []
