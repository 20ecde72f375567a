"""kopf's watches, in a thread of their own, and whether they show what there is.

In a thread because kopf takes over the signals of the thread it runs in, and ends every asyncio
task that it finds there when it ends itself. Whatever ends it, it is started again.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import kopf

from controller import handlers
from controller.handlers import SELECTORS, Show, Shown
from controller.sight import Sight
from crds import errors
from crds.client import Client, Kind

log = logging.getLogger(__name__)

BLIND_SECONDS: Final = 45.0
"""A watch that has owed something for so long is blind. With what it takes until a list finds out,
and until the process is there again, that is 90 s."""
_TICK: Final = 5.0
_FIRST_TICK: Final = 0.5
"""Until the watches have begun."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 4.0
_STOP: Final = 3.0
"""Seconds that kopf has to end by itself."""
_STOP_TICK: Final = 1.0
_END: Final = 10.0
"""Seconds that kopf has to end once something of it has ended; it takes 5 s where it waits for what
it has started."""


class BlindError(RuntimeError):
    """A watch does not show what lists find; the process is better started anew."""


class StuckError(RuntimeError):
    """kopf began to end and does not come to it."""


class Watches:
    """The watches of tasks, Jobs and pods of one namespace."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._every = every
        self._clock = clock
        self._sights = {kind.plural: Sight() for kind in SELECTORS}
        self._failing: set[Kind] = set()
        """Kinds that could not be listed the last time."""
        self.listener: Show | None = None
        """Hears of everything that is shown."""

    async def run(self) -> None:
        """Watch for ever, and compare with a list every so many seconds; BlindError where the
        watches do not show what there is."""
        stop = threading.Event()
        loop = asyncio.get_running_loop()

        def show(seen: Shown) -> None:
            if not stop.is_set():
                loop.call_soon_threadsafe(self._show, seen)

        given = (self._namespace, show, stop)
        thread = threading.Thread(target=_watch, args=given, name="watches", daemon=True)
        thread.start()
        try:
            await self._look_after()
        finally:
            stop.set()
            await asyncio.to_thread(thread.join, _STOP)

    def ages(self) -> Mapping[str, float | None]:
        """Seconds since each watch was last known to show what there is, by plural."""
        now = self._clock()
        return {plural: sight.age(now) for plural, sight in self._sights.items()}

    @property
    def current(self) -> bool:
        """Whether all of them show what there is."""
        return all(age is not None and age < BLIND_SECONDS for age in self.ages().values())

    def _show(self, seen: Shown) -> None:
        self._sights[seen.kind].show(seen, self._clock())
        if self.listener is not None:
            self.listener(seen)

    async def _look_after(self) -> None:
        due = self._clock()
        while True:
            owing = any(sight.behind(self._clock()) for sight in self._sights.values())
            if owing or self._clock() >= due or not self.current:
                for kind in SELECTORS:
                    await self._compare(kind)
                due = self._clock() + self._every
            begun = None not in self.ages().values()
            await asyncio.sleep(_TICK if begun else _FIRST_TICK)

    async def _compare(self, kind: Kind) -> None:
        sight = self._sights[kind.plural]
        try:
            page = await self._client.list(
                kind, self._namespace, labels=SELECTORS[kind], metadata_only=True
            )
        except errors.ClusterError as error:
            sight.unknown(self._clock())
            if kind not in self._failing:
                why = {"kind": kind.plural, "error": type(error).__name__}
                log.warning("watch can't be compared with a list", extra=why)
            self._failing.add(kind)
            return
        self._failing.discard(kind)
        heads = [item["metadata"] for item in page.items]
        listed = {str(head["name"]): int(head["resourceVersion"]) for head in heads}
        sight.compare(listed, int(page.resource_version), self._clock())
        if sight.behind(self._clock()) > BLIND_SECONDS:
            owed = sight.owed(self._clock())
            raise BlindError(f"the watch of {kind.plural} does not show what there is: {owed}")


def _watch(namespace: str, show: Show, stop: threading.Event) -> None:
    # That it leaves signals alone in a thread is what we want, and no warning.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    pause = _FIRST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        try:
            _run(namespace, show, stop)
        except Exception as error:
            log.warning("watches ended", extra={"error": type(error).__name__})
        if time.monotonic() - began > _LONGEST_PAUSE:
            pause = _FIRST_PAUSE
        stop.wait(pause)
        pause = min(_LONGEST_PAUSE, 2 * pause)


def _run(namespace: str, show: Show, stop: threading.Event) -> None:
    """One life of kopf, in a loop of its own, which is left as it is where kopf is stuck: closing
    it would wait for the same tasks."""
    runner = asyncio.Runner()
    try:
        runner.run(_operate(namespace, show, stop))
    except StuckError:
        raise
    except BaseException:
        runner.close()
        raise
    runner.close()


async def _operate(namespace: str, show: Show, stop: threading.Event) -> None:
    # NB: given a threading.Event, kopf waits for it in a thread, which asyncio.run would then wait
    # for without end where kopf ends by an error.
    flag = asyncio.Event()

    async def pass_on() -> None:
        while not await asyncio.to_thread(stop.wait, _STOP_TICK):
            pass
        flag.set()

    passing = asyncio.create_task(pass_on())
    ours = asyncio.all_tasks()
    roots = await kopf.spawn_tasks(
        registry=handlers.registry(show),
        settings=handlers.operator_settings(),
        namespaces=[namespace],
        standalone=True,
        stop_flag=flag,
    )
    running = asyncio.create_task(kopf.run_tasks(roots, ignored=ours))
    try:
        await asyncio.wait(roots, return_when=asyncio.FIRST_COMPLETED)
        # NB: then kopf ends, and waits without a limit for all that it has started. A watch that is
        # asking for credentials at that moment, after 401, may never end.
        done, _ = await asyncio.wait([running], timeout=_END)
        if not done:
            raise StuckError
        await running
    finally:
        passing.cancel()
