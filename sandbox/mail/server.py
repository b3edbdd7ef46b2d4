"""The mail server: SMTP on loopback, and over HTTP what came."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from html import escape
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import web

from sandbox.mail.faults import KINDS, Fault, Received, read_message

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["SandboxMail"]

_MOST: Final = 1_000
_LONGEST: Final = 1 << 20
_START_S: Final = 10.0


class SandboxMail:
    """A mail server in a thread; use as a context.

    ``GET /`` shows a page, ``GET /mails?to=ADDRESS`` JSON, ``DELETE /mails`` empties the box,
    ``POST /faults`` takes ``{"kind", "times", "seconds"}``.

    Parameters
    ----------
    port, http_port
        On loopback; 0 takes a free one.
    """

    def __init__(self, *, port: int = 0, http_port: int = 0) -> None:
        self.port = port
        self.http_port = http_port
        self.received: list[Received] = []
        self.faults: list[Fault] = []
        self._count = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._serve, name="sandbox mail", daemon=True)
        self._failure: OSError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(_START_S)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    @property
    def smtp_url(self) -> str:
        """Value of CANDELA_SMTP_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.http_port}"

    def fail(self, kind: str, times: int | None = 1, seconds: float = 1.0) -> None:
        """Let something go wrong so often; None: from now on."""
        self.faults.append(Fault(kind, times, seconds))

    def to(self, address: str) -> list[Received]:
        """Return what came for an address, oldest first."""
        return [one for one in list(self.received) if address in one.to]

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._run())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, limit=_LONGEST)
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/mails", self._list)
        app.router.add_delete("/mails", self._empty)
        app.router.add_post("/faults", self._plan)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.http_port)
        try:
            await site.start()
            self.port = server.sockets[0].getsockname()[1]
            self.http_port = runner.addresses[0][1]
            self._ready.set()
            await self._over.wait()
        finally:
            server.close()
            for writer in self._writers:
                writer.close()
            await server.wait_closed()
            await runner.cleanup()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await _Session(self, reader, writer).run()
        finally:
            self._writers.discard(writer)
            writer.close()

    def happens(self, kind: str) -> Fault | None:
        """Return the fault of a kind that happens now."""
        return next((fault for fault in self.faults if fault.takes(kind)), None)

    def keep(self, sender: str, to: tuple[str, ...], content: bytes) -> None:
        """Keep what came; beyond a thousand the oldest go."""
        self._count += 1
        self.received.append(read_message(self._count, sender, to, content))
        del self.received[:-_MOST]

    async def _list(self, request: web.Request) -> web.Response:
        wanted = request.query.get("to")
        shown = [one.shown() for one in self.received if wanted is None or wanted in one.to]
        return web.json_response({"mails": shown})

    async def _empty(self, _request: web.Request) -> web.Response:
        self.received.clear()
        return web.json_response({"mails": []})

    async def _plan(self, request: web.Request) -> web.Response:
        wanted: dict[str, Any] = await request.json()
        if wanted.get("kind") not in KINDS:
            return web.json_response({"kinds": KINDS}, status=422)
        self.faults.append(Fault(**wanted))
        return web.json_response({"faults": len(self.faults)})

    async def _page(self, _request: web.Request) -> web.Response:
        rows = "".join(
            f"<h2>{escape(one.subject)}</h2><p>{escape(', '.join(one.to))}</p>"
            f"<pre>{escape(one.text)}</pre>"
            for one in reversed(self.received)
        )
        page = f"<!doctype html><meta charset=utf-8><title>Mails</title>{rows or 'No mail yet.'}"
        return web.Response(text=page, content_type="text/html")


class _Session:
    """One connection of a client."""

    def __init__(
        self, box: SandboxMail, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._box = box
        self._reader = reader
        self._writer = writer
        self._sender = ""
        self._to: list[str] = []

    async def run(self) -> None:
        if self._box.happens("busy"):
            await self._say("421 busy")
            return
        await self._say("220 sandbox ESMTP")
        while line := await self._reader.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            if not await self._obey(verb.upper(), rest):
                return

    async def _obey(self, verb: str, rest: str) -> bool:
        """Do what a line says; return whether the connection goes on."""
        match verb:
            case "EHLO":
                await self._say("250-sandbox\r\n250-SMTPUTF8\r\n250 8BITMIME")
            case "MAIL":
                self._sender, self._to = _address(rest), []
                await self._say("250 ok")
            case "RCPT" if self._box.happens("later"):
                await self._say("451 come again later")
            case "RCPT" if self._box.happens("refuse"):
                await self._say("550 nobody here of that name")
            case "RCPT":
                self._to.append(_address(rest))
                await self._say("250 ok")
            case "DATA":
                return await self._data()
            case "QUIT":
                await self._say("221 bye")
                return False
            case "HELO" | "RSET" | "NOOP":
                await self._say("250 ok")
            case _:
                await self._say("502 not known here")
        return True

    async def _data(self) -> bool:
        if self._box.happens("lose"):
            return False
        await self._say("354 go on")
        lines: list[bytes] = []
        while (line := await self._reader.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b".") else line)
        if not line:
            return False
        self._box.keep(self._sender, tuple(self._to), b"".join(lines))
        if self._box.happens("drop"):
            return False
        if slow := self._box.happens("slow"):
            await asyncio.sleep(slow.seconds)
        await self._say("250 taken")
        return True

    async def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]
