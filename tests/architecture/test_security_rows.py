"""Every row of the security specification is held by a test whose docstring or comment names it."""

from __future__ import annotations

import ast
import re

from tests.architecture.tree import ROOT

ROWS = {f"S{number:02}" for number in (*range(1, 33), *range(36, 40))}
# Rows of things that are not there: a test comes with the thing.
WITHOUT = {
    "S25": "no address of a user's is ever called: there are no webhooks out",
}
_ROW = re.compile(r"\bS[0-9]{2}\b")


def rows_named() -> set[str]:
    """Return the rows that docstrings of tests and of their modules name."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        if path.name == "test_security_rows.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                found.update(_ROW.findall(ast.get_docstring(node) or ""))
    return found


def test_row_of_the_specification_always_has_a_test_that_names_it() -> None:
    named = rows_named()
    assert sorted(ROWS - named - set(WITHOUT)) == []
    assert sorted(named & set(WITHOUT)) == [], "it has a test now: take it out of WITHOUT"
