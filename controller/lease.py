"""One controller at a time: a Lease that is held, renewed, and given back.

The claim of a pod is safe without it (a stale writer is refused); the Lease keeps two controllers
from doing everything twice.
"""

import asyncio
import logging
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from crds import errors
from crds.client import LEASES, Client

log = logging.getLogger(__name__)

_MICRO = "%Y-%m-%dT%H:%M:%S.%fZ"


class LeaseLostError(RuntimeError):
    """Another controller holds the Lease, or it could not be renewed in time."""


class Lease:
    """A coordination.k8s.io Lease under a random identity."""

    def __init__(self, client: Client, namespace: str, name: str, seconds: int) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._seconds = seconds
        self._identity = uuid.uuid4().hex
        self._seen: tuple[str, datetime] | None = None

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        waiting = False
        while not await self._try():
            if not waiting:
                log.info("waiting for the lease", extra={"lease": self._name})
                waiting = True
            await asyncio.sleep(min(1.0, self._seconds / 5))

    async def hold(self) -> None:
        """Renew for ever; LeaseLostError once it can't be called ours any more."""
        renewed = datetime.now(UTC)
        while True:
            await asyncio.sleep(self._seconds / 3)
            if await self._try():
                renewed = datetime.now(UTC)
            elif datetime.now(UTC) - renewed > timedelta(seconds=self._seconds):
                raise LeaseLostError(f"the Lease {self._name} was lost")

    async def release(self) -> None:
        """Give it back, so that a successor need not wait."""
        try:
            found = await self._client.get(LEASES, self._namespace, self._name)
            if found["spec"].get("holderIdentity") == self._identity:
                await self._write(found, {"holderIdentity": "", "leaseDurationSeconds": 1})
        except errors.ClusterError as error:
            log.warning("lease not released", extra={"error": type(error).__name__})

    async def _try(self) -> bool:
        """Take or renew it; False where another holds it or the API server is away."""
        try:
            found = await self._client.get(LEASES, self._namespace, self._name)
        except errors.NotFound:
            return await self._create()
        except errors.ClusterError:
            return False
        holder = found["spec"].get("holderIdentity") or ""
        if holder not in ("", self._identity) and not self._expired(found):
            return False
        try:
            await self._write(found, self._spec())
        except errors.ClusterError:
            return False
        return True

    def _expired(self, lease: dict[str, Any]) -> bool:
        """Whether its holder was silent for its duration, by our own clock (clocks differ)."""
        version, now = lease["metadata"]["resourceVersion"], datetime.now(UTC)
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
        seconds = int(lease["spec"].get("leaseDurationSeconds") or self._seconds)
        return now - self._seen[1] > timedelta(seconds=seconds)

    async def _create(self) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": self._spec(),
        }
        try:
            await self._client.create(LEASES, self._namespace, body)
        except errors.ClusterError:
            return False
        return True

    async def _write(self, found: dict[str, Any], spec: dict[str, Any]) -> None:
        version = found["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "spec": spec}
        await self._client.patch(LEASES, self._namespace, self._name, patch)

    def _spec(self) -> dict[str, Any]:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._seconds,
            "renewTime": datetime.now(UTC).strftime(_MICRO),
        }
