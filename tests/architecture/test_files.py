"""What no file of the project may hold: places of one machine, hosts of registries (ADR 0005)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, tracked_files

# Written with escapes, so that this file passes its own rules.
RULES = {
    "a folder of somebody's machine": re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work)/(?=\w)"),
    "the host of a package registry": re.compile(
        r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.|registry\.yarnpkg\.)"
    ),
    "a merge left undone": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}
BINARY = {".parquet", ".png", ".gz", ".zst", ".ico", ".woff2"}


def text_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix not in BINARY]


@pytest.mark.parametrize("rule", RULES)
def test_tracked_file_holds_nothing_foreign(rule: str) -> None:
    found: list[str] = []
    for path in text_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        for match in RULES[rule].finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {match[0]!r}")
    assert found == []


def test_tracked_file_is_always_small() -> None:
    largest = {
        str(path.relative_to(ROOT)): path.stat().st_size
        for path in tracked_files()
        if path.stat().st_size > 1_000_000
    }
    assert largest == {}


def test_sample_ships_with_licence_and_sources() -> None:
    sample = ROOT / "data" / "sample"
    licence = (sample / "LICENSE").read_text(encoding="utf-8")
    readme = (sample / "README.md").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "coding-kitties/investing-algorithm-framework" in readme
    assert "QuantConnect/Lean" in readme
    unnamed = [path.name for path in sample.glob("*.parquet") if path.name not in readme]
    assert unnamed == []
