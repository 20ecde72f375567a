"""The controller's own HTTP: alive, ready, metrics."""

import time
from collections.abc import Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

BLIND_SECONDS: Final = 90
"""So long without a successful list of tasks, and the process is better started anew."""


class Health:
    """What the probes are told; `listed` is called after every successful list of tasks."""

    def __init__(self, before_metrics: Callable[[], None]) -> None:
        self._before_metrics = before_metrics
        self._last_list = time.monotonic()
        self.ready = False

    def listed(self) -> None:
        """All tasks were just listed."""
        self._last_list = time.monotonic()
        self.ready = True

    async def serve(self, port: int) -> web.AppRunner:
        """Listen on a port; the runner is to be cleaned up by the caller."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=port).start()
        return runner

    async def _healthz(self, _: web.Request) -> web.Response:
        blind = time.monotonic() - self._last_list
        # Before the first list it waits for the Lease, which may take as long as it takes.
        if self.ready and blind > BLIND_SECONDS:
            return web.Response(status=503, text=f"no list of tasks for {blind:.0f} s\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(
            status=200 if self.ready else 503, text="ok\n" if self.ready else "no\n"
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        self._before_metrics()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
