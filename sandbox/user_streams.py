"""The websocket interface with user data streams: subscriptions by signature, and calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from sandbox.access import Security, check_access
from sandbox.answers import Refusal
from sandbox.calls import Call, Reply

if TYPE_CHECKING:
    from aiohttp import web

    from sandbox.records import Account
    from sandbox.rest import Rest
    from sandbox.sockets import Socket, Sockets

__all__ = ["UserStreams"]

_CALLS: Final = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "klines": ("GET", "/api/v3/klines"),
    "depth": ("GET", "/api/v3/depth"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "account.status": ("GET", "/api/v3/account"),
    "order.place": ("POST", "/api/v3/order"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
}
_SUBSCRIBE: Final = "userDataStream.subscribe.signature"
_WEIGHT: Final = 2
_OK: Final = 200


class UserStreams:
    """Serve the websocket interface."""

    def __init__(self, rest: Rest, sockets: Sockets) -> None:
        self._rest = rest
        self._engine = rest.engine
        self._sockets = sockets
        self._last = -1
        self._subscribed: dict[str, dict[int, Socket]] = {}
        rest.engine.emit = self.emit

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hold a connection."""
        address = request.remote or ""
        ended: list[Socket] = []

        def hear(socket: Socket, message: str) -> None:
            self._hear(socket, message, address)

        try:
            return await self._sockets.serve(request, "user", hear, ended.append)
        finally:
            for socket in ended:
                self._forget(socket)

    def emit(self, account: Account, event: dict[str, Any]) -> None:
        """Send an event to whoever listens to the account."""
        for number, socket in self._subscribed.get(account.name, {}).items():
            self._sockets.push(
                socket,
                {"subscriptionId": number, "event": event},
                str(event["e"]),
                str(event.get("s", "")),
                str(event.get("c", "")),
                account.name,
            )

    def expire(self, name: str = "") -> int:
        """End subscriptions, all or those of one account; the connections stay open."""
        ended = 0
        for account, subscribed in self._subscribed.items():
            if name not in {"", account}:
                continue
            for number, socket in subscribed.items():
                event = {"e": "eventStreamTerminated", "E": self._engine.clock.told_ms()}
                socket.send({"subscriptionId": number, "event": event})
                ended += 1
            subscribed.clear()
        return ended

    def forget_silently(self, name: str = "") -> int:
        """Drop subscriptions without a word: connections and pings go on, events do not."""
        found = [one for key, one in self._subscribed.items() if name in {"", key}]
        count = sum(len(one) for one in found)
        for one in found:
            one.clear()
        return count

    def _forget(self, socket: Socket) -> None:
        for subscribed in self._subscribed.values():
            for number in [one for one, held in subscribed.items() if held is socket]:
                del subscribed[number]

    def _hear(self, socket: Socket, message: str, address: str) -> None:
        try:
            asked = cast("dict[str, Any]", json.loads(message))
            number, method = asked.get("id"), str(asked.get("method", ""))
            sent = cast("dict[str, Any]", asked.get("params") or {})
            params = {name: _word(value) for name, value in sent.items()}
        except (ValueError, AttributeError):
            refusal = Refusal(-1135, "Invalid JSON Request")
            socket.send({"id": None, "status": 400, "error": refusal.body()})
            return
        if method == _SUBSCRIBE:
            self._subscribe(socket, number, params, address)
        elif method == "userDataStream.unsubscribe":
            self._forget(socket)
            socket.send({"id": number, "status": 200, "result": {}})
        elif method in _CALLS:
            self._call(socket, number, method, params, address)
        else:
            refusal = Refusal(-1000, f"The sandbox has no method {method}.")
            socket.send({"id": number, "status": 400, "error": refusal.body()})

    def _subscribe(
        self, socket: Socket, number: object, params: dict[str, str], address: str
    ) -> None:
        engine = self._engine
        call = _call(self._rest.next_number(), "POST", "/ws-api/v3/userDataStream", params, address)
        try:
            self._rest.limits.charge(address, _WEIGHT)
            check_access(call, Security.READ, engine.ledger, engine.clock)
        except Refusal as refusal:
            self._rest.note(call, Reply.refusing(refusal), "", executed=False)
            socket.send({"id": number, "status": refusal.status, "error": refusal.body()})
            return
        self._rest.note(call, Reply(""), "", executed=True)
        self._last += 1
        self._subscribed.setdefault(call.owner.name, {})[self._last] = socket
        socket.send(
            {
                "id": number,
                "status": 200,
                "result": {"subscriptionId": self._last},
                "rateLimits": self._rates(address),
            }
        )

    def _call(
        self, socket: Socket, number: object, method: str, params: dict[str, str], address: str
    ) -> None:
        rest = self._rest
        verb, path = _CALLS[method]
        call = _call(rest.next_number(), verb, path, params, address)
        refused = rest.charge(call)
        reply = refused or rest.answer(call)
        rest.note(call, reply, "", executed=refused is None)
        content = json.loads(reply.text)
        told: dict[str, Any] = {"id": number, "status": reply.status}
        told["result" if reply.status == _OK else "error"] = content
        socket.send(told | {"rateLimits": self._rates(address)})

    def _rates(self, address: str) -> list[dict[str, Any]]:
        return [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": self._rest.limits.weight,
                "count": self._rest.limits.used(address),
            }
        ]


def _call(number: int, method: str, path: str, params: dict[str, str], address: str) -> Call:
    signed = sorted((name, value) for name, value in params.items() if name != "signature")
    payload = "&".join(f"{name}={value}" for name, value in signed)
    return Call(number, method, path, params, payload, params.get("apiKey", ""), address)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
