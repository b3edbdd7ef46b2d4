"""The points of a sweep: counted without being held, valid, in an order that a seed repeats."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.sweep.axes import Axis, BadAxis, axes_of
from backtest.sweep.space import NoPoint, Space, grid_plan, random_plan
from strategies.conditions import TIES
from strategies.definition import BadParameters
from strategies.ma_cross import ma_cross

VALUES = st.lists(st.integers(3, 60), min_size=1, max_size=8, unique=True)


def space(*axes: str, **fixed: object) -> Space:
    return Space(ma_cross, axes_of(ma_cross, axes), fixed)


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES, st.integers(1, 20))
def test_grid_when_cut_anyhow_then_every_valid_point_comes_once(
    fast: list[int], slow: list[int], chunk: int
) -> None:
    wanted = {(one, other) for one in fast for other in slow if one < other}
    made = Space(
        ma_cross,
        (Axis(name="fast", values=tuple(sorted(fast))), Axis(name="slow", values=tuple(slow))),
        {},
    )
    if not wanted:
        with pytest.raises(NoPoint):
            grid_plan(made, chunk)
        return
    plan = grid_plan(made, chunk)
    chunks = list(plan.chunks(set()))
    points = [(point["fast"], point["slow"]) for one in chunks for point in one.points]
    assert len(points) == len(set(points)) == plan.total
    assert set(points) == wanted
    assert plan.skipped == len(fast) * len(slow) - len(wanted)
    assert [one.first for one in chunks] == [
        sum(len(before.points) for before in chunks[:place]) for place in range(len(chunks))
    ]
    assert plan.points_of({one.number for one in chunks}) == plan.total


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 40))
def test_random_when_drawn_then_valid_without_repeats_and_repeatable(
    seed: int, trials: int
) -> None:
    made = space("fast=5:25:5", "slow=20:60:10")
    drawn = [
        [
            tuple(point.values())
            for one in random_plan(made, 7, trials, seed).chunks(set())
            for point in one.points
        ]
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == len(drawn[0]) == min(trials, 23)
    assert all(int(fast) < int(slow) for fast, slow in drawn[0])


def test_random_when_the_space_is_vast_then_points_are_drawn_without_being_listed() -> None:
    made = space("fast=5:4000:1", "slow=20:9000:1", "stop_loss=0.001:0.9:0.0001")
    assert made.size > 10**11
    (chunk,) = random_plan(made, 100, 50, 3).chunks(set())
    assert len({tuple(point.values()) for point in chunk.points}) == 50


def test_space_when_too_vast_to_count_then_refused() -> None:
    with pytest.raises(BadAxis, match="combinations"):
        space(
            "fast=5:4000:1",
            "slow=20:9000:1",
            *(f"{name}=0.00001:0.9:0.00001" for name in ("stop_loss", "take_profit")),
            "kind",
            "short",
        )


def test_chunks_when_some_are_done_then_only_the_others_come() -> None:
    plan = grid_plan(space("fast=5:25:5", "slow=20:60:10"), 5)
    assert [chunk.number for chunk in plan.chunks({0, 2})] == [1, 3, 4]


def test_space_when_a_fixed_value_contradicts_a_default_then_points_decide() -> None:
    made = space("fast=3:12:3", slow=10)
    assert grid_plan(made, 10).total == 3
    assert made.some_point() in [made.point(number) for number in range(3)]


def test_space_when_a_fixed_parameter_is_unknown_or_out_of_bounds_then_refused() -> None:
    with pytest.raises(BadParameters, match="no parameter slwo"):
        space("fast=3:12:3", slwo=10)
    with pytest.raises(BadAxis, match="slow=1"):
        space("fast=3:12:3", slow=1)


def test_space_when_nothing_is_valid_then_says_why() -> None:
    with pytest.raises(NoPoint, match="fast=30 is not below slow=20"):
        grid_plan(space("fast=30:40:5", "slow=20"), 10)


def test_warm_up_when_asked_then_it_is_that_of_the_slowest_point() -> None:
    assert space("fast=5:25:5", "slow=20:60:10").warm_up() == 60 + 1 + TIES
