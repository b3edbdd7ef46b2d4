"""The import contracts of pyproject.toml hold, and each catches what it is for (ADR 0001)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, module_files

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

# contract id, file of the project, line added to it
PLANTED = [
    ("rooms", "candela/clock.py", "import pipelines"),
    ("floors", "candela/market/candle.py", "import candela.db"),
    ("floors", "candela/novelty.py", '"""A module that no floor has a place for."""'),
    ("circles", "candela/db/connect.py", "import candela.db.migrate"),
    ("research", "candela/candles/read.py", "import pandas"),
    ("research", "candela/quality/contract.py", "import great_expectations"),
    ("ccxt", "candela/candles/read.py", "import ccxt"),
    ("settings", "candela/db/connect.py", "import candela.settings"),
    ("pure", "strategies/ma_cross.py", "import candela.db.connect"),
    ("pure", "strategies/registry.py", "import httpx"),
    ("talib", "strategies/indicators.py", "import talib"),
]


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=folder, capture_output=True, check=False, text=True
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the rooms and their contracts to where they can be broken."""
    for path in [
        ROOT / "pyproject.toml",
        *module_files("candela", "strategies", "backtest", "pipelines"),
    ]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return tmp_path


def test_rooms_as_they_stand_keep_every_contract() -> None:
    report = checked(ROOT)
    assert report.returncode == 0, report.stdout


@pytest.mark.parametrize(
    ("contract", "file", "line"), PLANTED, ids=[f"{row[0]}-{row[1]}" for row in PLANTED]
)
def test_contract_when_an_import_breaks_it_is_reported(
    copy: Path, contract: str, file: str, line: str
) -> None:
    with (copy / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    report = subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--contract", contract],
        cwd=copy,
        capture_output=True,
        check=False,
        text=True,
    )
    assert report.returncode == 1, report.stdout + report.stderr
    broken = report.stdout.partition("Broken contracts")[2]
    assert Path(file).stem in broken
