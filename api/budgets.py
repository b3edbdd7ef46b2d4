"""Who asks, and whether they may ask now: before any route is looked at, by one call of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg_pool import PoolTimeout
from starlette.datastructures import Headers

from api.handlers import answer, unavailable
from api.kit.problems import problem_of
from api.limiting.limits import Rule
from candela.errors import CandelaError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.limiting.limits import Limits, Spent
    from api.state import ApiState
    from candela.identity.caller import Caller

__all__ = ["Budgets"]

_BEARER: Final = "bearer "
_READS: Final = frozenset({"GET", "HEAD"})
# Whole paths: a name that somebody may choose is no way to another budget.
_WEBHOOKS: Final = frozenset({"/api/v1/webhooks/stripe", "/api/v1/billing/webhook/stripe"})


class Budgets:
    """Finds out who calls, takes the request from their budget, and tells how it stands.

    A token that is worth nothing is counted for the address it came from, on every path: tokens
    cannot be tried faster than logins. The route decides later whether a caller is needed at all.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if (
            scope["type"] != "http"
            or scope["method"] == "OPTIONS"
            or scope["path"].removeprefix("/api/v1").startswith("/health/")
        ):
            await self._app(scope, receive, send)
            return
        state: ApiState = scope["app"].state.api
        marks: dict[str, Any] = scope["state"]
        try:
            owner, rule = await self._owner(scope, state, marks)
        except (psycopg.OperationalError, PoolTimeout) as error:
            await unavailable(error, marks["request_id"])(scope, receive, send)
            return
        spent = await self._spent(state, marks.get("caller"), owner, rule)
        told = _telling(spent, send)
        try:
            spent.check()
        except CandelaError as error:
            state.figures.count("candela_api_limited_total", rule.name)
            wait = {"retry-after": str(-(-int(spent.wait_s * 1_000) // 1_000) or 1)}
            refusal = answer(problem_of(error, marks["request_id"]), wait)
            await refusal(scope, receive, told)
            return
        await self._app(scope, receive, told)

    @staticmethod
    async def _spent(state: ApiState, caller: Caller | None, owner: str, rule: Rule) -> Spent:
        """Take the request from the budget; a token has half of its tenant's, and counts in it.

        So a program that runs wild leaves room for its owner, who has to stop it.
        """
        if caller is None or caller.token_id is None:
            return await state.limiter.spend(owner, rule)
        half = Rule(rule.name, max(1, rule.requests // 2), rule.window_s)
        own = await state.limiter.spend(str(caller.token_id), half)
        if not own.is_allowed:
            return own
        shared = await state.limiter.spend(owner, rule)
        is_tighter = not shared.is_allowed or shared.remaining < own.remaining
        return shared if is_tighter else own

    async def _owner(
        self, scope: Scope, state: ApiState, marks: dict[str, Any]
    ) -> tuple[str, Rule]:
        headers = Headers(scope=scope)
        given = headers.get("authorization", "")
        address = str(marks["address"])
        if scope["path"] in _WEBHOOKS:
            return address, self._limits.webhook
        if given[: len(_BEARER)].lower() != _BEARER:
            return address, self._limits.address
        try:
            caller = await state.access.caller(
                given[len(_BEARER) :].strip(),
                address=address,
                user_agent=headers.get("user-agent", ""),
                request_id=marks["request_id"],
            )
        except CandelaError as error:
            marks["refused"] = error
            return address, self._limits.address
        marks["caller"] = caller
        rules = self._limits.by_plan[await state.plans.of(caller.tenant_id)]
        return str(caller.tenant_id), rules["read" if scope["method"] in _READS else "write"]


def _telling(spent: Spent, send: Send) -> Send:
    lines = spent.headers()

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *lines]
        await send(message)

    return told
