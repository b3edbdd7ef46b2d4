"""Real files alarm rarely, and every false print that is known is flagged."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from candela.files.options import ReadOptions
from candela.files.report import FileReport
from tests.candela.files.making import SAMPLE, SHARED, check


def report_on(name: str) -> FileReport:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not here")
    return check(path, ReadOptions())


@pytest.mark.parametrize("path", sorted(SAMPLE.glob("*.parquet")), ids=lambda path: path.name)
def test_sample_file_when_checked_has_no_refusals(path: Path) -> None:
    report = check(path, ReadOptions())
    assert report.error is None
    assert report.refused == []
    assert report.accepted == report.rows
    assert len(report.flagged) <= 4


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


KNOWN = {
    "candles/XRP-USD_1m.parquet": [at(2017, 12, 22, 7, 22)],
    "candles/ETH-USD_1m.parquet": [at(2016, 6, 17, 8, 27)],
    "equities/us_1d.parquet": [
        at(2008, 9, 30),
        at(2007, 12, 18),
        at(2009, 9, 21),
        at(2010, 8, 31),
        at(2011, 1, 3),
        at(2002, 12, 23),
    ],
    "equities/us_1h.parquet": [
        at(2000, 7, 20, 18),
        at(2002, 8, 26, 15),
        at(2002, 11, 7, 19),
    ],
}
# At most so many flags in a million rows: minutes of liquid pairs are calm, daily shares are not.
RARE = {
    "candles/XRP-USD_1m.parquet": 40,
    "candles/ETH-USD_1m.parquet": 40,
    "equities/us_1d.parquet": 1_200,
    "equities/us_1h.parquet": 500,
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_prints_are_flagged_and_flags_are_rare(name: str) -> None:
    report = report_on(name)
    assert report.refused == []
    spikes = {one.time for one in report.flagged if one.check == "spike"}
    assert set(KNOWN[name]) <= spikes
    assert len(report.flagged) * 1_000_000 <= RARE[name] * report.rows


SPLITS = [at(2005, 2, 28), at(2014, 6, 9), at(2020, 8, 31), at(1999, 5, 27), at(2004, 8, 30)]


def test_splits_are_no_spikes() -> None:
    report = report_on("equities/us_1d.parquet")
    assert not {one.time for one in report.flagged} & set(SPLITS)


@pytest.mark.parametrize(
    ("name", "holes", "missing"),
    [
        ("candles_eur/BTC-EUR_1h.parquet", 14, 36),
        ("candles/ETH-USD_1m.parquet", 130_273, 540_805),
    ],
)
def test_holes_are_those_of_the_readme(name: str, holes: int, missing: int) -> None:
    gaps = report_on(name).gaps
    assert (len(gaps), sum(gap.missing for gap in gaps)) == (holes, missing)


@pytest.mark.parametrize("name", ["fx/EUR-USD_1d.parquet", "fx/XAU-USD_1h.parquet"])
def test_quotes_without_volume_are_taken_without(name: str) -> None:
    report = report_on(name)
    assert (report.refused, Counter(one.check for one in report.flagged)) == ([], Counter())
    assert report.layout is not None
    assert not report.layout.has_volume
