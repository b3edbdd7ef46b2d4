"""Strategies: what is installed, and that a name is never more than a name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.api.bots.making import make

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.api import Api, Person

OWN = '''"""A rule of the operator's own."""

from strategies.bars import Bars
from strategies.definition import Parameters, parameter, strategy
from strategies.signals import Signals


class Own(Parameters):
    """One number."""

    bars: int = parameter(3, "Bars.", ge=1, le=9)


@strategy(name="own_rule", parameters=Own, warm_up=lambda parameters: parameters.bars)
def own_rule(bars: Bars, parameters: Own) -> Signals:
    """Never trade."""
    return Signals(long_entries=bars.close < 0)
'''


def test_list_shows_every_strategy_with_its_schema(person: Person) -> None:
    found = {one["name"]: one for one in person.get("/strategies").json()}
    assert {"ma_cross", "rsi_payout", "mtf_trend"} <= set(found)
    assert found["ma_cross"]["parameters"]["properties"]["fast"]["default"] == 20
    assert found["rsi_payout"]["kind"] == "fixed_payout"
    assert found["mtf_trend"]["timeframes"] == 2
    one = person.get("/strategies/ma_cross")
    assert one.json() == found["ma_cross"]
    assert person.get("/strategies/ma_cross/schema").json() == found["ma_cross"]["parameters"]
    assert person.get("/strategies/ma_crossing").status_code == 404


def test_validate_names_each_field_with_a_value_that_passes(person: Person) -> None:
    path = "/strategies/ma_cross/validate"
    good = person.post(path, json={"parameters": {"fast": 5}}).json()
    assert (good["is_valid"], good["parameters"]["slow"], good["warm_up"] > 100) == (
        True,
        100,
        True,
    )
    bad = person.post(path, json={"parameters": {"fast": 1, "slow": "x", "odd": 1}}).json()
    assert not bad["is_valid"]
    assert {one["field"]: one["passing"] for one in bad["faults"]} == {
        "fast": 20,
        "slow": 100,
        "odd": None,
    }


@pytest.mark.parametrize(
    "name",
    [
        "own.py",
        "../own",
        "own.py:own_rule",
        "os.system",
        "__import__('os')",
        "strategies.ma_cross",
        "{{7*7}}",
    ],
    ids=["file", "parent", "member", "module", "expression", "package", "template"],
)
def test_s34_name_of_a_strategy_never_reaches_a_file_an_import_or_an_evaluation(
    person: Person, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S34: nothing in a body is run; only what the operator installed is a strategy."""
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n" + OWN)
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    before = set(sys.modules)
    for text in (name, str(tmp_path / name)):
        found = make(person, config={"strategy": text})
        assert (found.status_code, found.json()["code"]) == (422, "config_refused")
        assert found.json()["faults"][0]["field"] == "body.config.strategy"
    code = "__import__('pathlib').Path('ran').touch()"
    odd = make(person, config={"parameters": {"fast": code, "kind": {"$ref": code}}})
    assert odd.status_code == 422
    assert not list(tmp_path.rglob("ran"))
    assert not any("user_strategy" in one or one == "own" for one in set(sys.modules) - before)


def test_strategy_that_the_operator_installed_is_listed_and_runs(
    api: Api, person: Person, tmp_path: Path
) -> None:
    (tmp_path / "own_rule.py").write_text(OWN)
    # The options are frozen for everybody else: one process has one folder.
    object.__setattr__(api.state.options, "strategies_dir", tmp_path)
    found = {one["name"]: one for one in person.get("/strategies").json()}
    assert not found["own_rule"]["is_shipped"]
    bot = make(person, config={"strategy": "own_rule", "parameters": {"bars": 2}})
    assert bot.status_code == 201, bot.text
    refused = make(person, "two", config={"strategy": "own_rule", "parameters": {"bars": 10}})
    assert refused.json()["faults"][0]["field"] == "body.config.parameters.bars"
