"""Starts the controller: `python -m controller`."""

import asyncio
import logging
import math
import signal
import sys

from controller import metrics
from controller.health import Health
from controller.leadership import Leadership
from controller.lease import Lease
from controller.settings import Settings
from controller.watching import BlindError, Watches
from crds import environment, logs
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
    except* BlindError as blind:
        log.error("blind", extra={"error": str(blind.exceptions[0])})
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
    watches = Watches(client, settings.namespace, settings.resync_seconds)
    lease = Lease(client, settings.namespace, settings.lease_name, settings.lease_seconds)
    health = Health(lambda: _measure(leadership, watches), watches.ages, lambda: watches.current)
    leadership = Leadership(client, settings, watches, lease, health)
    server = await health.serve(settings.health_port)
    log.info("controller started", extra={"identity": lease.identity})
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(leadership.run()), group.create_task(watches.run())]
            await stop.wait()
            log.info("controller stops")
            for task in tasks:
                task.cancel()
    finally:
        await server.cleanup()
        await client.close()


def _measure(leadership: Leadership, watches: Watches) -> None:
    leadership.measure()
    for kind, age in watches.ages().items():
        metrics.WATCH_AGE.labels(kind).set(math.nan if age is None else age)


if __name__ == "__main__":
    main()
