"""The reference page of the security requirements: which test holds each one of OWASP ASVS 5.0."""

from __future__ import annotations

import ast
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

__all__ = ["Requirement", "files_of_tests", "page", "requirements"]

ROOT: Final = Path(__file__).resolve().parents[1]
DATA: Final = ROOT / "docs" / "asvs.toml"

Verdict = Literal["yes", "part", "no", "none"]
_WORDS: Final[dict[Verdict, str]] = {
    "yes": "covered",
    "part": "in part",
    "no": "not covered",
    "none": "not applicable",
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """What ASVS asks, and what of it is held by what."""

    number: str
    level: int
    verdict: Verdict
    asks: str
    evidence: tuple[str, ...]
    remark: str

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of tests; what else there is are pages."""
        return tuple(one for one in self.evidence if not one.startswith("docs/"))


def requirements() -> list[Requirement]:
    """Return every requirement, in the order of the standard."""
    return [
        Requirement(number, level, verdict, asks, tuple(evidence), remark)
        for number, (level, verdict, asks, evidence, remark) in _data()["requirements"].items()
    ]


@functools.cache
def files_of_tests() -> dict[str, str]:
    """Return the file of every test, by the test's name."""
    return {
        node.name: path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def page(note: str) -> str:
    """Return the page in Markdown.

    Parameters
    ----------
    note
        What stands below the title: that the page is written by a program.
    """
    every = requirements()
    parts = [
        "# OWASP ASVS 5.0\n\n"
        + note
        + "Requirements of the levels 1 and 2 of the Application Security Verification Standard "
        "5.0.0, which numbers them so; the words are ours. *Covered*: a named test fails when it "
        "breaks, or a page says it where no more than a page is asked for. *In part* and *not "
        "covered* say what is missing. Left out whole: "
        + "; ".join(f"{chapter} ({why})" for chapter, why in _data()["left_out"].items())
        + ".",
        _totals(every),
    ]
    for chapter, title in _data()["chapters"].items():
        own = [one for one in every if one.number.partition(".")[0] == chapter]
        parts.append(
            f"## {chapter} {title}\n\n"
            "| id | level | asks | verdict | held by |\n|---|---|---|---|---|\n"
            + "\n".join(_row(one) for one in own)
        )
    return "\n\n".join(parts) + "\n"


def _totals(every: list[Requirement]) -> str:
    rows: list[str] = []
    for level in (1, 2):
        own = [one for one in every if one.level == level]
        asked = [one for one in own if one.verdict != "none"]
        counts = {verdict: sum(one.verdict == verdict for one in own) for verdict in _WORDS}
        rows.append(
            f"| L{level} | **{counts['yes']} of {len(asked)}** | {counts['part']} | {counts['no']}"
            f" | {counts['none']} | {len(own)} |"
        )
    return (
        "| level | covered, of what applies | in part | not covered | not applicable | all |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def _row(one: Requirement) -> str:
    files = files_of_tests()
    shown = [
        f"[{name.removeprefix('docs/')}](../{name.removeprefix('docs/')})"
        if name.startswith("docs/")
        else f"`{name}` ({files.get(name, 'gone').removeprefix('tests/')})"
        for name in one.evidence
    ]
    held = "<br>".join([*shown, *([one.remark] if one.remark else [])])
    return f"| {one.number} | {one.level} | {one.asks} | {_WORDS[one.verdict]} | {held} |"


@functools.cache
def _data() -> dict[str, Any]:
    return tomllib.loads(DATA.read_text(encoding="utf-8"))
