"""What goes wrong: faults by script or by seed, matched request by request."""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from candela.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.clock import VenueClock

__all__ = [
    "ANSWERS",
    "KINDS",
    "LASTING",
    "ORDERS",
    "PAYOUTS",
    "STREAMS",
    "BadFault",
    "Chance",
    "Fault",
    "FaultPlan",
]

ANSWERS: Final = {
    "hang": "no answer for --seconds, then the connection is torn down",
    "reset": "the connection is torn down at once",
    "html": "a 5xx with a page of HTML",
    "empty": "a 5xx without a body",
    "half": "a 5xx with half a JSON object",
    "wrong": "a 5xx whose body is a JSON number",
    "error": "status, code and message as given",
    "cut": "HTTP 200 with half of the right body",
    "blank": "HTTP 200 without a body",
    "short": "a body shorter than its Content-Length",
    "empty_list": "HTTP 200 with an empty list",
    "partial_page": "only the first half of a list",
    "slow": "the request waits --seconds before it is looked at",
    "late_answer": "the right answer, --seconds late",
    "drip": "the right answer in small pieces over --seconds",
    "timeout": "-1007: the outcome is not known",
    "unexpected": "-1006: the outcome is not known",
    "overload": "-1008: too busy",
    "throttle": "429 with Retry-After",
    "ban": "418 with Retry-After",
    "revoked": "-2015: key, address or permission",
    "clock": "-1021: outside of recvWindow",
    "outage": "503 to everything, streams cut, for --for seconds",
}
"""Faults of an answer: nothing is executed, all is, or all is but later."""
ORDERS: Final = {
    "query_lag": "a new order is not found by queries for --seconds",
    "trade_lag": "trades of a new order are not listed for --seconds",
    "fill_wins": "an order is filled just before its cancellation is looked at",
    "late_fill": "--seconds after its cancellation an order is filled by --ratio of what was left",
    "expire_in_match": "a new order is filled by --ratio, the rest ends as EXPIRED_IN_MATCH",
}
STREAMS: Final = {
    "ws_drop": "an event is not sent",
    "ws_duplicate": "an event is sent twice",
    "ws_reorder": "an event is sent after the one that follows it",
    "ws_delay": "an event is sent --seconds late",
    "ws_silent": "no events for --for seconds, pings and pongs go on",
    "ws_refuse": "new sockets are refused for --for seconds",
}
PAYOUTS: Final = {
    "open_dropped": "fixed payout: a position is opened, the connection torn down",
    "open_lost": "fixed payout: no position is opened, the connection torn down",
    "result_lost": "fixed payout: a result is not pushed",
    "result_late": "fixed payout: a result is pushed --seconds late",
    "result_twice": "fixed payout: a result is pushed twice",
    "result_contradictory": "fixed payout: the opposite result is pushed first",
}
LASTING: Final = frozenset({"outage", "ws_silent", "ws_refuse"})
"""What is on from its setting until its end, not once."""
KINDS: Final = {**ANSWERS, **ORDERS, **STREAMS, **PAYOUTS}

Execution = Literal["no", "yes", "later"]
_TIMEOUT: Final = (
    "Timeout waiting for response from backend server. Send status unknown; execution status"
    " unknown."
)
_UNEXPECTED: Final = (
    "An unexpected response was received from the message bus. Execution status unknown."
)
_BUSY: Final = (
    "Server is currently overloaded with other requests. Please try again in a few minutes."
)
_BANNED: Final = (
    "Way too much request weight used; IP banned. Please use WebSocket Streams for live updates to"
    " avoid bans."
)
_CODES: Final = {
    "timeout": (504, -1007, _TIMEOUT),
    "unexpected": (500, -1006, _UNEXPECTED),
    "overload": (503, -1008, _BUSY),
    "throttle": (429, -1003, "Too many requests queued."),
    "ban": (418, -1003, _BANNED),
    "revoked": (401, -2015, "Invalid API-key, IP, or permissions for action."),
    "clock": (400, -1021, "Timestamp for this request is outside of the recvWindow."),
}
_SAFE: Final = frozenset({"throttle", "ban", "revoked", "clock", "overload", "outage"})


