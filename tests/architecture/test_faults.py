"""The page of faults keeps its word: each fault is held by tests that are there."""

from __future__ import annotations

import re

from tests.architecture.tree import ROOT

PAGE = ROOT / "docs" / "reference" / "faults.md"


def test_page_of_faults_always_has_a_row_for_each_with_a_test() -> None:
    rows = re.findall(
        r"^\| (F\d\d) \|.*::\w+`.*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert rows == [f"F{number:02}" for number in range(1, 45)]


def test_page_of_faults_always_names_tests_that_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) >= 44
    gone = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).exists()
        or f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert gone == []
