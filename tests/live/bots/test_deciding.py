"""The decision of a live bot is that of the fill model, as far as a spot account can follow it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candela.fills.decide import ENTRY, EXIT, REVERSE
from candela.fills.decide import decide as decide_compiled
from candela.fills.model import FillModel
from candela.fills.state import new_state, packed_terms
from live.bots.conditions import Conditions, SignalBar
from live.bots.deciding import decide, decide_bar


@given(
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    is_held=st.booleans(),
    legs=st.integers(0, 4),
    most=st.integers(1, 4),
)
def test_decide_on_any_conditions_is_what_the_fill_model_decides(
    flags: tuple[bool, bool, bool, bool],
    is_held: bool,  # noqa: FBT001
    legs: int,
    most: int,
) -> None:
    state = new_state(1_000.0)[0]
    state["units"], state["legs"] = (2.0, max(legs, 1)) if is_held else (0.0, 0)
    order = decide_compiled(state, packed_terms(FillModel(), most)[0], *flags)
    said = Conditions(
        long_entry=flags[0],
        long_exit=flags[1],
        short_entry=flags[2],
        short_exit=flags[3],
        legs=most,
    )

    wanted = decide(is_held, max(legs, 1) if is_held else 0, said)

    if order == ENTRY:
        # A spot account cannot open a short.
        opens = "nothing" if state["side"] < 0 else "add" if is_held else "enter"
        assert wanted.action == opens
    elif order in {EXIT, REVERSE}:
        assert (wanted.action, wanted.fraction) == ("exit", 1.0)
    else:
        assert wanted.action == "nothing"


@pytest.mark.parametrize(
    ("fraction", "expected"), [(math.nan, 1.0), (0.25, 0.25), (1.0, 1.0), (7.0, 1.0)]
)
def test_decide_on_an_exit_with_a_share_then_that_share_is_sold(
    fraction: float, expected: float
) -> None:
    wanted = decide(is_held=True, legs=1, said=Conditions(long_exit=True, exit_fraction=fraction))

    assert (wanted.action, wanted.fraction) == ("exit", expected)


def test_decide_on_a_short_entry_with_a_share_of_exit_then_all_is_sold() -> None:
    said = Conditions(short_entry=True, exit_fraction=0.5)

    assert decide(is_held=True, legs=1, said=said).fraction == 1.0


@pytest.mark.parametrize("status", ["missing_bar", "quarantined_bar", "stale_bar", "failed"])
@pytest.mark.parametrize("policy", ["skip", "hold", "flatten"])
@pytest.mark.parametrize("is_held", [True, False])
def test_decide_bar_when_the_bar_is_bad_then_only_flatten_sells(
    status: str, policy: str, *, is_held: bool
) -> None:
    bar = SignalBar(
        definition_id="d",
        bar_at=datetime(2024, 1, 1, tzinfo=UTC),
        interval=timedelta(minutes=1),
        status=status,  # pyright: ignore[reportArgumentType]
        conditions=Conditions(long_entry=True, long_exit=False),
    )

    wanted = decide_bar(is_held, 1, bar, policy)  # pyright: ignore[reportArgumentType]

    if policy == "flatten" and is_held:
        assert (wanted.action, wanted.reason) == ("exit", "data")
    else:
        assert wanted.action == "nothing"


def test_read_when_numbers_are_null_then_they_are_not_given() -> None:
    said = Conditions.read({"long_entry": True, "size": None, "close": 5, "legs": None})

    assert (said.long_entry, said.long_exit, said.close, said.legs) == (True, False, 5.0, 1)
    assert math.isnan(said.size)
