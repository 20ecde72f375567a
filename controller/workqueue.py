"""Names to look at: each at most once in line, never twice at a time, later where asked for."""

import asyncio
import contextlib
import heapq
from collections.abc import Awaitable, Callable

from crds import errors

Reconcile = Callable[[str], Awaitable[float | None]]
"""Looks at one name; answers after how many seconds to look again, None: on the next event."""

_CONFLICT_DELAY = 0.02
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 30.0


class WorkQueue:
    """Runs a function over names, several at a time; a name added meanwhile is looked at again."""

    def __init__(self, reconcile: Reconcile, report: Callable[[str, Exception], None]) -> None:
        self._reconcile = reconcile
        self._report = report
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._running: set[str] = set()
        self._failures: dict[str, int] = {}
        self._wake = asyncio.Event()

    def add(self, name: str, after: float = 0.0) -> None:
        """Look at a name in `after` seconds at the latest."""
        due = asyncio.get_running_loop().time() + after
        if name in self._due and self._due[name] <= due:
            return
        self._due[name] = due
        heapq.heappush(self._heap, (due, name))
        self._wake.set()

    def __len__(self) -> int:
        """How many names are due or being looked at."""
        return len(self._due) + len(self._running)

    async def run(self, workers: int) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            name = await self._next()
            self._running.add(name)
            try:
                again = await self._one(name)
            finally:
                self._running.discard(name)
            if again is not None:
                self.add(name, again)
            self._wake.set()

    async def _one(self, name: str) -> float | None:
        """One look, with growing pauses while it fails."""
        try:
            again = await self._reconcile(name)
        except errors.Conflict:
            # Something changed since it was read: not a failure, look again soon.
            return _CONFLICT_DELAY
        except errors.NotLeading:
            # Soon it leads again, or this queue is at its end.
            return _FIRST_DELAY
        except Exception as error:  # one task's failure must not end the others
            count = self._failures[name] = self._failures.get(name, 0) + 1
            self._report(name, error)
            return float(min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(count, 10)))
        self._failures.pop(name, None)
        return again

    async def _next(self) -> str:
        """The next name that is due and not being looked at."""
        while True:
            self._wake.clear()
            now = asyncio.get_running_loop().time()
            held: list[tuple[float, str]] = []
            found = None
            while self._heap and self._heap[0][0] <= now and found is None:
                due, name = heapq.heappop(self._heap)
                if self._due.get(name) != due:
                    continue
                if name in self._running:
                    held.append((due, name))
                    continue
                found = name
            for entry in held:
                heapq.heappush(self._heap, entry)
            if found is not None:
                del self._due[found]
                if self._heap:
                    self._wake.set()
                return found
            await self._sleep(now, {name for _, name in held})

    async def _sleep(self, now: float, held: set[str]) -> None:
        """Until something is added or ends, or the first name that is not held falls due."""
        upcoming = [due for due, name in self._heap if name not in held]
        wait = max(0.001, min(upcoming) - now) if upcoming else None
        with contextlib.suppress(TimeoutError):
            # NB: before Python 3.12 asyncio.wait_for loses a cancellation that comes with the wake.
            async with asyncio.timeout(wait):
                await self._wake.wait()
