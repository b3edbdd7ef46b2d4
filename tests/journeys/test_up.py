"""A person's first minute: `candela up` on an empty state folder, and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.fixtures.candles import SAMPLE

if TYPE_CHECKING:
    from pathlib import Path


def up(state_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CANDELA_")}
    return subprocess.run(
        [sys.executable, "-m", "candela.commands.app", "up", "--no-ui", *words],
        env=kept | {"CANDELA_STATE_DIR": str(state_dir)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_up_when_called_twice_then_the_sample_is_there_and_the_second_changes_nothing(
    state_dir: Path,
) -> None:
    first = up(state_dir, "--json")
    assert first.returncode == 0, first.stderr
    data: dict[str, Any] = json.loads(first.stdout)
    assert data["partitions"] == {"done": 51, "failed": 0, "current": 0, "waiting": 0}
    rows = {(one["instrument"], one["timeframe"]): one["rows"] for one in data["series"]}
    wanted: dict[tuple[str, str], int] = {}
    for path in SAMPLE.glob("*.parquet"):
        frame = pl.read_parquet(path)
        name = f"{frame['exchange'][0]}:{frame['symbol'][0]}"
        wanted[name, "1h" if "1h" in path.name else "1m"] = frame.height
    assert rows == wanted
    assert sum(one["new"] for one in data["runs"]) == sum(wanted.values())
    assert (data["refused"], data["unreadable"]) == ([], [])
    assert sum(one["gaps"] for one in data["gaps"]["by_reason"].values()) > 0
    assert data["rollups"]["candles"]["4h"] > 0

    second = up(state_dir)
    assert second.returncode == 0, second.stderr
    assert "Nothing to do: all 51 partitions are as their sources are." in second.stdout
    assert "17,505" in second.stdout
    third = json.loads(up(state_dir, "--json").stdout)
    assert (third["runs"], third["partitions"]["current"]) == ([], 51)
    assert third["series"] == data["series"]
    assert third["seconds"] < data["seconds"]
