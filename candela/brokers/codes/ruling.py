"""What is known after an answer: told from HTTP status, body and the venue's own code, only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from candela.orders.words import OutcomeKind
from candela.venues.classify import retry_after_s

if TYPE_CHECKING:
    from candela.venues.classify import Answer

__all__ = ["CodeTable", "Fault", "Ruling", "Sense", "content_of", "judge"]


class Sense(StrEnum):
    """What a code says beyond its outcome."""

    PLAIN = "plain"
    CLOCK = "clock"  # refused for its time: measured anew and signed anew it may go again
    MISSING = "missing"  # the venue does not know that order
    EXISTS = "exists"  # the client id is in use: what was asked for is there already


@dataclass(frozen=True, slots=True)
class Ruling:
    """The outcome of one request, and why.

    Parameters
    ----------
    is_for_address
        Whether a throttle holds for everything that leaves from this address.
    """

    kind: OutcomeKind
    code: str = ""
    words: str = ""
    wait_s: float = 0.0
    sense: Sense = Sense.PLAIN
    is_for_address: bool = False


Fault = tuple[str, str]
"""A venue's code, and its words."""


def _nothing(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class CodeTable:
    """The codes of a venue.

    A code is looked up as it is, then without what follows its last colon, and so on. What stands
    nowhere is UNKNOWN: a new code of a venue must never be taken for a refusal.

    Parameters
    ----------
    fault_of
        Finds code and words in a decoded body; None where it reports none.
    also_refused
        Whether a code that stands nowhere belongs to a family of refusals.
    waits_s
        How long to wait after a code that says so without Retry-After.
    exists
        Codes, or parts of words, that say that the client id is in use.
    address_wide
        Throttles that hold for the address, not for the account.
    """

    venue: str
    fault_of: Callable[[object], Fault | None]
    refused: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    throttled: frozenset[str] = frozenset()
    address_wide: frozenset[str] = frozenset()
    dead: frozenset[str] = frozenset()
    clock: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    exists: frozenset[str] = frozenset()
    also_refused: Callable[[str], bool] = _nothing
    waits_s: dict[str, float] = field(default_factory=dict[str, float])

    def rule(self, code: str, words: str) -> Ruling:
        """Return what a code means."""
        if any(one in self.exists for one in _shortened(code)) or any(
            part in words.lower() for part in self.exists
        ):
            return Ruling(OutcomeKind.UNKNOWN, code, words, sense=Sense.EXISTS)
        plain = (
            (self.unknown, OutcomeKind.UNKNOWN, Sense.PLAIN),
            (self.dead, OutcomeKind.CREDENTIALS_DEAD, Sense.PLAIN),
            (self.clock, OutcomeKind.REFUSED, Sense.CLOCK),
            (self.missing, OutcomeKind.REFUSED, Sense.MISSING),
            (self.refused, OutcomeKind.REFUSED, Sense.PLAIN),
        )
        for one in _shortened(code):
            is_wide = one in self.address_wide
            if is_wide or one in self.throttled:
                wait_s = self.waits_s.get(one, _USUAL_WAIT_S)
                return Ruling(
                    OutcomeKind.THROTTLED, code, words, wait_s=wait_s, is_for_address=is_wide
                )
            for codes, kind, sense in plain:
                if one in codes:
                    return Ruling(kind, code, words, sense=sense)
        is_refused = self.also_refused(code)
        kind = OutcomeKind.REFUSED if is_refused else OutcomeKind.UNKNOWN
        return Ruling(kind, code, words)


_USUAL_WAIT_S: Final = 10.0
_BAN_S: Final = 120.0
_LONGEST_WORDS: Final = 200
_WAITS: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT})


def judge(table: CodeTable, answer: Answer) -> Ruling:
    """Return what an answer proves.

    Neither the class that the client library raised nor whether it raised any plays a part: it
    takes a cut body for an empty answer, and a revoked key for too many requests.
    """
    status = answer.status
    if status in _WAITS:
        is_ban = status == HTTPStatus.IM_A_TEAPOT
        said = retry_after_s(answer)
        wait_s = said if said is not None else _BAN_S if is_ban else _USUAL_WAIT_S
        fault = table.fault_of(content_of(answer))
        code = f"{status}" if fault is None else fault[0]
        # An account's own order limit comes with 429, too; a ban is always the address's.
        is_wide = is_ban or code not in table.throttled
        words = f"HTTP {status}: too many requests"
        return Ruling(OutcomeKind.THROTTLED, code, words, wait_s, is_for_address=is_wide)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # Whatever the body says: the venue's own documents say that it may have happened.
        fault = table.fault_of(content_of(answer))
        code = str(status) if fault is None else fault[0]
        return Ruling(OutcomeKind.UNKNOWN, code, f"HTTP {status} from {answer.place}")
    content = content_of(answer)
    if content is None:
        words = f"HTTP {status} from {answer.place} with a body that cannot be read"
        return Ruling(OutcomeKind.UNKNOWN, str(status), words)
    fault = table.fault_of(content)
    if fault is not None:
        return table.rule(fault[0], fault[1][:_LONGEST_WORDS])
    if status >= HTTPStatus.BAD_REQUEST:
        words = f"HTTP {status} from {answer.place} without a code"
        return Ruling(OutcomeKind.UNKNOWN, str(status), words)
    return Ruling(OutcomeKind.ACCEPTED)


def content_of(answer: Answer) -> object | None:
    """Decode a body with its decimals as they stand; None where it is cut, empty or no JSON."""
    if answer.is_cut:
        return None
    try:
        return cast("object", json.loads(answer.body, parse_float=Decimal))
    except ValueError:
        return None


def _shortened(code: str) -> list[str]:
    parts = code.split(":")
    return [":".join(parts[:count]) for count in range(len(parts), 0, -1)]
