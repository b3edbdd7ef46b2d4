"""The REST interface: each request is counted, let in, carried out and logged."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from sandbox.access import check_access
from sandbox.answers import Refusal
from sandbox.calls import Call, Logged, Reply
from sandbox.faults import ANSWERS
from sandbox.limits import Limits, weight_of
from sandbox.private import Private
from sandbox.public import Public

if TYPE_CHECKING:
    from sandbox.engine import Engine
    from sandbox.faults import Fault, FaultPlan

__all__ = ["Rest"]

_LOG_LENGTH: Final = 200_000
_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})


class Rest:
    """Answer calls; the faults of answers are left to who sends them."""

    def __init__(self, engine: Engine, limits: Limits, faults: FaultPlan) -> None:
        self.engine = engine
        self.limits = limits
        self.faults = faults
        self.log: deque[Logged] = deque(maxlen=_LOG_LENGTH)
        self.requests = 0
        self._public = Public(engine, limits).routes
        self._private = Private(engine, limits, faults).routes

    def next_number(self) -> int:
        """Return the number of a new request."""
        self.requests += 1
        return self.requests

    def fault_of(self, call: Call) -> Fault | None:
        """Return what goes wrong with a request's answer."""
        plan = self.faults
        if not plan.script and plan.chance is None:
            return None
        known = self.engine.ledger.by_key.get(call.key)
        return plan.take(
            ANSWERS,
            call.method,
            call.path,
            symbol=call.symbol,
            client=call.client_id,
            key=known.name if known else "",
        )

    def charge(self, call: Call) -> Reply | None:
        """Count a request against its address; returns a refusal, or nothing."""
        try:
            self.limits.charge(call.address, weight_of(call.method, call.path, call.params))
        except Refusal as refusal:
            return Reply.refusing(refusal)
        return None

    def answer(self, call: Call) -> Reply:
        """Carry a request out."""
        engine = self.engine
        engine.due()
        try:
            reply = self._carry_out(call)
        except Refusal as refusal:
            reply = Reply.refusing(refusal)
        engine.ledger.commit()
        return reply

    def _carry_out(self, call: Call) -> Reply:
        place = (call.method, call.path)
        private = self._private.get(place)
        if private is not None:
            security, handler = private
            check_access(call, security, self.engine.ledger, self.engine.clock)
            return handler(call)
        public = self._public.get(place)
        if public is not None:
            return public(call)
        known = any(path == call.path for _, path in (*self._private, *self._public))
        if known and call.method in _METHODS:
            raise Refusal(-1000, f"Request method '{call.method}' is not supported.", 405)
        raise Refusal(-1000, f"The sandbox has no path {call.path}.", 404)

    def stamp(self, call: Call, reply: Reply) -> None:
        """Put the counters on an answer, as the venue does, and the pace, as no venue does."""
        reply.headers["X-Sandbox-Speed"] = repr(self.engine.clock.speed)
        used = str(self.limits.used(call.address))
        reply.headers["X-MBX-USED-WEIGHT"] = reply.headers["X-MBX-USED-WEIGHT-1M"] = used
        if call.account is not None and call.method == "POST" and "order" in call.path:
            short, day = self.limits.order_counts(call.account.name)
            reply.headers["X-MBX-ORDER-COUNT-10S"] = str(short)
            reply.headers["X-MBX-ORDER-COUNT-1D"] = str(day)

    def note(self, call: Call, reply: Reply | None, fault: str, *, executed: bool) -> None:
        """Log a request."""
        clock = self.engine.clock
        owner = call.account or self.engine.ledger.by_key.get(call.key)
        self.log.append(
            Logged(
                number=call.number,
                at_ms=clock.now_ms(),
                elapsed_s=clock.elapsed_s(),
                method=call.method,
                path=call.path,
                symbol=call.symbol,
                client_id=call.client_id,
                account=owner.name if owner else "",
                status=reply.status if reply else 0,
                code=reply.code if reply else 0,
                fault=fault,
                executed=executed,
            )
        )
