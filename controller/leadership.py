"""A term as leader: from when the Lease is ours until it is not. Nothing outlives a term."""

import asyncio
import logging
import math
import time
from typing import Final

from controller import metrics, retention
from controller.health import Health
from controller.lease import Lease, LeaseLostError
from controller.reconcile import Reconciler
from controller.settings import Settings
from controller.watching import Watches
from crds import errors
from crds.client import Client

log = logging.getLogger(__name__)

_PAUSE: Final = 1.0
"""Seconds between a resync that failed and the next."""


class Leadership:
    """Stands by, leads, and stands by again where another has become leader."""

    def __init__(
        self, client: Client, settings: Settings, watches: Watches, lease: Lease, health: Health
    ) -> None:
        self._client = client
        self._settings = settings
        self._watches = watches
        self._lease = lease
        self._health = health
        self._reconciler: Reconciler | None = None

    async def run(self) -> None:
        """For ever; when it is cancelled the Lease is given back once nothing is carried out."""
        try:
            while True:
                await self._lease.acquire()
                await self._lead()
        finally:
            await self._lease.release()

    def measure(self) -> None:
        """Set the gauges; a standby has nothing."""
        found = self._reconciler
        waiting, active = found.registry.counts() if found else (0, 0)
        metrics.LEADER.set(found is not None)
        metrics.WAITING.set(waiting)
        metrics.ACTIVE.set(active)
        metrics.QUEUE.set(len(found.queue) if found else 0)

    async def _lead(self) -> None:
        log.info("leading", extra={"namespace": self._settings.namespace})
        client = self._client.fenced(self._lease.held)
        # What it knew in an earlier term may be wrong by now.
        reconciler = Reconciler(client, self._settings)
        self._reconciler = reconciler
        self._watches.listener = reconciler.shown
        self._health.leads(leads=True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lease.hold())
                group.create_task(reconciler.queue.run(self._settings.workers))
                group.create_task(self._resync(client, reconciler))
        except* LeaseLostError as lost:
            log.warning("lease lost", extra={"error": str(lost.exceptions[0])})
        finally:
            self._watches.listener = self._reconciler = None
            self._health.leads(leads=False)
            await reconciler.sessions.close()

    async def _resync(self, client: Client, reconciler: Reconciler) -> None:
        """Look at everything again and again, and let go of what has been kept long enough."""
        while True:
            self._health.resynced()
            try:
                await reconciler.resync()
                stale, since = await retention.sweep(client, self._settings, time.time())
                for name in stale:
                    reconciler.queue.add(name)
            except errors.ClusterError as error:
                why = {"error": f"{type(error).__name__}: {error}"}
                log.warning("resync failed", extra=why)
                await asyncio.sleep(_PAUSE)
                continue
            await self._listen(client, reconciler, since)

    async def _listen(self, client: Client, reconciler: Reconciler, since: str) -> None:
        """Hear of ended tasks that are to be looked at until the next resync is due."""
        seconds = self._settings.resync_seconds
        until = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                news = retention.news(client, self._settings, since, math.ceil(seconds))
                async for name in news:
                    reconciler.queue.add(name)
        except TimeoutError:
            return
        except errors.ClusterError as error:
            # The next sweep finds what was missed.
            log.warning("watch of ended tasks failed", extra={"error": type(error).__name__})
        await asyncio.sleep(max(0.0, until - time.monotonic()))
