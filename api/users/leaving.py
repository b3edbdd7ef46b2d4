"""Routes by which a person takes all data along, and leaves."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.deps import Fresh, State
from api.kit.problems import problems
from api.spending import COSTLY
from candela.audit.record import record
from candela.billing.buying import end_at_once
from candela.desk.export import write_export
from candela.desk.leaving import Left, leave, note_payments_ended
from candela.errors import CandelaError, NotAllowed
from candela.identity.credentials import password_hash_of
from candela.notify.mails import queue_mail

if TYPE_CHECKING:
    from api.state import ApiState
    from candela.identity.caller import Caller

__all__ = ["LeavingPasswordWrong", "router"]

router = APIRouter(prefix="/users", tags=["users"])

_LOG: Final = logging.getLogger(__name__)
_IN_MEMORY: Final = 8 * 2**20
_CHUNK: Final = 65_536
_ZIP: Final = "application/zip"
_SHOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}}}
}


class LeavingPasswordWrong(NotAllowed):
    """The password is not that of the user who wants to leave."""

    code: ClassVar[str] = "leaving_password_wrong"


class Leaving(BaseModel):
    """That a person wants to leave, and what becomes of positions."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [{"password": "correct horse battery staple", "positions": "flatten"}]
        },
    )

    password: Annotated[SecretStr, Field(min_length=1, max_length=200)] = Field(
        description="your password, once more"
    )
    positions: Literal["keep", "flatten"] = Field(
        description="keep: they stay at the venue as they are; flatten: bots sell what they hold"
    )


class LeftShown(BaseModel):
    """What was stopped, and when everything is erased."""

    bots_stopped: int = Field(ge=0)
    keys_destroyed: int = Field(ge=0)
    keys_waiting: int = Field(
        ge=0, description="destroyed once what is held by them was sold, or in an hour"
    )
    subscription_ended: bool = Field(description="false: it is tried again every night")
    erased_on: datetime = Field(
        description="until then support can undo it; payments and the audit log stay, by id alone"
    )


@router.get(
    "/me/export",
    responses=problems(403) | _SHOWN,
    response_class=StreamingResponse,
    dependencies=[COSTLY],
)
def export_everything(caller: Fresh, state: State) -> StreamingResponse:
    """Download all data as a ZIP: each table as lines of JSON, and a manifest with digests.

    What is sealed or hashed is not in it.
    """
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - streamed
    with state.act(caller) as session:
        tables = write_export(session, file, clock=state.clock)
        detail = {"tables": len(tables), "rows": sum(one.rows for one in tables)}
        record(
            session,
            caller.actor,
            "user.export",
            "user",
            caller.user_id,
            clock=state.clock,
            detail=detail,
        )
    file.seek(0)
    name = 'attachment; filename="candela-export.zip"'
    return StreamingResponse(_chunks(file), media_type=_ZIP, headers={"content-disposition": name})


@router.delete("/me", responses=problems(403, 409))
async def leave_candela(caller: Fresh, state: State, body: Leaving) -> LeftShown:
    """Close the account: bots stop, sessions, tokens and keys are gone at once.

    30 days later everything is erased but payments and the audit log, in which an id stands for
    you. Until then support can undo it; keys have to be entered again.

    Raises
    ------
    LeavingPasswordWrong
        The password is not the caller's.
    """
    stored = await asyncio.to_thread(_stored, state, caller)
    verdict = await state.identity.hashing.verify(stored, body.password.get_secret_value())
    if not verdict.is_right:
        raise LeavingPasswordWrong("The password is not yours.", "Enter it again.")
    left = await asyncio.to_thread(_leave, state, caller, flatten=body.positions == "flatten")
    await state.identity.endings.tell()
    is_ended = await asyncio.to_thread(_end_payments, state, caller)
    return LeftShown(
        bots_stopped=left.bots_stopped,
        keys_destroyed=left.keys_destroyed,
        keys_waiting=left.keys_waiting,
        subscription_ended=is_ended,
        erased_on=left.erased_on,
    )


def _stored(state: ApiState, caller: Caller) -> str | None:
    with state.act(caller) as session:
        return password_hash_of(session, user_id=caller.user_id)


def _leave(state: ApiState, caller: Caller, *, flatten: bool) -> Left:
    with state.act(caller) as session:
        left = leave(session, flatten=flatten, clock=state.clock)
        detail = {"flatten": flatten, "bots": left.bots_stopped, "keys": left.keys_destroyed}
        record(
            session,
            caller.actor,
            "user.leave",
            "user",
            caller.user_id,
            clock=state.clock,
            detail=detail,
        )
        queue_mail(
            session,
            "leaving_confirmed",
            user_id=caller.user_id,
            clock=state.clock,
            erased_at=left.erased_on,
        )
    return left


def _end_payments(state: ApiState, caller: Caller) -> bool:
    """Cancel what is paid for; the account is closed whether Stripe answers or not."""
    try:
        with state.act(caller) as session:
            if state.billing is not None:
                end_at_once(session, state.billing, clock=state.clock, actor=caller.actor)
            note_payments_ended(session, clock=state.clock)
    except CandelaError as error:
        _LOG.warning("payments of tenant %s go on: %s", caller.tenant_id, error.code)
        return False
    return True


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
