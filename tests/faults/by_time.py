"""A reader of a pod's log that resumes by time, which is how most programs follow one."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field

from crds import errors, frames
from crds.client import Client


@dataclass(slots=True)
class ByTime:
    """Follows a pod's log; after each cut it goes on from the second of the last line's time."""

    client: Client
    namespace: str
    pod: str
    seen: Counter[int] = field(default_factory=Counter)
    """How often each frame was read, by its number."""
    _newest: float = 0.0

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """It reads meanwhile."""
        task = asyncio.create_task(self._read())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def told(self, total: int) -> str:
        """What a program that trusts this reader would have lost and had twice."""
        assert self.seen, "it read something"
        lost = total - len(self.seen)
        twice = sum(count - 1 for count in self.seen.values())
        return f"by time: {lost} of {total} frames lost, {twice} read again, 0 declared"

    async def _read(self) -> None:
        while True:
            since = max(1, int(time.time() - self._newest)) if self._newest else 0
            with suppress(errors.ClusterError):
                stream = self.client.follow_pod_log(self.namespace, self.pod, since_seconds=since)
                async with aclosing(stream):
                    rest = b""
                    async for piece in stream:
                        *lines, rest = (rest + piece).split(b"\n")
                        for frame in filter(None, map(frames.parse, lines)):
                            self.seen[frame.seq] += 1
                            self._newest = frame.time
            await asyncio.sleep(0.2)
