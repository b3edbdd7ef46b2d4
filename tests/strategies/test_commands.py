"""`candela strategy new, list, show, check` through the real entry point, without a database."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from candela.candles.importing import import_file
from candela.clock import SystemClock
from candela.commands.app import main
from candela.db.connect import Database, Role
from candela.files.options import ReadOptions
from strategies.registry import SHIPPED
from strategies.sample import NoSample, sample_bars
from tests.fixtures.candles import SAMPLE
from tests.fixtures.command_line import Ran

Command = Callable[..., Ran]

LEAK = "long_entries=cross.above"


@pytest.fixture
def candela(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run `candela strategy ...` with a state folder of the test's own."""
    monkeypatch.setenv("CANDELA_STATE_DIR", str(tmp_path))

    def run(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["candela", "strategy", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Ran(int(str(ended.value.code or 0)), str(printed.out), str(printed.err))

    return run


def test_new_when_named_then_file_runs_and_passes_its_check(
    candela: Command, tmp_path: Path
) -> None:
    made = candela("new", "my_rule", "--json")
    path = Path(made.data["file"])
    assert (made.code, path) == (0, tmp_path / "strategies" / "my_rule.py")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 30
    checked = candela("check", "my_rule", "--json", "-p", "window=30")
    assert checked.code == 0, checked.out
    assert checked.data["ok"] is True
    assert checked.data["parameters"] == {"window": 30, "stop": 0.05}
    assert checked.data["bars"] == 17_505
    assert checked.data["windows"] > 10_000


def test_new_when_there_already_or_no_name_then_refused(candela: Command, tmp_path: Path) -> None:
    assert candela("new", "my_rule", "--folder", tmp_path / "own").code == 0
    again = candela("new", "my_rule", "--folder", tmp_path / "own")
    assert (again.code, "is there already" in again.err) == (1, True)
    for name in ("My-Rule", "class", "ma_cross", "../rule"):
        refused = candela("new", name)
        assert (refused.code, "error:" in refused.err) == (1, True)
    assert not (tmp_path / "strategies").exists()


def test_check_when_strategy_leaks_then_exit_code_and_words_say_so(
    candela: Command, tmp_path: Path
) -> None:
    candela("new", "my_rule")
    path = tmp_path / "strategies" / "my_rule.py"
    text = path.read_text(encoding="utf-8").replace(
        LEAK, "long_entries=np.append(np.diff(bars.close) > 0, False)"
    )
    imports = "import numpy as np\nfrom strategies.bars"
    path.write_text(text.replace("from strategies.bars", imports), encoding="utf-8")
    ran = candela("check", path)
    assert ran.code == 1
    assert "my_rule: FAILED" in ran.out
    assert "look_ahead: long_entries at bar" in ran.out
    found = candela("check", path, "--json")
    assert found.code == 1
    first = found.data["findings"][0]
    assert (first["kind"], first["column"]) == ("look_ahead", "long_entries")
    assert first["at"].endswith("Z")


def test_list_when_own_files_are_there_then_shown_beside_the_shipped(
    candela: Command, tmp_path: Path
) -> None:
    assert [one["name"] for one in candela("list", "--json").data["strategies"]] == list(SHIPPED)
    candela("new", "my_rule")
    (tmp_path / "strategies" / "broken.py").write_text("def\n", encoding="utf-8")
    listed = candela("list", "--json")
    assert listed.code == 1
    own = listed.data["strategies"][-1]
    assert (own["name"], own["from"], own["warm_up"]) == ("my_rule", "my_rule.py", 114)
    assert [one["code"] for one in listed.data["errors"]] == ["strategy_file_broken"]
    text = candela("list")
    assert "not usable:" in text.out
    assert "broken.py" in text.out
    assert "my_rule" in text.out


def test_list_when_a_folder_is_set_then_read_from_there(
    candela: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDELA_STRATEGIES_DIR", str(tmp_path / "mine"))
    candela("new", "my_rule")
    assert (tmp_path / "mine" / "my_rule.py").is_file()
    assert candela("list", "--json").data["strategies"][-1]["name"] == "my_rule"


def test_list_when_two_have_one_name_then_said(candela: Command, tmp_path: Path) -> None:
    candela("new", "my_rule")
    folder = tmp_path / "strategies"
    (folder / "twin.py").write_text((folder / "my_rule.py").read_text("utf-8"), encoding="utf-8")
    listed = candela("list", "--json")
    assert listed.code == 1
    assert [one["code"] for one in listed.data["errors"]] == ["strategy_name_taken"]


@pytest.mark.parametrize("name", SHIPPED)
def test_show_when_shipped_then_schema_says_bounds_and_words(candela: Command, name: str) -> None:
    shown = candela("show", name, "--json").data
    assert shown["source_digest"].startswith("sha256:")
    assert shown["source"]
    for field, schema in shown["schema"]["properties"].items():
        assert schema["description"], field
        assert "default" in schema, field
        if schema.get("type") in {"integer", "number"}:
            assert schema["minimum"] <= schema["default"] <= schema["maximum"], field
    json.dumps(shown)


def test_show_when_read_by_a_person_then_a_row_for_each_parameter(candela: Command) -> None:
    out = candela("show", "ma_cross").out
    for word in ("fast", "slow", "kind", "short", "10000", "simple, exponential", "bars"):
        assert word in out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["check", "macross"], "unknown_strategy"),
        (["check", "ma_cross", "-p", "fast=300"], "bad_parameters"),
        (["check", "ma_cross", "-t", "1h"], "bad_option"),
        (["show", "absent.py"], "strategy_file_broken"),
    ],
)
def test_command_when_asked_for_what_is_not_there_then_one_error(
    candela: Command, words: list[str], code: str
) -> None:
    ran = candela(*words, "--json")
    assert ran.code != 0
    assert ran.data["error"]["code"] == code
    assert ran.data["error"]["hint"]


def test_check_when_instrument_is_named_then_stored_candles_are_used(
    command_line: Command, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "hours.parquet"
    pl.read_parquet(SAMPLE / "BTC-EUR_1h.parquet").head(2_000).write_parquet(path)
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        import_file(connection, path, ReadOptions(), clock=SystemClock())
    words = ("strategy", "check", "ma_cross", "-i", "bitvavo:BTC/EUR", "-t", "4h", "--json")
    ran = command_line(*words, "-p", "fast=5", "-p", "slow=20")
    assert ran.code == 0, ran.out
    assert (ran.data["bars"], ran.data["timeframe"]) == (500, "4h")
    gone = command_line("strategy", "check", "ma_cross", "-i", "bitvavo:XRP/EUR", "--json")
    assert gone.data["error"]["code"]
    assert gone.code == 1


def test_check_when_strategy_reads_another_instrument_then_brought_beside(
    candela: Command, tmp_path: Path
) -> None:
    candela("new", "my_rule")
    path = tmp_path / "strategies" / "my_rule.py"
    text = path.read_text(encoding="utf-8")
    for old, new in (
        ("p.window + TIES)", 'p.window + TIES, reads=lambda p: ("bitvavo:ETH/EUR",))'),
        (
            "cross = Cross(bars.close, level)",
            'cross = Cross(bars.other("bitvavo:ETH/EUR").close, level)',
        ),
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    ran = candela("check", "my_rule", "--json")
    assert ran.code == 0, ran.out


def test_sample_when_not_shipped_then_error_names_what_is() -> None:
    with pytest.raises(NoSample, match="bitvavo:BTC/EUR"):
        sample_bars("kraken:BTC/EUR")
