"""The loopback page of an executor: figures for Prometheus, and whether it lives and is ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from aiohttp import web

from live.metrics.figures import Figures

__all__ = ["Endpoint"]

_HOST: Final = "127.0.0.1"


class Endpoint:
    """Serve ``/metrics``, ``/health/live`` and ``/health/ready`` on this machine alone.

    Parameters
    ----------
    is_ready
        Whether the process does its work; it lives as long as it answers.
    port
        0: the system chooses one.
    """

    def __init__(self, figures: Figures, is_ready: Callable[[], bool], port: int = 0) -> None:
        self._figures = figures
        self._is_ready = is_ready
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen; return the address of the figures."""
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/health/live", self._live)
        application.router.add_get("/health/ready", self._ready)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, self._port).start()
        _, port = cast("tuple[str, int]", self._runner.addresses[0][:2])
        return f"http://{_HOST}:{port}/metrics"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._figures.text(), content_type="text/plain", charset="utf-8")

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        is_ready = self._is_ready()
        return web.Response(text="ready\n" if is_ready else "starting\n",
                            status=200 if is_ready else 503)  # fmt: skip
