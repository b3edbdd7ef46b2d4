"""Reading ahead: the same items in the same order, errors in their turn, and an end in time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from candela.candles.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_prefetch_when_consumed_then_gives_every_item_in_order() -> None:
    assert list(prefetch(range(1_000))) == list(range(1_000))


def test_prefetch_when_producer_fails_then_raises_after_what_came_before() -> None:
    def produce() -> Iterator[int]:
        yield 1
        yield 2
        message = "the file ends here"
        raise ValueError(message)

    seen: list[int] = []
    with pytest.raises(ValueError, match="ends here"):
        seen.extend(prefetch(produce()))
    items = prefetch(produce())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="ends here"):
        next(items)


def test_prefetch_when_consumer_stops_early_then_producer_ends_and_ran_little_ahead() -> None:
    made: list[int] = []

    def produce() -> Iterator[int]:
        for number in range(1_000_000):
            made.append(number)
            yield number

    before = threading.active_count()
    items = prefetch(produce(), depth=2)
    assert next(items) == 0
    items.close()
    assert threading.active_count() == before
    assert len(made) <= 5
