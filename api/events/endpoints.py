"""Live events: a ticket over HTTP, then lines over a WebSocket."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.deps import Reader, State
from api.events.schemas import TicketView
from api.handlers import answer
from api.kit.problems import problem_of, problems
from api.sockets.errors import ForeignOrigin, NoSuchBot
from api.state import state_of
from candela.errors import CandelaError

if TYPE_CHECKING:
    from api.sockets.hub import Watcher
    from api.state import ApiState

__all__ = ["router"]

router = APIRouter(tags=["events"])

_PREFIX: Final = "ticket."
_CLOSE_S: Final = 2.0
_ACT: Final = "SELECT set_config('candela.tenants', %s, true)"
_BOT: Final = "SELECT 1 FROM trading.bots WHERE tenant_id = %s AND bot_id = %s"
_After = Annotated[str | None, Query(pattern=r"^[0-9]{1,16}(-[0-9]{1,10})?$")]


@router.post("/events/tickets", status_code=201, responses=problems(403, 503))
async def create_event_ticket(caller: Reader, state: State) -> TicketView:
    """Make a ticket that opens one WebSocket within 30 seconds.

    Open ``/api/v1/events?ticket=...`` for the lines of all bots, or
    ``/api/v1/bots/{bot_id}/logs/stream?ticket=...`` for those of one. With ``after=ID`` the lines
    behind one that was seen come first; a message of type reset says that some are gone. A message
    of type beat comes each 20 s. Closed with 4401: the session has ended; 4408: read too slowly;
    1012: connect again.
    """
    ticket, expires_at = await state.tickets.make(caller)
    return TicketView(ticket=ticket, expires_at=expires_at)


@router.websocket("/events")
async def events(socket: WebSocket, after: _After = None) -> None:
    """Send the lines of all bots of the holder's tenant."""
    await _serve(socket, None, after)


@router.websocket("/bots/{bot_id}/logs/stream")
async def bot_log_stream(socket: WebSocket, bot_id: UUID, after: _After = None) -> None:
    """Send the lines of one bot."""
    await _serve(socket, bot_id, after)


async def _serve(socket: WebSocket, bot_id: UUID | None, after: str | None) -> None:
    state = state_of(socket)
    try:
        _check_origin(socket, state)
        asked = [one for one in socket.scope.get("subprotocols", ()) if one.startswith(_PREFIX)]
        ticket = asked[0].removeprefix(_PREFIX) if asked else socket.query_params.get("ticket", "")
        holder = await state.tickets.take(ticket)
        if bot_id is not None:
            await _check_bot(state, holder.tenant_id, bot_id)
        watcher = await state.hub.join(holder, None if bot_id is None else str(bot_id), after)
    except CandelaError as error:
        request_id = str(getattr(socket.state, "request_id", ""))
        await socket.send_denial_response(answer(problem_of(error, request_id)))
        return
    try:
        # The ticket that was offered is worth nothing any more, so it may be named back.
        await socket.accept(subprotocol=asked[0] if asked else None)
        await _send(socket, watcher)
    finally:
        state.hub.leave(watcher)


async def _send(socket: WebSocket, watcher: Watcher) -> None:
    gone = asyncio.create_task(_until_gone(socket, watcher))
    try:
        with suppress(WebSocketDisconnect, RuntimeError):
            while (line := await watcher.next()) is not None:
                await socket.send_text(line)
        if socket.application_state is WebSocketState.CONNECTED and not gone.done():
            # Whoever does not read does not read this either.
            with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
                async with asyncio.timeout(_CLOSE_S):
                    await socket.close(watcher.close_code)
    finally:
        gone.cancel()


async def _until_gone(socket: WebSocket, watcher: Watcher) -> None:
    """Read until the other side goes; what it says means nothing."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
    watcher.close(1000)


def _check_origin(socket: WebSocket, state: ApiState) -> None:
    origin = socket.headers.get("origin")
    # Programs send none. A browser always does, and a page cannot change what it says.
    if origin is None:
        return
    own = urlsplit(state.options.public_url)
    if origin not in {f"{own.scheme}://{own.netloc}", *state.options.allowed_origins}:
        message = f"Pages of {origin[:100]} may not read events."
        raise ForeignOrigin(message, "Name the origin in CANDELA_ALLOWED_ORIGINS.")


async def _check_bot(state: ApiState, tenant_id: UUID, bot_id: UUID) -> None:
    async with state.app_async.connection() as connection, connection.transaction():
        await connection.execute(_ACT, (str(tenant_id),))
        cursor = await connection.execute(_BOT, (tenant_id, bot_id))
        if await cursor.fetchone() is None:
            message = f"There is no bot {bot_id}."
            raise NoSuchBot(message, "See GET /api/v1/bots.")
