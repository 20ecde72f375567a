"""One leader at a time: a Lease that is held, renewed, and given back.

The claim of a pod is safe without it (a stale writer is refused); the Lease keeps two controllers
from doing everything twice.
"""

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from crds import errors
from crds.client import LEASES, Client

log = logging.getLogger(__name__)

_MICRO = "%Y-%m-%dT%H:%M:%S.%fZ"
_LONGEST: Final = 60.0
"""Seconds that the Lease lasts at most, however slow the API server is."""
_TRIPS: Final = 4
"""The Lease lasts for so many round trips at least, so that a slow API server does not end it."""


class LeaseLostError(RuntimeError):
    """Another controller holds the Lease."""


def _clock() -> float:
    """Seconds that go on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """A coordination.k8s.io Lease under an identity of its own; `clock` gives seconds."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        seconds: int,
        clock: Callable[[], float] = _clock,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._seconds = seconds
        self._clock = clock
        self.identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        self._version = ""
        """Resource version of our own last write; empty: we do not hold it."""
        self._until = 0.0
        self._trip = 0.0
        """Seconds that a renewal has lately taken."""
        self._seen: tuple[str, float] | None = None
        """Resource version of another's last write, and when we first saw it."""

    def held(self) -> bool:
        """Whether nobody else can hold it at this moment, as far as clocks can tell.

        Time counts from before the last renewal was sent, others count from after they saw it.
        """
        return self._clock() < self._until

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        waiting = False
        while not await self._take():
            if not waiting:
                log.info("standing by", extra={"lease": self._name, "identity": self.identity})
                waiting = True
            await asyncio.sleep(min(0.5, self._seconds / 8))

    async def hold(self) -> None:
        """Renew for ever; LeaseLostError once another holds it.

        While no renewal succeeds `held` is false after a time, and true again with the next one: a
        renewal has our own last write as its precondition, so nobody was leader in between.
        """
        failing = False
        while True:
            await asyncio.sleep(self._seconds / 4)
            try:
                await self._write(self._version)
                failing = False
            except errors.Conflict:
                if not await self._take():
                    raise LeaseLostError(f"another controller holds {self._name}") from None
            except errors.NotFound:
                await self._create()
            except errors.ClusterError as error:
                if not failing:
                    log.warning("lease not renewed", extra={"error": type(error).__name__})
                failing = True

    async def release(self) -> None:
        """Give it back, so that a successor need not wait."""
        version, self._version, self._until = self._version, "", 0.0
        if not version:
            return
        try:
            await self._patch(version, {"holderIdentity": "", "leaseDurationSeconds": 1})
        except errors.ClusterError as error:
            log.warning("lease not released", extra={"error": type(error).__name__})

    async def _take(self) -> bool:
        """Take it where it is free; False where another holds it or the API server is away."""
        try:
            found = await self._client.get(LEASES, self._namespace, self._name)
            holder = found["spec"].get("holderIdentity") or ""
            if holder not in ("", self.identity) and not self._expired(found):
                self._version, self._until = "", 0.0
                return False
            await self._write(found["metadata"]["resourceVersion"])
        except errors.NotFound:
            return await self._create()
        except errors.ClusterError:
            return False
        return True

    def _expired(self, lease: dict[str, Any]) -> bool:
        """Whether its holder was silent for its duration, by our own clock (clocks differ)."""
        version, now = lease["metadata"]["resourceVersion"], self._clock()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
        seconds = int(lease["spec"].get("leaseDurationSeconds") or self._seconds)
        return now - self._seen[1] > seconds

    async def _create(self) -> bool:
        sent, seconds = self._clock(), self._duration()
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": self._spec(seconds),
        }
        try:
            self._wrote(await self._client.create(LEASES, self._namespace, body), sent, seconds)
        except errors.ClusterError:
            return False
        return True

    async def _write(self, version: str) -> None:
        """Renew or take it over from what it was in a resource version."""
        sent, seconds = self._clock(), self._duration()
        self._wrote(await self._patch(version, self._spec(seconds)), sent, seconds)

    def _wrote(self, lease: dict[str, Any], sent: float, seconds: int) -> None:
        self._version = lease["metadata"]["resourceVersion"]
        self._until = sent + seconds
        self._trip = max(self._clock() - sent, 0.8 * self._trip)

    async def _patch(self, version: str, spec: dict[str, Any]) -> dict[str, Any]:
        patch = {"metadata": {"resourceVersion": version}, "spec": spec}
        return await self._client.patch(LEASES, self._namespace, self._name, patch)

    def _duration(self) -> int:
        return int(min(_LONGEST, max(self._seconds, _TRIPS * self._trip)))

    def _spec(self, seconds: int) -> dict[str, Any]:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": seconds,
            "renewTime": datetime.now(UTC).strftime(_MICRO),
        }
