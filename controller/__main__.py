"""Starts the controller: `python -m controller`."""

import asyncio
import contextlib
import logging
import math
import signal
import sys
import time
from collections.abc import Coroutine
from typing import Any

import kopf

from controller import handlers, metrics, retention
from controller.health import Health
from controller.lease import Lease, LeaseLostError
from controller.reconcile import Reconciler
from controller.settings import Settings
from crds import environment, errors, logs
from crds.client import Client

log = logging.getLogger("controller")


def main() -> None:
    """Run until SIGTERM or SIGINT; exit status 1 where it must be started anew."""
    environment.allow_deep_json()
    settings = environment.load(Settings)
    logs.configure(settings.log_level)
    # kopf tells every event it sees; what matters of them we say ourselves.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        asyncio.run(_run(settings))
    except* LeaseLostError as lost:
        log.error("lease lost", extra={"error": str(lost.exceptions[0])})
        sys.exit(1)
    except* OSError as fault:
        # The port is taken, or there is no network: a sentence says it better than a trace.
        log.error("can't serve", extra={"error": str(fault.exceptions[0])})
        sys.exit(1)


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await Client.connect()
    reconciler = Reconciler(client, settings)
    health = Health(lambda: _measure(reconciler))
    server = await health.serve(settings.health_port)
    lease = Lease(client, settings.namespace, settings.lease_name, settings.lease_seconds)
    try:
        if await _unless(stop, lease.acquire()):
            await _serve(settings, client, reconciler, health, lease, stop)
    finally:
        await reconciler.sessions.close()
        await lease.release()
        await server.cleanup()
        await client.close()


async def _serve(
    settings: Settings,
    client: Client,
    reconciler: Reconciler,
    health: Health,
    lease: Lease,
    stop: asyncio.Event,
) -> None:
    """Everything at once until asked to stop, or until one part fails."""
    log.info("controller started", extra={"namespace": settings.namespace})
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(work)
            for work in (
                lease.hold(),
                reconciler.queue.run(settings.workers),
                _resync(settings, client, reconciler, health),
            )
        ]
        group.create_task(_watch(settings, reconciler, stop))
        await stop.wait()
        log.info("controller stops")
        for task in tasks:
            task.cancel()


async def _watch(settings: Settings, reconciler: Reconciler, stop: asyncio.Event) -> None:
    """kopf's watch streams. They end on a signal, which kopf takes over, or raise."""
    await kopf.operator(
        registry=handlers.registry(task=reconciler.task_changed, parts=reconciler.parts_changed),
        settings=handlers.operator_settings(),
        namespaces=[settings.namespace],
        standalone=True,
        stop_flag=stop,
    )
    stop.set()


async def _resync(
    settings: Settings, client: Client, reconciler: Reconciler, health: Health
) -> None:
    """Look at everything again and again, and let go of what has been kept long enough."""
    while True:
        try:
            await reconciler.resync()
            health.listed()
            stale, since = await retention.sweep(client, settings, time.time())
            for name in stale:
                reconciler.queue.add(name)
        except errors.ClusterError as error:
            log.warning("resync failed", extra={"error": f"{type(error).__name__}: {error}"})
            await asyncio.sleep(1)
            continue
        await _listen(settings, client, reconciler, since)


async def _listen(settings: Settings, client: Client, reconciler: Reconciler, since: str) -> None:
    """Hear of ended tasks that are to be looked at until the next resync is due."""
    until = time.monotonic() + settings.resync_seconds
    try:
        async with asyncio.timeout(settings.resync_seconds):
            seconds = math.ceil(settings.resync_seconds)
            async for name in retention.news(client, settings, since, seconds):
                reconciler.queue.add(name)
    except TimeoutError:
        return
    except errors.ClusterError as error:
        # The next sweep finds what was missed.
        log.warning("watch of ended tasks failed", extra={"error": type(error).__name__})
    await asyncio.sleep(max(0.0, until - time.monotonic()))


def _measure(reconciler: Reconciler) -> None:
    waiting, active = reconciler.registry.counts()
    metrics.WAITING.set(waiting)
    metrics.ACTIVE.set(active)
    metrics.QUEUE.set(len(reconciler.queue))


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work unless asked to stop first; whether it was done."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if doing.done():
        doing.result()
        return True
    doing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await doing
    return False


if __name__ == "__main__":
    main()
