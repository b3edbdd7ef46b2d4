"""Strategies are found by name, in a folder and in a file; what is wrong with one is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from candela.errors import CandelaError
from strategies.purity import ImpureStrategy
from strategies.registry import (
    SHIPPED,
    NoStrategy,
    StrategyFileBroken,
    StrategyNameTaken,
    UnknownStrategy,
    find,
    in_file,
    in_folder,
    shipped,
)
from strategies.sample import sample_bars
from strategies.template import template, write_template

TWO = template("one") + template("two").partition("from strategies.signals import Signals")[2]


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_strategies_when_listed_then_each_is_found_by_its_name() -> None:
    assert [one.name for one in shipped()] == list(SHIPPED)
    for one in shipped():
        assert find(one.name) is one
        assert one.source, one.name
        assert one.summary.endswith("."), one.name


def test_own_strategy_when_written_then_found_by_name_and_by_file(tmp_path: Path) -> None:
    path = write_template("my_rule", tmp_path)
    by_name = find("my_rule", folder=tmp_path)
    assert by_name is find(str(path)) is find(f"{path}:my_rule")
    assert by_name.source_text == path.read_text(encoding="utf-8")
    bars = sample_bars()[:500]
    assert by_name.signals(bars, by_name.with_values()).rows("long_entries", 500).size > 0


def test_own_strategy_when_edited_then_the_new_text_is_loaded(tmp_path: Path) -> None:
    path = write_template("my_rule", tmp_path)
    before = find(str(path))
    put(tmp_path, "my_rule.py", template("my_rule").replace("parameter(50", "parameter(60"))
    after = find(str(path))
    assert before.with_values().model_dump()["window"] == 50
    assert after.with_values().model_dump()["window"] == 60
    assert before.source_digest != after.source_digest


def test_files_of_one_name_when_loaded_then_neither_stands_in_for_the_other(tmp_path: Path) -> None:
    known = set(sys.modules)
    for place, name in (("a", "json"), ("b", "json")):
        (tmp_path / place).mkdir()
        put(tmp_path / place, f"{name}.py", template(f"rule_{place}"))
    first, second = (in_file(tmp_path / place / "json.py")[0] for place in "ab")
    assert (first.name, second.name) == ("rule_a", "rule_b")
    new = {name for name in set(sys.modules) - known if "candela_user_strategy" not in name}
    assert new == set()
    assert sys.modules["json"] is json


def test_name_when_unknown_then_near_ones_are_offered(tmp_path: Path) -> None:
    write_template("my_rule", tmp_path)
    with pytest.raises(UnknownStrategy, match="ma_cross"):
        find("macross")
    with pytest.raises(UnknownStrategy, match="my_rule"):
        find("myrule", folder=tmp_path)
    with pytest.raises(UnknownStrategy, match="There are: ma_cross, rsi_reversion"):
        find("zzzz", folder=tmp_path / "absent")


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("def rule(:\n", StrategyFileBroken, "line 1"),
        ("import math\n\nmath.sqrt(-1)\n", StrategyFileBroken, "line 3: ValueError"),
        ("import math\n\nraise SystemExit(3)\n", StrategyFileBroken, "line 3: SystemExit"),
        ("\n\nimport strategies.no_such_module\n", StrategyFileBroken, "line 3"),
        ("import numpy as np\n", NoStrategy, "defines no strategy"),
        ("import socket\n", ImpureStrategy, "line 1 imports socket"),
        (TWO, NoStrategy, "defines 2 strategies"),
        (TWO.replace('"two"', '"one"'), StrategyNameTaken, "line 19 and in line"),
        ("x = '\0'", StrategyFileBroken, "line 1"),
    ],
    ids=["syntax", "raises", "exits", "import", "none", "impure", "two", "twice", "nul"],
)
def test_file_when_faulty_then_one_error_names_file_and_line(
    tmp_path: Path, text: str, error: type[CandelaError], said: str
) -> None:
    path = put(tmp_path, "rule.py", text)
    with pytest.raises(error) as raised:
        find(str(path))
    assert said in str(raised.value)
    assert "rule.py" in str(raised.value)
    assert raised.value.hint
    assert not [name for name in sys.modules if name.startswith("rule")]


def test_file_when_absent_or_no_text_then_error_names_it(tmp_path: Path) -> None:
    with pytest.raises(StrategyFileBroken, match=r"absent\.py cannot be read"):
        find(str(tmp_path / "absent.py"))
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StrategyFileBroken, match=r"bytes\.py cannot be read"):
        find(str(tmp_path / "bytes.py"))


def test_file_of_two_when_one_is_named_then_that_is_found(tmp_path: Path) -> None:
    path = put(tmp_path, "pair.py", TWO)
    assert find(f"{path}:two").name == "two"
    with pytest.raises(NoStrategy, match="It defines: one, two"):
        find(f"{path}:three")


def test_folder_when_a_name_is_taken_then_refused(tmp_path: Path) -> None:
    put(tmp_path, "a.py", template("rule"))
    put(tmp_path, "b.py", template("rule"))
    with pytest.raises(StrategyNameTaken, match=r"b\.py defines rule, and so does .*a\.py"):
        in_folder(tmp_path)
    put(tmp_path, "b.py", template("rule").replace('name="rule"', 'name="ma_cross"'))
    with pytest.raises(StrategyNameTaken, match="ships with Candela"):
        in_folder(tmp_path)


def test_other_file_when_broken_then_named_strategy_is_still_found(tmp_path: Path) -> None:
    write_template("fine", tmp_path)
    put(tmp_path, "broken.py", "def\n")
    assert find("fine", folder=tmp_path).name == "fine"
    assert find("ma_cross", folder=tmp_path).name == "ma_cross"
