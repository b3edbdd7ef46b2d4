"""Plans that connections keep, and what of them a request that was given up leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.kit import reading

if TYPE_CHECKING:
    from tests.fixtures.api import Person


def test_plan_when_a_request_was_given_up_before_it_was_noted_then_the_next_one_uses_it(
    person: Person,
) -> None:
    assert person.get("/trades").status_code == 200
    assert any(reading._KEPT.values())
    # What a cancellation between the answer of the server and the next line leaves.
    for kept in reading._KEPT.values():
        kept.clear()
    for _ in range(3):
        assert person.get("/trades").status_code == 200
