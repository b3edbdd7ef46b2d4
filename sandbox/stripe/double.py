"""The stand-in's server: the API, its pages and its control on one port of loopback.

The control is JSON under ``/control``: GET ``state``; POST ``advance`` with ``days`` or
``seconds``; ``card`` with ``customer`` and ``works``; ``faults`` with a list of `Spoiled`;
``webhook`` with ``url``, ``copies`` and ``delay_s``; ``again``, which sends every event once more.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from aiohttp import web

from candela.clock import SystemClock
from candela.errors import DataError
from sandbox.stripe.billing import Billing
from sandbox.stripe.book import DAY_S, Book, Content, Refusal
from sandbox.stripe.forms import read_form
from sandbox.stripe.hooks import Hooks, Manner
from sandbox.stripe.pages import Pages
from sandbox.stripe.routes import Routes

if TYPE_CHECKING:
    from types import TracebackType

    from candela.clock import Clock

__all__ = ["Spoiled", "StripeDouble"]

Result = TypeVar("Result")
_QUIT_S: Final = 0.2
_HTML: Final = "text/html"


class BadStripeControl(DataError):
    """The control was asked for something that it does not do."""

    code = "sandbox_stripe_control"


@dataclass(slots=True)
class Spoiled:
    """An answer that goes wrong.

    Parameters
    ----------
    status
        Of the answer; 0: the connection is torn down instead.
    path, method
        Parts of them that a request must have.
    times
        How many requests.
    executes
        Whether what was asked for is done all the same.
    """

    status: int
    path: str = ""
    method: str = ""
    times: int = 1
    executes: bool = False


class StripeDouble:
    """A stand-in for Stripe, in a thread of its own.

    Parameters
    ----------
    clock
        The time beneath; what is advanced is on top of it.
    port
        On loopback; 0 takes a free one.
    """

    def __init__(self, *, clock: Clock | None = None, port: int = 0) -> None:
        beneath = clock or SystemClock()
        self.port = port
        self.key = f"sk_test_{secrets.token_hex(12)}"
        self.webhook_secret = f"whsec_{secrets.token_hex(16)}"
        self.requests: list[str] = []
        self.faults: list[Spoiled] = []
        self.hooks = Hooks(beneath, self.webhook_secret)
        self.book = Book(beneath, self.hooks.send)
        self.billing = Billing(self.book)
        self.pages = Pages(self.billing)
        self._routes = Routes(self.billing, lambda: self.url)
        self._answers: dict[str, tuple[str, int, Content]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.ServerRunner | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """Address of the API; pages and control are below it."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, act: Callable[[], Result]) -> Result:
        """Do something in the stand-in's thread, and wait for it."""

        async def run() -> Result:
            return act()

        return self._run(run())

    def advance(self, *, days: float) -> int:
        """Move the clock; return how many renewals, retries and ends fell due."""
        return self.call(lambda: self.billing.advance(round(days * DAY_S)))

    def press(self, url: str, action: str) -> str:
        """Press a button of a page, as a person would; return where it leads."""
        return self.call(lambda: self.pages.press(url.rsplit("/", 1)[-1], action))

    def answer(self, method: str, path: str, **asked: Any) -> Content:
        """Answer a request as the API does, without the network: what an operator does there."""
        return self._routes.answer(method, path, asked)

    def deliver_to(self, url: str, *, copies: int = 1, delay_s: float = 0.0) -> None:
        """Send events to an address from now on."""
        self.hooks.manner = Manner(url, copies, delay_s)

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_QUIT_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        await self.hooks.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        text = await request.text()
        try:
            if request.path.startswith("/control/"):
                content = json.loads(text or "{}")
                return web.json_response(self._control(request.path[9:], content))
            if request.path.startswith("/v1/"):
                return self._api(request, text)
            session_id = request.path.rsplit("/", 1)[-1]
            if request.method == "POST":
                leads = self.pages.press(session_id, str(read_form(text).get("action", "")))
                return web.Response(status=303, headers={"location": leads})
            return web.Response(text=self.pages.show(session_id), content_type=_HTML)
        except Refusal as refused:
            return web.json_response(refused.content, status=refused.status)
        except (ValueError, TypeError, KeyError, DataError) as error:
            told = {"error": {"type": "invalid_request_error", "message": repr(error)}}
            return web.json_response(told, status=400)

    # --- the API ----------------------------------------------------------------------------------

    def _api(self, request: web.BaseRequest, text: str) -> web.StreamResponse:
        asked = request.rel_url.raw_query_string if request.method == "GET" else text
        self.requests.append(f"{request.method} {request.path}")
        fault = self._fault(request)
        if fault is not None and not fault.executes:
            return _spoiled(request, fault)
        told = self._once(request, asked)
        return told if fault is None else _spoiled(request, fault)

    def _once(self, request: web.BaseRequest, asked: str) -> web.Response:
        key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
        print_ = hashlib.sha256(f"{request.path} {asked}".encode()).hexdigest()
        known = self._answers.get(key) if key else None
        if known is not None:
            if known[0] != print_:
                message = "Keys for idempotent requests can only be used with the same parameters."
                refused = Refusal(400, "idempotency_error", message)
                return _json(refused.content, 400)
            return _json(known[2], known[1], replayed=True)
        status, told = self._answer(request, asked)
        if key and status != web.HTTPUnauthorized.status_code:
            self._answers[key] = (print_, status, told)
        return _json(told, status)

    def _answer(self, request: web.BaseRequest, asked: str) -> tuple[int, Content]:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return 401, Refusal(401, "invalid_request_error", "Invalid API Key provided.").content
        try:
            told = self._routes.answer(request.method, request.path, read_form(asked))
        except Refusal as refused:
            return refused.status, refused.content
        except (KeyError, IndexError, TypeError, ValueError) as error:
            return 400, Refusal(400, "invalid_request_error", repr(error)).content
        return 200, told

    def _fault(self, request: web.BaseRequest) -> Spoiled | None:
        for one in self.faults:
            if one.path in request.path and one.method in request.method and one.times > 0:
                one.times -= 1
                return one
        return None

    # --- control ----------------------------------------------------------------------------------

    def _control(self, path: str, asked: Content) -> Content:
        acts: dict[str, Callable[[Content], Content]] = {
            "state": lambda _: self._state(),
            "advance": self._advance,
            "card": self._card,
            "faults": self._spoil,
            "webhook": self._redirect,
            "again": lambda _: self._again(),
        }
        if path not in acts:
            message = f"There is no control {path!r}."
            raise BadStripeControl(message, f"There are: {', '.join(acts)}.")
        return acts[path](asked)

    def _advance(self, asked: Content) -> Content:
        seconds = float(asked.get("seconds", 0)) + float(asked.get("days", 0)) * DAY_S
        return {"happened": self.billing.advance(round(seconds)), "now": self.book.now()}

    def _card(self, asked: Content) -> Content:
        customer, works = str(asked["customer"]), bool(asked["works"])
        self.book.works[customer] = works
        return {"customer": customer, "works": works}

    def _spoil(self, asked: Content) -> Content:
        self.faults = [Spoiled(**one) for one in asked["faults"]]
        return {"faults": [asdict(one) for one in self.faults]}

    def _redirect(self, asked: Content) -> Content:
        self.hooks.manner = Manner(**asked)
        return asdict(self.hooks.manner)

    def _again(self) -> Content:
        for event in self.book.events:
            self.hooks.send(event)
        return {"events": len(self.book.events)}

    def _state(self) -> Content:
        kinds: Content = {}
        for one in self.book.objects.values():
            kinds[one["object"]] = kinds.get(one["object"], 0) + 1
        shown = ("id", "customer", "status", "cancel_at_period_end")
        return {
            "now": self.book.now(),
            "objects": kinds,
            "subscriptions": [
                {name: one[name] for name in shown} for one in self.book.all("subscription")
            ],
            "pages": [one["url"] for one in self.book.all("checkout.session", status="open")],
            "events": len(self.book.events),
            "delivered": len(self.hooks.taken),
            "webhook": self.hooks.manner.url,
        }


def _spoiled(request: web.BaseRequest, fault: Spoiled) -> web.StreamResponse:
    if not fault.status:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)
    kind = "card_error" if fault.status == web.HTTPPaymentRequired.status_code else "api_error"
    refused = Refusal(fault.status, kind, "As scripted.", code="card_declined")
    return _json(refused.content, fault.status)


def _json(content: Content, status: int, *, replayed: bool = False) -> web.Response:
    headers = {"request-id": f"req_{secrets.token_hex(7)}"}
    if replayed:
        headers["idempotent-replayed"] = "true"
    return web.json_response(content, status=status, headers=headers)
