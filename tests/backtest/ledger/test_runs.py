"""Runs in the ledger: recorded once, found again to the last bit, never quietly different."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from backtest.canonical import BadFigures, digest_of
from backtest.ledger.refusals import (
    AmbiguousId,
    NoSuchReport,
    NoSuchRun,
    RunNotReproduced,
)
from tests.backtest.ledger.made import FAMILY, METRICS, Made, made

if TYPE_CHECKING:
    from backtest.ledger import Ledger
    from candela.clock import FixedClock


def test_run_when_recorded_then_read_back_to_the_last_bit(ledger: Ledger) -> None:
    result = made()
    assert ledger.record_run(result, surface="notebook", requested_by="ada")
    record = ledger.run(result.manifest["id"])
    assert record.manifest == result.manifest
    unhashed = {key: value for key, value in record.manifest.items() if key != "id"}
    assert digest_of(unhashed) == record.line.run_id
    for name in result.trades.dtype.names or ():
        assert record.trades[name].to_numpy().tobytes() == result.trades[name].tobytes()
        assert record.trades[name].to_numpy().dtype == result.trades[name].dtype
    line = record.line
    assert (line.family, line.surface, line.requested_by) == (FAMILY, "notebook", "ada")
    assert (line.parameters, line.has_report) == ({"fast": 20, "slow": 50}, False)
    assert line.created_at == ledger.clock.now()
    assert {name: value for name, value in line.metrics.items() if name != "skewness"} == {
        name: value for name, value in METRICS.items() if name != "skewness"
    }
    assert math.isnan(line.metrics["skewness"])


def test_run_when_recorded_again_from_another_surface_then_nothing_is_added(
    ledger: Ledger, clock: FixedClock
) -> None:
    assert ledger.record_run(made(), surface="notebook")
    clock.at += timedelta(days=1)
    assert not ledger.record_run(made(), surface="cli")
    (line,) = ledger.runs()
    assert (line.surface, ledger.trial_count(FAMILY)) == ("notebook", 1)


def test_run_when_its_trades_differ_this_time_then_refused_and_the_first_stays(
    ledger: Ledger,
) -> None:
    first, second = made(draw=1), made(draw=2)
    ledger.record_run(first, surface="cli")
    with pytest.raises(RunNotReproduced, match=first.trades_digest) as caught:
        ledger.record_run(second, surface="cli")
    assert second.trades_digest in caught.value.message
    assert ledger.run(first.manifest["id"]).line.trades_digest == first.trades_digest


def test_report_when_recorded_or_added_later_then_returned(ledger: Ledger) -> None:
    result = made()
    run_id = result.manifest["id"]
    ledger.record_run(result, surface="cli")
    with pytest.raises(NoSuchReport, match=run_id[:12]):
        ledger.report(run_id)
    assert not ledger.record_run(result, surface="cli", report_html="<p>€</p>")
    assert ledger.report(run_id[:8]) == "<p>€</p>"
    assert ledger.run(run_id).line.has_report


def test_run_when_the_id_is_unknown_short_or_no_id_then_said(ledger: Ledger) -> None:
    run_id = str(made().manifest["id"])
    ledger.record_run(made(), surface="cli")
    unknown = ("0" if run_id[0] != "0" else "1") + run_id[1:]
    for text in (unknown, run_id[:3], "", "latest", "%", run_id + "0"):
        with pytest.raises(NoSuchRun) as caught:
            ledger.run(text)
        assert caught.value.hint
    for text in (run_id[:4], run_id[:9].upper(), f"sha256:{run_id}"):
        assert ledger.run(text).line.run_id == run_id


def test_run_when_two_ids_begin_alike_then_both_are_named(ledger: Ledger) -> None:
    for tail in ("01", "02"):
        result = made()
        ledger.record_run(
            Made(
                result.manifest | {"id": "ab" * 31 + tail, "seed": tail},
                result.metrics,
                result.trades,
                result.trades_digest,
            ),
            surface="cli",
        )
    with pytest.raises(AmbiguousId, match=r"ababababab, ababababab"):
        ledger.run("ababab")
    assert ledger.run("ab" * 31 + "02").line.run_id.endswith("02")


def test_runs_when_listed_then_newest_first_and_as_asked_for(
    ledger: Ledger, clock: FixedClock
) -> None:
    ledger.record_run(made(), surface="cli")
    clock.at += timedelta(hours=1)
    instruments = ["kraken:ETH/EUR", "bitvavo:BTC/EUR"]
    other = made(kind="portfolio", timeframe="4h", instruments=instruments)
    ledger.record_run(other, surface="notebook")
    assert [line.family.timeframe for line in ledger.runs()] == ["4h", "1h"]
    assert [line.kind for line in ledger.runs(instrument="kraken:ETH/EUR")] == ["portfolio"]
    assert [line.surface for line in ledger.runs(surface="cli")] == ["cli"]
    assert [line.surface for line in ledger.runs(since=clock.at)] == ["notebook"]
    assert len(ledger.runs(strategy="ma_cross", limit=1)) == 1
    assert ledger.runs(strategy="other") == []
    assert ledger.runs(timeframe="1h", kind="portfolio") == []


def test_run_when_figures_are_missing_then_refused_and_nothing_is_stored(ledger: Ledger) -> None:
    result = made()
    metrics = {name: value for name, value in METRICS.items() if name != "sharpe"}
    with pytest.raises(BadFigures, match="sharpe"):
        ledger.record_run(
            Made(result.manifest, metrics, result.trades, result.trades_digest), surface="cli"
        )
    with pytest.raises(BadFigures, match="without fields"):
        ledger.record_run(
            Made(result.manifest, METRICS, np.zeros(3).view(np.void), result.trades_digest),
            surface="cli",
        )
    with pytest.raises(BadFigures, match="JSON"):
        ledger.record_run(_with(result, cash=float("inf")), surface="cli")
    for odd in (_with(result, instruments=[]), _with(result, kind="guess")):
        with pytest.raises(BadFigures, match="cannot be recorded"):
            ledger.record_run(odd, surface="cli")
    assert (ledger.runs(), ledger.families()) == ([], [])


def _with(result: Made, **changes: object) -> Made:
    return Made(result.manifest | changes, result.metrics, result.trades, result.trades_digest)
