"""Fuzzing every operation of the document: `python -m bench.fuzz --cases 10000`.

Three identities go through four phases: the document's examples, one case for each bound and each
way of breaking it, generated data, and sequences in which an answer feeds the next request. Every
answer is held against the document: status, media type, headers, the schema of its body.
"""

from __future__ import annotations

import argparse
import collections
import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import schemathesis
from schemathesis.engine import from_schema
from schemathesis.engine.events import NonFatalError, ScenarioFinished

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PHASES", "Fuzzed", "Identity", "fuzz", "summary"]

PHASES: Final = ("examples", "coverage", "fuzzing", "stateful")
_UNAUTHENTICATED: Final = 401
_REFUSED: Final = 400
_ACCEPTANCES: Final = ("2xx", "3xx", "401", "402", "403", "404", "409", "412", "422", "429")
_REFUSALS: Final = ("400", "401", "402", "403", "404", "405", "409", "412", "422", "428", "429")
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


def fuzz(
    address: str,
    document: Mapping[str, Any],
    identities: list[Identity],
    *,
    examples: int,
    phases: tuple[str, ...] = PHASES,
    split: int = 1,
    seed: int = 1,
) -> Fuzzed:
    """Send generated requests to every operation of what is served at an address.

    Parameters
    ----------
    examples
        Of generated data for each operation and identity, and sequences for each identity.
    split
        1: each operation is asked by everybody. n: every nth by the first identity, every nth and
        one by the second, and so on.
    """
    fuzzed, began = Fuzzed(), time.perf_counter()
    for number, identity in enumerate(identities):
        schema: Any = schemathesis.openapi.from_dict(
            dict(document), config=_config(address, examples, phases, seed + number)
        )
        if split > 1:
            schema = schema.include(_portion(schema, split, number))
        _hook(schema, identity)
        for event in from_schema(schema).execute():
            _take(fuzzed, identity.name, event)
    fuzzed.took_s = time.perf_counter() - began
    return fuzzed


def _portion(schema: Any, split: int, number: int) -> Callable[[Any], bool]:
    operations: list[Any] = [one.ok() for one in schema.get_all_operations()]
    chosen = {one.label for place, one in enumerate(operations) if place % split == number}

    def is_chosen(context: Any) -> bool:
        return context.operation.label in chosen

    return is_chosen


def _config(address: str, examples: int, phases: tuple[str, ...], seed: int) -> Any:
    given: dict[str, Any] = {
        "seed": seed,
        "base-url": address,
        # A key that is stored waits ten seconds for its venue.
        "request-timeout": 30,
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
            # Rules beyond a schema refuse with 422 too; the problem names the field.
            "negative_data_rejection": {
                "enabled": True,
                "expected-statuses": list(_REFUSALS),
            },
            "missing_required_header": {
                "enabled": True,
                "expected-statuses": ["400", "401", "403", "422", "428"],
            },
            "positive_data_acceptance": {
                "enabled": True,
                "expected-statuses": list(_ACCEPTANCES),
            },
        },
        "phases": {name: {"enabled": name in phases} for name in PHASES},
    }
    given["phases"]["stateful"]["max-steps"] = _STEPS
    config: Any = schemathesis.Config
    return config.from_dict(given)


def _is_told(_context: Any, failure: Any, _case: Any, response: Any) -> bool:
    """Return whether a failure counts."""
    said: dict[str, Any] = {}
    if response.status_code >= _REFUSED:
        said = json.loads(response.content or b"{}")
    name, detail = type(failure).__name__, str(said.get("detail", ""))
    # No schema knows what Stripe signed. What is no path of words may be one with an id.
    is_signature = name == "RejectedPositiveData" and said.get("code") == "webhook_refused"
    is_of_id = name == "UnsupportedMethodResponse" and detail.startswith("path.")
    return not (is_signature or is_of_id)


def _hook(schema: Any, identity: Identity) -> None:
    def after_call(_context: Any, _case: Any, response: Any) -> None:
        identity.look(response)

    schema.hooks.hook("after_call")(after_call)
    schema.hooks.hook("filter_failure")(_is_told)
    if identity.renew is not None:
        schema.auth.providers.append(identity)


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
        case: Any = event.recorder.cases.get(case_id)
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


def main() -> None:
    """Fuzz on a database of its own, and say what came of it."""
    import logging
    import tempfile
    from pathlib import Path

    from bench.fuzz_world import world
    from candela.db.migrate import migrate
    from candela.embedded import open_places, stop_servers
    from candela.settings import load_settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=3, help="of each operation in a round")
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES))
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="candela-fuzz-", dir="/tmp"))
    settings = load_settings().model_copy(
        update={"state_dir": folder / "state", "database_url": None, "redis_url": None}
    )
    try:
        places = open_places(settings)
        migrate(places.database)
        rounds: list[Fuzzed] = []
        with world(places.database, places.redis_url) as made:
            while sum(one.total for one in rounds) < given.cases:
                # What does not hang on chance is sent once.
                phases = tuple(given.phases) if not rounds else ("fuzzing", "stateful")
                rounds.append(
                    fuzz(
                        made.address,
                        made.document,
                        made.identities(),
                        examples=given.examples,
                        phases=phases,
                        seed=given.seed + 10 * len(rounds),
                    )
                )
        sys.stdout.write(summary(rounds))
    finally:
        stop_servers(folder / "state")
        shutil.rmtree(folder, ignore_errors=True)


def summary(rounds: list[Fuzzed]) -> str:
    """Return what came of rounds as a text."""
    cases: collections.Counter[str] = collections.Counter()
    phases: collections.Counter[str] = collections.Counter()
    statuses: collections.Counter[int] = collections.Counter()
    findings: dict[str, dict[str, str]] = {}
    for one in rounds:
        cases.update(one.of(0))
        phases.update(one.of(1))
        statuses.update(one.statuses)
        for check, found in one.failures.items():
            for key, text in found.items():
                findings.setdefault(check, {}).setdefault(key, text)
    errors = sorted({error for one in rounds for error in one.errors})
    server = sum(count for status, count in statuses.items() if status >= _SERVER_ERROR)
    seen = {name for one in rounds for name in one.operations}
    seconds = sum(one.took_s for one in rounds)
    lines = [
        f"{sum(cases.values()):,} cases over {len(seen)} operations in {seconds:.0f} s",
        f"by identity: {dict(cases)}",
        f"by phase: {dict(phases)}",
        f"by status: {dict(sorted(statuses.items()))}",
        f"server errors: {server}",
        *(f"{check}: {len(findings.get(check, {}))} findings" for check in _CHECKS),
        f"errors of the fuzzer: {len(errors)}",
    ]
    lines += [f"{check}: {text}" for check, found in findings.items() for text in found.values()]
    return "\n".join(lines + errors) + "\n"


if __name__ == "__main__":
    main()
