"""Reads a running pod's log into its SliceLog: follows it, resumes after any cut by sequence."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Final

from controller.observed import PodView
from controller.reasons import summary_of
from controller.slicelog import SliceLog
from controller.views import pod_view
from crds import errors
from crds.client import PODS, Client

_MARGIN: Final = 5
"""Seconds read again behind the newest frame: since-times have whole seconds and clocks differ."""
_PAUSE: Final = 0.5
_POLL: Final = 5.0
_GIVE_UP: Final = 20.0
"""Seconds after which the log of an ended container that can't be read counts as lost."""
_LAST_WORDS: Final = 5.0
"""Seconds for which the stream of a pod that is gone is still read."""
_LONGEST_LINE: Final = 1024 * 1024


class Follower:
    """Reads one pod's log until its end frame, or until nothing more can come."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        pod: str,
        log: SliceLog,
        changed: Callable[[], None],
        live: asyncio.Semaphore,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._pod = pod
        self._log = log
        self._changed = changed
        self._live = live
        self._over_since: float | None = None
        self._stream: asyncio.Timeout | None = None

    def pod_gone(self) -> None:
        """The pod is not there any more: what its stream has to say comes soon, or never, since a
        dead node closes no connection."""
        if self._stream is not None and self._stream.when() is None:
            self._stream.reschedule(asyncio.get_running_loop().time() + _LAST_WORDS)

    async def run(self) -> None:
        """Until the log has told its end; then `log.exhausted` or `log.end` is set."""
        log = self._log
        log.following = True
        try:
            while log.end is None and not log.exhausted:
                pod = await self._look()
                over = pod is None or pod.over
                if over and self._over_since is None:
                    self._over_since = time.monotonic()
                await self._read_once(follow=not over)
                if log.end is None and (over or log.gap):
                    await self._read_whole(pod, over=over)
                elif log.end is None:
                    await asyncio.sleep(_PAUSE)
        finally:
            log.following = False
            self._changed()

    async def _read_once(self, *, follow: bool) -> None:
        """One stream, as far as it goes; beyond the cap of streams one plain read."""
        if not follow:
            return
        try:
            if self._live.locked():
                await self._poll()
                await asyncio.sleep(_POLL)
                return
            async with self._live:
                since = self._since()
                stream = self._client.follow_pod_log(
                    self._namespace, self._pod, since_seconds=since
                )
                async with aclosing(stream), asyncio.timeout(None) as self._stream:
                    await self._take(stream)
        except (errors.ClusterError, TimeoutError):
            # Not started yet, rotated just now, cut, refused, or gone: the next look tells which.
            await asyncio.sleep(_PAUSE)
        finally:
            self._stream = None

    async def _poll(self) -> None:
        self._feed((await self._client.pod_log(self._namespace, self._pod)).splitlines())

    async def _read_whole(self, pod: PodView | None, *, over: bool) -> None:
        """What a whole read does not hold is lost; after the container's end nothing follows."""
        read = False
        try:
            if pod is not None:
                await self._poll()
                read = True
        except errors.NotFound:
            pod = None
        except (errors.Unavailable, errors.Invalid):
            await asyncio.sleep(_PAUSE)
            if time.monotonic() - (self._over_since or time.monotonic()) < _GIVE_UP:
                return
        while self._log.gap:
            self._log.skip_gap(time.monotonic())
        if over and self._log.end is None:
            self._log.close(summary_of(pod), read=read)

    async def _look(self) -> PodView | None:
        """The pod as it is; None where it is gone."""
        while True:
            try:
                return pod_view(await self._client.get(PODS, self._namespace, self._pod))
            except errors.NotFound:
                return None
            except errors.ClusterError:
                await asyncio.sleep(_PAUSE)

    async def _take(self, stream: AsyncIterator[bytes]) -> None:
        """Feed a stream's lines; ends early once the end frame is there."""
        rest = b""
        async for piece in stream:
            *lines, rest = (rest + piece).split(b"\n")
            self._feed(lines)
            if self._log.end is not None:
                return
            if len(rest) > _LONGEST_LINE:
                rest = b""
        self._feed([rest])

    def _feed(self, lines: list[bytes]) -> None:
        clock = time.monotonic()
        if sum(self._log.feed(line, clock) for line in lines):
            self._changed()

    def _since(self) -> int:
        """Seconds to read back to; 0: from the start."""
        if not self._log.newest:
            return 0
        return math.ceil(max(0.0, time.time() - self._log.newest)) + _MARGIN
