"""The controller's own HTTP: alive, ready, metrics."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

_STUCK_SECONDS: Final = 90
"""So long without a resync while it leads, and the process is better started anew."""


class Health:
    """What the probes are told."""

    def __init__(
        self,
        before_metrics: Callable[[], None],
        watches: Callable[[], Mapping[str, float | None]],
        current: Callable[[], bool],
    ) -> None:
        self._before_metrics = before_metrics
        self._watches = watches
        self._current = current
        self._resynced: float | None = None

    def leads(self, *, leads: bool) -> None:
        """Whether the process leads from now on."""
        self._resynced = time.monotonic() if leads else None

    def resynced(self) -> None:
        """A resync was tried. Where the Kubernetes API is away, starting anew would not help."""
        if self._resynced is not None:
            self._resynced = time.monotonic()

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
        if self._resynced is not None:
            stuck = time.monotonic() - self._resynced
            if stuck > _STUCK_SECONDS:
                return web.Response(status=503, text=f"no resync for {stuck:.0f} s\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        """Ready are leader and standby alike, once their watches show what there is."""
        lines = ["leader" if self._resynced is not None else "standby"]
        lines += [
            f"watch of {kind}: " + ("not begun" if age is None else f"{age:.0f} s old")
            for kind, age in self._watches().items()
        ]
        return web.Response(status=200 if self._current() else 503, text="\n".join(lines) + "\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        self._before_metrics()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
