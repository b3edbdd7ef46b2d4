"""What the command line does with mistakes, odd terminals and Ctrl-C: words, or one object."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, LiteralString

import pytest

from candela.candles.spans import BadInstant, instant
from candela.commands.output import Output, make_printable
from candela.db.connect import Role
from tests.fixtures.candles import made_up, without
from tests.fixtures.state import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import polars as pl

    from candela.db.connect import Database
    from tests.fixtures.command_line import Ran

BTC = ("--instrument", "bitvavo:BTC/EUR")
FUNDING = "symbol,exchange,time,funding_rate\nBTC/USDT:USDT,binance,{},0.0001\n"


def csv(path: Path, frame: pl.DataFrame) -> Path:
    frame.drop("flags").write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    return path


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        (),
        ("--version",),
        ("candles", "check"),
        ("candles", "check", "a", "b"),
        ("candles", "check", "a", "--bogus"),
        ("candles", "gaps", "--limit", "many"),
        ("candles", "gaps", "--reason", "boredom"),
        ("sources", "stop", "x"),
    ],
)
def test_usage_when_wrong_then_scripts_get_one_object_and_2(
    command_line: Callable[..., Ran], words: tuple[str, ...]
) -> None:
    ran = command_line(*words, "--json")
    assert ran.code == 2
    assert ran.data["error"]["code"] == "usage"
    assert ran.data["error"]["message"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--unit", "y"),
        ("--decimal", "x"),
        ("--columns", "time"),
        ("--timeframe", "1y"),
        ("--instrument", "BTC"),
        ("--venue", "no venue!"),
    ],
)
def test_check_when_an_option_is_wrong_then_ends_with_2_not_as_findings_do(
    command_line: Callable[..., Ran], tmp_path: Path, option: str, value: str
) -> None:
    path = csv(tmp_path / "a.csv", made_up(100))
    ran = command_line("candles", "check", path, option, value, "--json")
    assert ran.code == 2
    assert ran.data["error"]["code"] == "bad_option"


def test_import_when_a_file_is_unreadable_then_its_object_names_the_check(
    command_line: Callable[..., Ran], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("")
    ran = command_line("candles", "import", path, *BTC, "--json")
    assert ran.code == 2
    (file,) = ran.data["files"]
    assert (file["error"]["check"], file["error"]["code"]) == ("empty_file", "file_unreadable")


def test_gaps_when_the_instrument_has_no_candles_then_shows_no_others(
    command_line: Callable[..., Ran], tmp_path: Path
) -> None:
    command_line("candles", "import", csv(tmp_path / "a.csv", without(made_up(300), [100])), *BTC)
    command_line("sources", "add", "kraken", "BTC/USD", "1m", "--since", "2024-01-01")
    ran = command_line("candles", "gaps", "kraken:BTC/USD", "--json")
    assert (ran.data["sums"], ran.data["gaps"]) == ([], [])


def test_gaps_when_narrowed_then_sums_are_too_and_a_cut_list_says_so(
    command_line: Callable[..., Ran], tmp_path: Path
) -> None:
    path = csv(tmp_path / "a.csv", without(made_up(300), [100, 150, 200]))
    command_line("candles", "import", path, *BTC)
    cut = command_line("candles", "gaps", "--limit", "2", "--json").data
    assert (len(cut["gaps"]), cut["is_cut"], cut["sums"][0]["gaps"]) == (2, True, 3)
    assert "--limit" in command_line("candles", "gaps", "--limit", "2").out
    whole = command_line("candles", "gaps", "--limit", "3", "--json").data
    assert (len(whole["gaps"]), whole["is_cut"]) == (3, False)
    for words in (("--timeframe", "1h"), ("--reason", "outage")):
        assert command_line("candles", "gaps", *words, "--json").data["sums"] == []


def test_gaps_when_the_span_is_empty_then_says_so(command_line: Callable[..., Ran]) -> None:
    ran = command_line("candles", "gaps", "--since", "2020-01-01", "--until", "2019-01-01")
    assert ran.code == 1
    assert "--since before --until" in ran.err


def test_instant_when_beyond_all_years_is_refused() -> None:
    with pytest.raises(BadInstant, match="not a date"):
        instant("0001-01-01T00:00+14:00")


def test_funding_when_imported_again_then_every_row_is_accounted_for(
    command_line: Callable[..., Ran], tmp_path: Path
) -> None:
    past, future = tmp_path / "past.csv", tmp_path / "future.csv"
    past.write_text(FUNDING.format(1_672_531_200_000))
    future.write_text(FUNDING.format(4_102_444_800_000))
    first = command_line("funding", "import", past, "--json")
    assert (first.code, first.data["files"][0]["written"]) == (0, 1)
    again = command_line("funding", "import", past, future, "--json")
    assert again.code == 1
    counts = [(one["written"], one["unchanged"], one["refused"]) for one in again.data["files"]]
    assert counts == [(0, 1, 0), (0, 0, 1)]


def test_funding_when_one_file_is_unreadable_then_the_others_are_imported(
    command_line: Callable[..., Ran], tmp_path: Path
) -> None:
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text("a,b\n1,2\n")
    good.write_text(FUNDING.format(1_672_531_200_000))
    ran = command_line("funding", "import", bad, good, "--json")
    assert ran.code == 2
    assert ran.data["files"][0]["error"]["check"] == "wrong_header"
    assert ran.data["files"][1]["written"] == 1


def test_output_when_the_terminal_knows_ascii_only_then_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, "ascii", write_through=True))
    make_printable(sys.stdout)
    data: dict[str, Any] = {"file": "Größe\udcff"}
    Output(as_json=True).result(data, "")
    Output(as_json=False).result(data, "Größe")
    first, second = printed.getvalue().decode("ascii").splitlines()
    assert json.loads(first) == data
    assert second == "Gr\\xf6\\xdfe"


def test_output_when_a_file_holds_control_characters_then_the_terminal_gets_none(
    command_line: Callable[..., Ran], tmp_path: Path
) -> None:
    lines = csv(tmp_path / "a.csv", made_up(100)).read_text().splitlines()
    rows = [f"{line},bitvavo,BTC/EUR" for line in lines[1:]]
    rows[5] = rows[5].replace("BTC/EUR", "\x1b[31mBTC")
    path = tmp_path / "b.csv"
    path.write_text("\n".join([lines[0] + ",exchange,symbol", *rows]) + "\n")
    ran = command_line("candles", "check", path)
    assert ran.code == 1
    assert "\\x1b[31mBTC" in ran.out
    assert "\x1b" not in ran.out


@pytest.mark.parametrize("as_json", [False, True])
def test_import_when_ctrl_c_comes_then_says_that_it_can_go_on(
    command_line: Callable[..., Ran], database: Database, tmp_path: Path, *, as_json: bool
) -> None:
    path = csv(tmp_path / "a.csv", made_up(100))
    command_line("status")
    words = ["candles", "import", str(path), *BTC, *(["--json"] if as_json else [])]
    with database.connect(Role.OWNER, autocommit=True) as watcher, database.connect() as blocker:
        blocker.execute("LOCK TABLE market.instruments IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen(
            [sys.executable, "-m", "candela.commands.app", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(
            lambda: (
                watcher.execute(
                    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND database ="
                    " (SELECT oid FROM pg_database WHERE datname = current_database()))"
                ).fetchone()
                == (True,)
            )
        )
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    said = json.loads(out)["error"]["message"] if as_json else err
    assert "goes on from there" in said
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("state", "code"),
    [("57P01", "database_lost"), ("42501", "statement_refused")],
    ids=["shut down", "permission taken"],
)
def test_import_when_the_database_fails_in_the_middle_then_one_object_and_nothing_half_done(
    command_line: Callable[..., Ran],
    database: Database,
    tmp_path: Path,
    state: LiteralString,
    code: str,
) -> None:
    path = csv(tmp_path / "a.csv", made_up(300))
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION market.fail() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'as planned' USING ERRCODE = '{state}'; END $$"
        )
        connection.execute(
            "CREATE TRIGGER fail BEFORE INSERT ON market.candles"
            " FOR EACH ROW EXECUTE FUNCTION market.fail()"
        )
    try:
        ran = command_line("candles", "import", path, *BTC, "--json")
    finally:
        with database.connect(autocommit=True) as connection:
            connection.execute("DROP FUNCTION market.fail() CASCADE")
    assert ran.code == 1
    assert (ran.data["error"]["code"], ran.data["error"]["retryable"]) == (
        code,
        code == "database_lost",
    )
    assert "as planned" in ran.data["error"]["message"]
    with database.connect(Role.ANALYST) as connection:
        assert connection.execute("SELECT count(*) FROM market.batches").fetchone() == (0,)
    assert command_line("candles", "import", path, *BTC).code == 0
