"""docs/reference says what the code says; every error has a code of its own (ADR 0004)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter

import pytest

from docs.generate import PAGES, REFERENCE, error_classes
from tests.architecture.tree import ROOT, module_files, parsed

MEND = "run `make docs`"

# Signals between two modules of one room, which no caller of the room ever sees.
INTERNAL = {"Found", "ShapeError"}


@pytest.mark.parametrize("page", sorted(PAGES.keys() - {"assets.md"}))
def test_reference_page_always_equals_what_the_code_says(page: str) -> None:
    assert (REFERENCE / page).read_text(encoding="utf-8") == PAGES[page](), MEND


def test_reference_of_assets_always_equals_what_the_code_says() -> None:
    # Another process: loading the code location brings libraries that warn and stay.
    code = "import sys; from docs.generate import PAGES; sys.stdout.write(PAGES['assets.md']())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (REFERENCE / "assets.md").read_text(encoding="utf-8") == done.stdout, MEND


def test_reference_index_names_every_page() -> None:
    index = (REFERENCE / "README.md").read_text(encoding="utf-8")
    missing = [page.name for page in REFERENCE.glob("*.md") if f"({page.name})" not in index]
    assert missing == ["README.md"]


def test_error_class_always_declares_a_code_of_its_own() -> None:
    without = [f"{error.module}.{error.name}" for error in error_classes() if not error.code]
    assert without == []
    codes = Counter(error.code for error in error_classes())
    assert [code for code, count in codes.items() if count > 1] == []


def test_error_class_name_is_never_used_twice() -> None:
    errors = {error.name for error in error_classes()}
    names = Counter(
        node.name
        for path in module_files("candela", "pipelines")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and node.name in errors
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_exception_of_ours_is_always_in_the_error_tree() -> None:
    tree = {error.name for error in error_classes()}
    outside = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in module_files("candela", "pipelines")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        and {"Exception", "RuntimeError", "ValueError", "OSError"}
        & {ast.unparse(base) for base in node.bases}
        and node.name not in tree | INTERNAL
    ]
    assert outside == []
