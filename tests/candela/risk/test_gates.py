"""Gates: comparisons, what is unknown, and what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from candela.gates import ask, first_refusal, holds

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "below", "equal", "above"),
    [
        ("at_most", True, True, False),
        ("below", True, False, False),
        ("at_least", False, True, True),
        ("above", False, False, True),
    ],
)
def test_comparison_when_below_equal_or_above_then_as_its_name_says(
    rule: Any, *, below: bool, equal: bool, above: bool
) -> None:
    values = (Decimal("1.9"), Decimal("2.0"), Decimal("2.1"))
    assert tuple(holds(value, rule, 2) for value in values) == (below, equal, above)
    instants = (NOW - timedelta(microseconds=1), NOW, NOW + timedelta(microseconds=1))
    assert tuple(holds(value, rule, NOW) for value in instants) == (below, equal, above)


def test_value_when_unknown_then_passes_no_limit() -> None:
    for rule in ("at_most", "at_least", "equal"):
        assert not holds(None, rule, 1)
        assert holds(None, rule, None)
        assert holds(7, rule, None)


def test_values_when_of_two_kinds_then_a_mistake_of_the_caller() -> None:
    for value, limit in (("1", 1), (NOW, 1), (1, ("1",))):
        with pytest.raises(TypeError):
            holds(value, "at_most", limit)
    with pytest.raises(TypeError):
        holds("paper", "one_of", "paper")


def test_gate_when_stored_then_exact_and_in_words() -> None:
    gate = ask(
        "cost", Decimal("1E+3"), "at_most", Decimal("0.10"), "costs {value}, at most {limit}"
    )
    assert gate.as_dict() == {
        "gate": "cost",
        "passed": False,
        "value": "1000",
        "rule": "at_most",
        "limit": "0.1",
        "words": "costs 1000, at most 0.1",
    }
    told = ask("mode", "live", "one_of", ("paper", "demo"), "{value} of {limit}: a {brace}")
    assert told.words == "live of paper, demo: a {brace}"
    assert ask("x", None, "at_most", None, "{value} to {limit}").words == "unknown to none"


def test_first_refusal_when_several_fail_then_the_first_in_order() -> None:
    gates = [ask(name, value, "at_most", 1, "") for name, value in (("a", 1), ("b", 2), ("c", 3))]
    refused = first_refusal(gates)
    assert refused is not None
    assert refused.name == "b"
    assert first_refusal(gates[:1]) is None
