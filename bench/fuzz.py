"""Fuzzing every operation of the document: `python -m bench.fuzz --cases 10000`.

Three identities go through four phases: the document's examples, one case for each bound and each
way of breaking it, generated data, and sequences in which an answer feeds the next request. Every
answer is held against the document: status, media type, headers, the schema of its body.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import schemathesis
from schemathesis.engine import from_schema
from schemathesis.engine.events import NonFatalError, ScenarioFinished

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PHASES", "Fuzzed", "Identity", "fuzz"]

PHASES: Final = ("examples", "coverage", "fuzzing", "stateful")
_UNAUTHENTICATED: Final = 401
_SERVER_ERROR: Final = 500
_CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
# What any path may answer to what its document does not name: see api/handlers.py.
_STEPS: Final = 6


@dataclass(slots=True)
class Identity:
    """Somebody who asks; when the session has ended, somebody new of the same kind goes on.

    Parameters
    ----------
    renew
        Gives a token; None: nobody, who has none.
    """

    name: str
    renew: Callable[[], str] | None = None
    token: str | None = None
    renewed: int = 0

    def get(self, _case: Any, _context: Any) -> str | None:
        """Return the token, as the fuzzer asks for it before each request."""
        if self.token is None and self.renew is not None:
            self.token = self.renew()
            self.renewed += 1
        return self.token

    def set(self, case: Any, token: str, _context: Any) -> None:
        """Put the token into a request."""
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}

    def look(self, answer: Any) -> None:
        """Give the token up once it is refused."""
        sent = answer.request.headers.get("Authorization")
        if answer.status_code == _UNAUTHENTICATED and sent == f"Bearer {self.token}":
            self.token = None


@dataclass(slots=True)
class Fuzzed:
    """What came of it.

    Parameters
    ----------
    cases
        By identity and phase: requests that were answered.
    failures
        By check: each once, with a request that shows it.
    """

    cases: collections.Counter[tuple[str, str]] = field(
        default_factory=collections.Counter[tuple[str, str]]
    )
    statuses: collections.Counter[int] = field(default_factory=collections.Counter[int])
    operations: set[str] = field(default_factory=set[str])
    failures: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    errors: list[str] = field(default_factory=list[str])
    took_s: float = 0.0

    @property
    def total(self) -> int:
        """Return how many requests were answered."""
        return sum(self.cases.values())

    def of(self, place: int) -> dict[str, int]:
        """Return cases by identity (0) or by phase (1)."""
        counts: collections.Counter[str] = collections.Counter()
        for key, count in self.cases.items():
            counts[key[place]] += count
        return dict(counts)

    def wrong(self) -> list[str]:
        """Return every finding as a text."""
        return [
            f"{check}: {text}" for check, found in self.failures.items() for text in found.values()
        ] + self.errors


def fuzz(  # noqa: PLR0913 - each is its own
    address: str,
    document: Mapping[str, Any],
    identities: list[Identity],
    *,
    examples: int,
    phases: tuple[str, ...] = PHASES,
    split: bool = False,
    seed: int = 1,
    before: Callable[[], None] = lambda: None,
) -> Fuzzed:
    """Send generated requests to every operation of what is served at an address.

    Parameters
    ----------
    examples
        Of generated data for each operation and identity, and sequences for each identity.
    split
        Whether each operation is asked by one identity alone, in turn.
    before
        Called before each request, so that no rate limit answers for the route.
    """
    fuzzed, began = Fuzzed(), time.perf_counter()
    for number, identity in enumerate(identities):
        schema: Any = schemathesis.openapi.from_dict(
            dict(document), config=_config(address, examples, phases, seed + number)
        )
        if split:
            chosen = {
                one.ok().label
                for place, one in enumerate(schema.get_all_operations())
                if place % len(identities) == number
            }
            schema = schema.include(lambda given, labels=chosen: given.operation.label in labels)
        _hook(schema, identity, before)
        for event in from_schema(schema).execute():
            _take(fuzzed, identity.name, event)
    fuzzed.took_s = time.perf_counter() - began
    return fuzzed


def _config(address: str, examples: int, phases: tuple[str, ...], seed: int) -> Any:
    given = {
        "seed": seed,
        "base-url": address,
        "workers": 1,
        "continue-on-failure": True,
        "cache": {"enabled": False},
        "suppress-health-check": ["all"],
        "generation": {
            "max-examples": examples,
            "no-shrink": True,
            "database": "none",
            "mode": "all",
        },
        "checks": {"enabled": False}
        | {name: {"enabled": True} for name in _CHECKS}
        | {
            # Rules beyond a schema refuse with 409 or 422; the problem says which: see _keep.
            "positive_data_acceptance": {
                "enabled": True,
                "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "422", "429"],
            },
        },
        "phases": {name: {"enabled": name in phases} for name in PHASES},
    }
    given["phases"]["stateful"]["max-steps"] = _STEPS
    return schemathesis.Config.from_dict(given)


def _hook(schema: Any, identity: Identity, before: Callable[[], None]) -> None:
    def before_call(_context: Any, _case: Any, _kwargs: Any) -> None:
        before()

    def after_call(_context: Any, _case: Any, response: Any) -> None:
        identity.look(response)

    schema.hooks.register("before_call")(before_call)
    schema.hooks.register("after_call")(after_call)
    if identity.renew is not None:
        schema.auth.set_from_instance(identity) if hasattr(
            schema.auth, "set_from_instance"
        ) else schema.auth(refresh_interval=None)(lambda: identity)


def _take(fuzzed: Fuzzed, identity: str, event: Any) -> None:
    if isinstance(event, NonFatalError):
        fuzzed.errors.append(f"{event.label}: {event.value!r:.300}")
    if not isinstance(event, ScenarioFinished):
        return
    phase = str(event.phase.value)
    for case_id, done in event.recorder.interactions.items():
        if done.response is None:
            fuzzed.errors.append(f"{event.recorder.label}: no answer")
            continue
        fuzzed.cases[identity, phase] += 1
        fuzzed.statuses[done.response.status_code] += 1
        case = event.recorder.cases.get(case_id)
        fuzzed.operations.add(case.value.operation.label if case else event.recorder.label)
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                _fail(fuzzed, identity, event.recorder, case_id, check)


def _fail(fuzzed: Fuzzed, identity: str, recorder: Any, case_id: str, check: Any) -> None:
    failure = check.failure_info.failure
    label = failure.operation
    answer = recorder.interactions[failure.case_id or case_id].response
    status = answer.status_code if answer is not None else 0
    said = answer.content[:300].decode("utf-8", "replace") if answer is not None else ""
    text = (
        f"{identity}: {label}: {status}: {failure.title}: {failure.message[:400]!r}\n"
        f"    {said}\n    {check.failure_info.code_sample[:600]}"
    )
    fuzzed.failures.setdefault(check.name, {}).setdefault(f"{label} {status} {failure.title}", text)
