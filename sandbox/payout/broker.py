"""The broker's server: requests over REST and websocket, results pushed at expiry.

All JSON. ``POST /v1/login`` with ``key`` and ``secret`` gives a ``token``; REST takes it as
``Authorization: Bearer``, the websocket ``/v1/stream`` as its first message ``{"id", "op": "login",
"token"}``. Further messages are ``{"id", "op", ...}`` with op ``assets``, ``balance``, ``open``
(asset, direction, stake as text, expiry_s), ``positions`` (open ones) or ``statement`` (since_ms:
all that were opened since); answers are ``{"id", "ok", "result"}`` or ``{"id", "ok", "error":
{"code", "message"}}``. The same words under ``/v1/`` are REST paths: POST for open, GET for the
others. Results come unasked as ``{"push": "result", "position", "balance"}``. An order bears no id
of the client's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Self, cast

from aiohttp import WSMsgType, web

from sandbox.faults import PAYOUTS
from sandbox.payout.book import Book, Customer, Position, Refused
from sandbox.transport import tear

if TYPE_CHECKING:
    from types import TracebackType

    from sandbox.venue import SandboxVenue

__all__ = ["PayoutBroker"]

_METHODS: Final = {"open": "POST", "login": "POST"}
_OPENS: Final = {name: PAYOUTS[name] for name in ("open_dropped", "open_lost")}
_RESULTS: Final = {name: words for name, words in PAYOUTS.items() if name not in _OPENS}
_QUIT_S: Final = 0.2


class PayoutBroker:
    """A fixed-payout broker in the loop of a sandbox venue, on its prices, clock and faults.

    Parameters
    ----------
    ratio
        What a win pays beside the stake.
    port
        On loopback; 0 takes a free one.
    """

    def __init__(
        self, venue: SandboxVenue, *, ratio: Decimal | str = "0.85", port: int = 0
    ) -> None:
        self._venue = venue
        self.port = port
        self.book = Book(venue.listing, venue.clock, Decimal(ratio))
        self._tokens: dict[str, Customer] = {}
        self._sockets: dict[web.WebSocketResponse, Customer] = {}
        self._pushes: set[asyncio.Task[None]] = set()
        self._runner: web.ServerRunner | None = None

    def __enter__(self) -> Self:
        self._venue.run(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._venue.run(self._close())

    @property
    def url(self) -> str:
        """Address of REST; the websocket is under the same host and port."""
        return f"http://127.0.0.1:{self.port}/v1"

    def add_customer(self, balance: Decimal | str) -> tuple[str, str]:
        """Open an account; returns its key and secret."""
        customer = Customer(secrets.token_hex(8), secrets.token_hex(16), Decimal(balance))
        self._venue.call(lambda: self.book.customers.update({customer.key: customer}))
        return customer.key, customer.secret

    def positions(self, key: str) -> list[Position]:
        """Return all positions of a customer, oldest first: the truth."""
        return self._venue.call(lambda: list(self.book.customers[key].positions))

    def balance(self, key: str) -> Decimal:
        """Return a customer's balance."""
        return self._venue.call(lambda: self.book.customers[key].balance)

    async def _open(self) -> None:
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=_QUIT_S
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        self._venue.on_tick.append(self._tick)

    async def _close(self) -> None:
        self._venue.on_tick.remove(self._tick)
        for task in self._pushes:
            task.cancel()
        await asyncio.gather(*self._pushes, return_exceptions=True)
        for socket in list(self._sockets):
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        op = request.path.removeprefix("/v1/")
        if op == "stream":
            return await self._stream(request)
        asked = _read(await request.text()) | dict(request.rel_url.query)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        customer = self._tokens.get(token)
        if request.method != _METHODS.get(op, "GET"):
            return web.json_response(_refusal("bad_op", f"There is no {request.method} {op}."))
        told = self._answer(customer, op, asked)
        if told is None:
            return tear(cast("web.Request", request))
        return web.json_response(told, status=200 if told["ok"] else 400)

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=None)
        await socket.prepare(request)
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                asked = _read(cast("str", message.data))
                if asked.get("op") == "login":
                    customer = self._tokens.get(str(asked.get("token", "")))
                    told: dict[str, Any] | None = {"ok": customer is not None}
                    if customer is not None:
                        self._sockets[socket] = customer
                else:
                    told = self._answer(self._sockets.get(socket), str(asked.get("op", "")), asked)
                if told is None:
                    return tear(cast("web.Request", request))
                await socket.send_str(json.dumps({"id": asked.get("id"), **told}))
        finally:
            self._sockets.pop(socket, None)
        return socket

    def _answer(
        self, customer: Customer | None, op: str, asked: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Return the answer, or None where the connection is torn down instead."""
        try:
            if op == "login":
                return {"ok": True, "result": {"token": self._login(asked)}}
            if customer is None:
                return _refusal("not_logged_in", "Log in first.")
            self._settle()
            if op == "open":
                return self._open_position(customer, asked)
            return {"ok": True, "result": self._look_up(customer, op, asked)}
        except Refused as refused:
            return _refusal(refused.code, refused.message)

    def _login(self, asked: dict[str, Any]) -> str:
        customer = self.book.customers.get(str(asked.get("key", "")))
        if customer is None or not secrets.compare_digest(
            customer.secret.encode(), str(asked.get("secret", "")).encode()
        ):
            raise Refused("bad_login", "Key or secret is wrong.")
        token = secrets.token_urlsafe(24)
        self._tokens[token] = customer
        return token

    def _open_position(self, customer: Customer, asked: dict[str, Any]) -> dict[str, Any] | None:
        fault = self._venue.faults.take(
            _OPENS, "OPEN", "open", symbol=str(asked.get("asset", "")), key=customer.key
        )
        if fault is not None and fault.kind == "open_lost":
            return None
        position = self.book.open(customer, asked)
        return None if fault is not None else {"ok": True, "result": position.told()}

    def _look_up(self, customer: Customer, op: str, asked: dict[str, Any]) -> object:
        match op:
            case "assets":
                return self.book.assets()
            case "balance":
                return {"balance": str(customer.balance), "now_ms": self._venue.clock.told_ms()}
            case "positions":
                return [one.told() for one in customer.positions if one.result == "open"]
            case "statement":
                since = str(asked.get("since_ms", 0))
                if not since.isdecimal():
                    raise Refused("bad_since", f"{since} is no time in milliseconds.")
                return [one.told() for one in customer.positions if one.opened_ms >= int(since)]
            case other:
                raise Refused("bad_op", f"There is no {other!r}.")

    def _tick(self) -> None:
        self._settle()

    def _settle(self) -> None:
        for customer, position in self.book.settle():
            fault = self._venue.faults.take(
                _RESULTS, "RESULT", position.result, symbol=position.asset, key=customer.key
            )
            kind = fault.kind if fault else ""
            if kind == "result_lost":
                continue
            told = position.told()
            if kind == "result_contradictory":
                self._push(customer, told | _opposite(position), 0.0)
            delay_s = fault.seconds if fault is not None and kind == "result_late" else 0.0
            self._push(customer, told, delay_s)
            if kind == "result_twice":
                self._push(customer, told, 0.0)

    def _push(self, customer: Customer, told: dict[str, Any], delay_s: float) -> None:
        event = {"push": "result", "position": told, "balance": str(customer.balance)}

        async def send() -> None:
            await asyncio.sleep(delay_s)
            for socket, owner in list(self._sockets.items()):
                if owner is customer:
                    # Who left in the meantime asks for the statement.
                    with contextlib.suppress(ConnectionError):
                        await socket.send_str(json.dumps(event))

        task = asyncio.get_running_loop().create_task(send())
        self._pushes.add(task)
        task.add_done_callback(self._pushes.discard)


def _opposite(position: Position) -> dict[str, str]:
    return {"result": "loss" if position.result == "win" else "win", "paid": "0"}


def _refusal(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}}


def _read(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text or "{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}
