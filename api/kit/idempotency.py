"""One effect for one Idempotency-Key: the answer is stored with the effect and given again."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeVar, cast

from fastapi import Depends, Header
from fastapi.encoders import jsonable_encoder
from psycopg.types.json import Jsonb
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.state import State
from candela.errors import CandelaError, StrategyError

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = [
    "IdempotencyKeyRequired",
    "IdempotencyKeyReused",
    "Once",
    "OnceKey",
    "RequiredOnceKey",
]

Result = TypeVar("Result")

LIFE: Final = timedelta(hours=24)
_REPLAYED: Final = {"idempotency-replayed": "true", "cache-control": "no-store"}

# A key that is in use by an open transaction makes the next one wait here until that has ended.
_CLAIM: Final = """
INSERT INTO tenancy.request_keys AS held (
    tenant_id, user_id, key_hash, route, body_digest, status, created_at
)
VALUES (%(tenant)s, %(user)s, %(key)s, %(route)s, %(digest)s, %(status)s, %(now)s)
ON CONFLICT (tenant_id, user_id, key_hash) DO UPDATE SET
    route = excluded.route, body_digest = excluded.body_digest, status = excluded.status,
    answer = NULL, created_at = excluded.created_at
WHERE held.tenant_id = %(tenant)s AND held.created_at < %(since)s
"""
_READ: Final = """
SELECT route, body_digest, status, answer FROM tenancy.request_keys
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND key_hash = %(key)s
"""
_KEEP: Final = """
UPDATE tenancy.request_keys SET answer = %(answer)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND key_hash = %(key)s
"""
_FORGET: Final = """
DELETE FROM tenancy.request_keys WHERE tenant_id = %(tenant)s AND created_at < %(since)s
"""


class IdempotencyKeyReused(StrategyError):
    """The key belongs to another request."""

    code = "idempotency_key_reused"


class IdempotencyKeyRequired(CandelaError):
    """A request that must not be sent without a key came without one."""

    status: ClassVar[int] = 428
    code: ClassVar[str] = "idempotency_key_required"


@dataclass(frozen=True, slots=True)
class Once:
    """The key of a request, and what the request asks for.

    Parameters
    ----------
    key
        None: none was sent, and the request is done each time it comes.
    content
        Method, path and body.
    status
        Of the answer, where the request succeeds.
    """

    key: str | None
    route: str
    content: bytes
    status: int
    clock: Clock

    def run(self, session: TenantSession, caller: Caller, effect: Callable[[], Result]) -> Result:
        """Have the effect in the transaction of a session, or return what was answered before.

        Where a key comes again, what is returned is a finished response, which the handler hands
        on as it is. An effect that raises leaves nothing behind, and its key is free again.

        Raises
        ------
        IdempotencyKeyReused
            The key was sent with another path or body.
        """
        if self.key is None:
            return effect()
        now = self.clock.now()
        values: dict[str, Any] = {
            "user": caller.user_id,
            "key": hashlib.sha256(self.key.encode()).digest(),
            "route": self.route,
            "digest": hmac.digest(self.key.encode(), self.content, "sha256"),
            "status": self.status,
            "now": now,
            "since": now - LIFE,
        }
        if session.run(_CLAIM, values):
            found = effect()
            session.run(_KEEP, values | {"answer": Jsonb(_plain(found))})
            session.run(_FORGET, values)
            return found
        return cast("Result", self._answered(session.row(_READ, values), values["digest"]))

    def _answered(self, row: dict[str, Any] | None, digest: bytes) -> Response:
        if row is None or not hmac.compare_digest(bytes(row["body_digest"]), digest):
            route = self.route if row is None else row["route"]
            message = f"Idempotency-Key was sent before, with another request to {route}."
            raise IdempotencyKeyReused(message, "Send a new key with each new request.")
        if row["answer"] is None:
            return Response(status_code=row["status"], headers=_REPLAYED)
        return JSONResponse(row["answer"], status_code=row["status"], headers=_REPLAYED)


def _plain(found: object) -> Any:
    if isinstance(found, BaseModel):
        return found.model_dump(mode="json", by_alias=True)
    return jsonable_encoder(found)


_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="a new random text for each new request, such as a UUID; the same one when the"
        " request is sent again: it then has one effect, for 24 hours",
        examples=["0199a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b"],
    ),
]


async def _once(request: Request, state: State, key: _Key = None) -> Once:
    route = request.scope.get("route")
    content = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return Once(
        key=key,
        route=f"{request.method} {getattr(route, 'path', request.url.path)}",
        content=content + await request.body(),
        status=getattr(route, "status_code", None) or 200,
        clock=state.clock,
    )


OnceKey = Annotated[Once, Depends(_once)]
"""The header Idempotency-Key of a POST that costs; it may be left out."""


async def _required(once: OnceKey) -> Once:
    if once.key is None:
        message = "Orders need the header Idempotency-Key, and none was sent."
        raise IdempotencyKeyRequired(message, "Send a random one; again with each repetition.")
    return once


RequiredOnceKey = Annotated[Once, Depends(_required)]
"""The same where a repetition would cost money: without the header nothing is done."""
