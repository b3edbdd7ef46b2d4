"""The table of OWASP ASVS names tests and pages that are there, and leaves no gap unexplained."""

from __future__ import annotations

from collections import Counter

from docs.asvs_page import files_of_tests, requirements
from tests.architecture.tree import ROOT

# Of the standard's 70 and 183, without the chapters on OAuth (5 and 24) and WebRTC (0 and 7).
OF_LEVEL = {1: 65, 2: 152}


def test_requirements_always_name_tests_and_pages_that_are_there() -> None:
    known = files_of_tests()
    gone = [
        f"{one.number}: {name}"
        for one in requirements()
        for name in one.evidence
        if not (name in known or (ROOT / name).is_file())
    ]
    assert gone == []


def test_requirement_always_has_evidence_or_says_why_not() -> None:
    """Covered takes evidence; in part and not at all take a reason."""
    verdicts = {"yes", "part", "no", "none"}
    wrong = [
        one.number
        for one in requirements()
        if one.verdict not in verdicts
        or (one.verdict in {"yes", "part"}) != bool(one.evidence)
        or (one.verdict in {"no", "none"} and not one.remark)
    ]
    assert wrong == []


def test_requirements_always_are_all_of_both_levels() -> None:
    counts = Counter(one.level for one in requirements())
    assert counts == OF_LEVEL