class BadFault(DataError):
    """A fault is described in a way that cannot be."""

    code = "bad_fault"


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong, with the requests or events that match.

    Parameters
    ----------
    kind
        A name of ``KINDS``.
    method, path, symbol, client
        Regular expressions (``path`` and ``client`` anywhere, the others whole); empty: any. The
        symbol is the venue's, the client id the order's; for streams ``path`` is the event's name.
    key
        Name of the account; empty: any.
    skip, times
        How many that match go well before, and how many do not then; times 0: all.
    executes
        Whether an order is executed: not at all, before the answer, or ``delay_s`` after it.
    seconds
        Length of hangs and delays.
    for_s
        The fault ends so many seconds after it was set, 0: never by itself.
    """

    kind: str
    method: str = ""
    path: str = ""
    symbol: str = ""
    client: str = ""
    key: str = ""
    skip: int = 0
    times: int = 1
    executes: Execution = "no"
    seconds: float = 30.0
    delay_s: float = 0.0
    status: int = 503
    code: int = -1000
    message: str = "An unknown error occurred while processing the request."
    retry_after_s: float = 0.0
    ratio: float = 0.5
    for_s: float = 0.0
    number: int = 0
    hits: int = 0
    until_s: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            message = f"{self.kind!r} is no kind of fault."
            raise BadFault(message, f"One of: {', '.join(KINDS)}.")
        if self.executes not in get_args(Execution):
            message = f"A fault executes {self.executes!r}."
            raise BadFault(message, "Write no, yes or later.")
        for name in ("method", "path", "symbol", "client"):
            try:
                re.compile(getattr(self, name))
            except re.error as error:
                message = f"The {name} {getattr(self, name)!r} of a fault cannot match: {error}."
                raise BadFault(message, "Write a regular expression.") from None
        if not 0 <= self.ratio <= 1 or min(self.seconds, self.delay_s, self.for_s) < 0:
            message = f"The fault {self.kind} has a ratio or a time out of bounds."
            raise BadFault(message, "The ratio lies in 0 to 1, seconds are not negative.")
        if self.kind in _CODES:
            self.status, self.code, self.message = _CODES[self.kind]
        if self.kind in _SAFE:
            self.executes = "no"

    @classmethod
    def read(cls, content: Mapping[str, object]) -> Fault:
        """Read a fault as JSON gives it.

        Raises
        ------
        BadFault
            A field that there is not, or a value of the wrong kind.
        """
        known: dict[str, type] = {one.name: type(getattr(_PLAIN, one.name)) for one in fields(cls)}
        for name in ("number", "hits", "until_s"):
            known.pop(name)
        for name, value in content.items():
            if name not in known:
                message = f"A fault has no field {name!r}."
                raise BadFault(message, f"There are: {', '.join(known)}.")
            wanted = (int, float) if known[name] is float else (known[name],)
            if isinstance(value, bool) or not isinstance(value, wanted):
                message = f"The field {name} of a fault is {value!r}, no {known[name].__name__}."
                raise BadFault(message, "See docs/howto/rehearse-an-outage.md.")
        if "kind" not in content:
            raise BadFault("A fault has no kind.", f"One of: {', '.join(KINDS)}.")
        return cls(**cast("dict[str, Any]", dict(content)))

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as JSON shows it."""
        return asdict(self)

    def fits(self, method: str, path: str, symbol: str, client: str, key: str) -> bool:
        """Return whether a request or event is of those that the fault is for."""
        return (
            (not self.method or re.fullmatch(self.method, method) is not None)
            and (not self.path or re.search(self.path, path) is not None)
            and (not self.symbol or re.fullmatch(self.symbol, symbol) is not None)
            and (not self.client or re.search(self.client, client) is not None)
            and (not self.key or self.key == key)
        )


_PLAIN: Final = Fault("reset")


