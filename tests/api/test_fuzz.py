"""Whatever is sent to whichever route: 4xx with a problem, never 5xx, nothing undocumented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.fuzz import fuzz
from bench.fuzz_world import world

if TYPE_CHECKING:
    from candela.db.connect import Database


# The fuzzer draws from a generator of its own inside of strategies.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_routes_when_fuzzed_as_nobody_user_and_administrator_then_they_keep_the_document(
    database: Database, redis_url: str
) -> None:
    """S36: each operation by one of the three; all by all: python -m bench.fuzz."""
    with world(database, redis_url) as made:
        drawn = ("examples", "fuzzing", "stateful")
        people = made.identities()
        found = fuzz(made.address, made.document, people, examples=1, phases=drawn, split=3)
        # Bounds are many: of every fourth operation here, of all of them in the long form.
        bounds = fuzz(
            made.address, made.document, people, examples=1, phases=("coverage",), split=12
        )
    wrong = found.wrong() + bounds.wrong()
    assert wrong == [], "\n".join(wrong)
    assert len(found.operations) > 140
    assert min(bounds.of(0)[name] for name in ("nobody", "user", "admin")) > 300
    assert found.of(1)["stateful"] > 0
    statuses = found.statuses + bounds.statuses
    assert min(statuses[status] for status in (200, 401, 403, 404, 422)) > 0
