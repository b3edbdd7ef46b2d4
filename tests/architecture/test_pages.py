"""Pages keep their promises: what they link to, name and command is there (ADR 0004)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, tracked_files

PAGES = [path for path in tracked_files() if path.suffix == ".md"]
DECISIONS = ROOT / "docs" / "decisions"
PARTS = ["Context", "Decision", "Consequences", "Weighed and left", "Held by"]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_links_only_to_what_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_names_only_files_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names = re.findall(
        r"`((?:candela|pipelines|tests|sql|docs|deploy|notebooks|data)/[\w./-]+)`", text
    )
    made_later = {"deploy/.env", "deploy/secrets", "docs/decisions"}
    assert [name for name in names if name not in made_later and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_commands_only_targets_of_the_makefile(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    asked = re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)
    assert [target for target in asked if target not in targets] == []


def test_decision_always_has_every_part_and_stands_in_the_index() -> None:
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == PARTS, page.name
        assert text.startswith(f"# {page.name[:4]} "), page.name
        assert f"({page.name})" in index, page.name


def test_decision_named_by_a_test_is_always_there() -> None:
    numbers = {page.name[:4] for page in DECISIONS.glob("[0-9]*.md")}
    unknown = {
        f"{named(path)}: ADR {number}"
        for path in tracked_files()
        if path.suffix in {".py", ".toml", ".sql"}
        for number in re.findall(r"ADR (\d{4})", path.read_text(encoding="utf-8"))
        if number not in numbers
    }
    assert unknown == set()