@dataclass(slots=True)
class Chance:
    """Faults drawn by seed: the same seed and order of requests give the same faults.

    Parameters
    ----------
    rate_ratio
        Share of the requests, 0 to 1, with which something goes wrong.
    kinds
        What is drawn from; of each, executions no, yes and later are drawn as well.
    """

    seed: int
    rate_ratio: float
    kinds: Sequence[str] = ("reset", "hang", "html", "timeout", "empty", "half", "cut")
    method: str = ""
    path: str = "/api/v3/order"
    seconds: float = 0.2
    delay_s: float = 0.6
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not 0 <= self.rate_ratio <= 1 or not self.kinds:
            message = f"Chance with rate {self.rate_ratio:g} and kinds {list(self.kinds)} is none."
            raise BadFault(message, f"The rate lies in 0 to 1; kinds: {', '.join(KINDS)}.")
        self._random = random.Random(self.seed)  # noqa: S311 - a rehearsal, no secret

    def draw(self, method: str, path: str) -> Fault | None:
        """Return what goes wrong with a request, drawn anew for each."""
        if self.method and not re.fullmatch(self.method, method):
            return None
        if self.path and not re.search(self.path, path):
            return None
        if self._random.random() >= self.rate_ratio:
            return None
        executes = self._random.choice(("no", "yes", "later"))
        kind = self._random.choice(tuple(self.kinds))
        return Fault(
            kind,
            executes="yes" if kind in {"cut", "blank", "short"} else executes,
            seconds=self.seconds * self._random.random(),
            delay_s=self.delay_s * self._random.random(),
            status=self._random.choice((500, 502, 503, 504, 520)),
            ratio=self._random.random(),
        )


@dataclass(slots=True)
class FaultPlan:
    """The script first, then chance."""

    clock: VenueClock
    script: list[Fault] = field(default_factory=list[Fault])
    chance: Chance | None = None
    hits: dict[str, int] = field(default_factory=dict[str, int])
    _last: int = 0

    def add(self, *faults: Fault) -> list[int]:
        """Let these go wrong from now on; returns their numbers."""
        for fault in faults:
            self._last += 1
            fault.number = self._last
            fault.until_s = self.clock.elapsed_s() + fault.for_s if fault.for_s else 0.0
            if fault.kind in LASTING or (fault.for_s and fault.times == 1):
                fault.times = 0
            self.script.append(fault)
        return [fault.number for fault in faults]

    def clear(self, number: int | None = None) -> int:
        """Take back one fault, or all and chance; returns how many there were."""
        before = len(self.script)
        self.script = [one for one in self.script if number is not None and one.number != number]
        if number is None:
            self.chance = None
        return before - len(self.script)

    def active(self) -> list[Fault]:
        """Return the faults that can still strike."""
        self._expire()
        return list(self.script)

    def take(
        self, kinds: Mapping[str, str], method: str, path: str, *, symbol: str = "",
        client: str = "", key: str = "",
    ) -> Fault | None:  # fmt: skip
        """Return what goes wrong with this request or event, of those kinds, and count it."""
        if self.script:
            self._expire()
            for fault in self.script:
                if fault.kind not in kinds or not fault.fits(method, path, symbol, client, key):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                if fault.times:
                    fault.times -= 1
                    if fault.times == 0:
                        self.script.remove(fault)
                self._count(fault)
                return fault
        if self.chance is not None and kinds is ANSWERS:
            drawn = self.chance.draw(method, path)
            if drawn is not None and drawn.kind in kinds:
                self._count(drawn)
                return drawn
        return None

    def is_on(self, kind: str, key: str = "") -> bool:
        """Return whether a lasting fault of that kind is on."""
        if not self.script:
            return False
        self._expire()
        return any(one.kind == kind and one.key in {"", key} for one in self.script)

    def _count(self, fault: Fault) -> None:
        self.hits[fault.kind] = self.hits.get(fault.kind, 0) + 1

    def _expire(self) -> None:
        now = self.clock.elapsed_s()
        if any(one.until_s and one.until_s <= now for one in self.script):
            self.script = [one for one in self.script if not one.until_s or one.until_s > now]
