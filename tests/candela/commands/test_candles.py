"""The candle commands: what they print, in words and JSON, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from tests.fixtures.candles import SAMPLE, made_up, without

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.command_line import Ran

BTC = ("--instrument", "bitvavo:BTC/EUR")


def csv(path: Path, frame: pl.DataFrame) -> Path:
    frame.drop("flags").with_columns(time=pl.col("time").dt.epoch("ms")).write_csv(path)
    return path


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return csv(tmp_path / "clean.csv", made_up(300))


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    frame = made_up(300).with_columns(
        high=pl.when(pl.int_range(pl.len()) == 99).then(pl.col("low") - 1).otherwise("high")
    )
    return csv(tmp_path / "bad.csv", without(frame, [200]))


def test_check_when_clean_then_ends_with_0(command_line: Callable[..., Ran], clean: Path) -> None:
    ran = command_line("candles", "check", clean, *BTC)
    assert (ran.code, ran.err) == (0, "")
    assert "300 rows, 300 accepted, 0 refused, 0 flagged, 0 gaps" in ran.out


def test_check_when_json_then_one_object_with_every_finding(
    command_line: Callable[..., Ran], bad: Path
) -> None:
    ran = command_line("candles", "check", bad, *BTC, "--json")
    assert ran.code == 1
    assert (ran.data["rows"], ran.data["accepted"], ran.data["error"]) == (299, 298, None)
    (refused,) = ran.data["refused"]
    assert (refused["row"], refused["line"], refused["check"]) == (100, 101, "high_lt_low")
    assert [(gap["row"], gap["missing"]) for gap in ran.data["gaps"]] == [(201, 1)]


def test_check_when_unreadable_then_ends_with_2_and_says_what_to_do(
    command_line: Callable[..., Ran], tmp_path: Path
) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("ts,o,hi,lo,c,vol\n1517875200000,1,2,0.5,1.5,3\n")
    ran = command_line("candles", "check", path, *BTC, "--json")
    assert ran.code == 2
    assert ran.data["error"]["check"] == "wrong_header"
    assert "--columns" in ran.data["error"]["hint"]
    words = command_line("candles", "check", path, *BTC)
    assert words.code == 2
    assert "wrong_header" in words.out


def test_import_when_repeated_then_second_says_there_is_nothing_to_do(
    command_line: Callable[..., Ran], clean: Path
) -> None:
    first = command_line("candles", "import", clean, *BTC)
    assert first.code == 0
    assert "300" in first.out
    second = command_line("candles", "import", clean, *BTC)
    assert second.code == 0
    assert "imported before" in second.out


def test_import_when_one_of_two_files_is_unreadable_then_the_other_is_stored(
    command_line: Callable[..., Ran], clean: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    ran = command_line("candles", "import", empty, clean, *BTC, "--json")
    assert ran.code == 2
    failed, stored = ran.data["files"]
    assert failed["error"]["code"]
    assert stored["series"][0]["new"] == 300


def test_import_when_rows_are_refused_then_ends_with_1_and_counts_checks(
    command_line: Callable[..., Ran], bad: Path
) -> None:
    ran = command_line("candles", "import", bad, *BTC)
    assert ran.code == 1
    assert "1 x high_lt_low" in ran.out


def test_gaps_when_recorded_then_lists_them_with_reasons(
    command_line: Callable[..., Ran], bad: Path
) -> None:
    command_line("candles", "import", bad, *BTC)
    ran = command_line("candles", "gaps", "bitvavo:BTC/EUR", "--json")
    assert ran.code == 0
    assert [(gap["from"], gap["candles_missing"], gap["reason"]) for gap in ran.data["gaps"]] == [
        ("2024-01-01T01:39:00Z", 1, "refused"),
        ("2024-01-01T03:20:00Z", 1, "no_trades"),
    ]
    assert "no_trades" in command_line("candles", "gaps").out


def test_quarantine_when_rows_were_refused_then_lists_them(
    command_line: Callable[..., Ran], bad: Path
) -> None:
    assert "Nothing was refused" in command_line("candles", "quarantine").out
    command_line("candles", "import", bad, *BTC)
    (entry,) = command_line("candles", "quarantine", "--json").data["entries"]
    assert (entry["source"], entry["row"], entry["line"], entry["check"]) == (
        "bad.csv", 100, 101, "high_lt_low",
    )  # fmt: skip
    assert command_line("candles", "quarantine", "--check", "null", "--json").data["entries"] == []
    assert "high_lt_low" in command_line("candles", "quarantine").out


def test_export_when_rolled_up_then_file_and_digest(
    command_line: Callable[..., Ran], tmp_path: Path
) -> None:
    command_line("candles", "import", SAMPLE / "BTC-EUR_1h.parquet")
    target = tmp_path / "days.csv"
    ran = command_line("candles", "export", "bitvavo:BTC/EUR", "1d", target, "--json")
    assert ran.code == 0
    assert ran.data["digest"].startswith("sha256:")
    assert pl.read_csv(target).height == ran.data["rows"] == 730
    again = command_line("candles", "export", "bitvavo:BTC/EUR", "1d", target)
    assert again.code == 1
    assert "--overwrite" in again.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("candles", "export", "BTC", "1h", "x.csv"), "exchange:SYMBOL"),
        (("candles", "export", "a:BTC/EUR", "1x", "x.csv"), "not a timeframe"),
        (("candles", "export", "a:BTC/EUR", "1h", "x.csv"), "No instrument a:BTC/EUR"),
        (("candles", "gaps", "--since", "yesterday"), "'yesterday' is not a date"),
        (("candles", "fetch", "kraken", "BTC/USD", "1m"), "--since"),
        (("sources", "stop", "999"), "No source 999"),
        (("sources", "add", "krakn", "BTC/USD", "1m"), "Near it are kraken"),
        (("candles", "gaps", "-t", "99999999w"), "366 days"),
    ],
)
def test_command_when_a_word_is_wrong_then_one_sentence_names_it(
    command_line: Callable[..., Ran], words: tuple[str, ...], said: str
) -> None:
    ran = command_line(*words)
    assert ran.code == 1
    assert said in ran.err
    assert "Traceback" not in ran.err
    as_json = command_line(*words, "--json")
    assert as_json.code == 1
    assert said in str(as_json.data["error"])


def test_status_when_candles_are_stored_then_shows_each_series(
    command_line: Callable[..., Ran], clean: Path
) -> None:
    command_line("candles", "import", clean, *BTC)
    ran = command_line("status", "--json")
    assert ran.code == 0
    (series,) = ran.data["series"]
    assert (series["instrument"], series["timeframe"], series["rows"]) == (
        "bitvavo:BTC/EUR",
        "1m",
        300,
    )
    assert "bitvavo:BTC/EUR" in command_line("status").out


def test_sources_when_added_and_stopped_then_list_follows(
    command_line: Callable[..., Ran],
) -> None:
    added = command_line(
        "sources", "add", "kraken", "BTC/USD", "1m", "--since", "2024-01-01", "--json"
    )
    assert added.code == 0
    listed = command_line("sources", "list", "--json").data["sources"]
    assert [(one["instrument"], one["since"]) for one in listed] == [
        ("kraken:BTC/USD", "2024-01-01T00:00:00Z")
    ]
    command_line("sources", "stop", added.data["source_id"])
    assert command_line("sources", "list", "--json").data["sources"] == []


def test_db_when_current_then_migrate_changes_nothing_and_status_ends_with_0(
    command_line: Callable[..., Ran],
) -> None:
    ran = command_line("db", "migrate", "--json")
    assert (ran.code, ran.data["applied"], ran.data["reapplied"]) == (0, [], [])
    assert command_line("db", "status").code == 0
