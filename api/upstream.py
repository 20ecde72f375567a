"""The API's calls to Kubernetes: bounded in number and time, tried again for a moment."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from kubernetes.aio.client import ApiClient

from api.settings import Settings
from crds import errors
from crds.client import Client, Object

_PAUSE = 0.1
"""Seconds before the first new attempt; doubled each time."""
_LOOK = 1.0
"""Seconds between two looks at whether the API server still answers, for those who wait."""


class PatientClient(Client):
    """A client whose calls outlive a short absence of the API server.

    A call that may have been carried out without an answer is sent again, so every caller must
    know its own object when it is told AlreadyExists, and patch with a precondition or the same
    value.
    """

    def __init__(self, api: ApiClient) -> None:
        super().__init__(api)
        self._retry_seconds = 2.0
        self._call_seconds = 4.0
        self._places = asyncio.Semaphore(64)
        self._answered = 0.0
        """When the API server last answered anything, on the loop's clock."""

    @classmethod
    async def open(cls, settings: Settings) -> "PatientClient":
        """Connected, with the bounds that the installation chose."""
        # Beyond the bounded calls there are the reads of pods' logs.
        client = cast("PatientClient", await cls.connect(connections=settings.connections + 36))
        client._bound(settings)
        return client

    def _bound(self, settings: Settings) -> None:
        self._retry_seconds = settings.retry_seconds
        self._call_seconds = settings.call_seconds
        self._places = asyncio.Semaphore(settings.connections)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._places.locked():
            await self._wait_for_place()
        else:
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    async def _wait_for_place(self) -> None:
        """A burst waits here, where it costs nothing, as long as the API server answers others."""
        clock = asyncio.get_running_loop().time
        turn = asyncio.ensure_future(self._places.acquire())
        try:
            while not (await asyncio.wait({turn}, timeout=_LOOK))[0]:
                if clock() - self._answered > self._call_seconds:
                    raise errors.Unavailable("no call is answered at the moment")
        except BaseException:
            if not turn.cancel():
                self._places.release()
            raise

    async def _json(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: Object | Sequence[Object] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        async with self._place():
            clock = asyncio.get_running_loop().time
            begun, pause = clock(), _PAUSE
            while True:
                try:
                    async with asyncio.timeout_at(begun + self._call_seconds):
                        answer = await super()._json(
                            method, path, query, body, content_type, accept=accept
                        )
                    self._answered = clock()
                    return answer
                except TimeoutError as error:
                    raise errors.Unavailable(f"{method} {path}: no answer in time") from error
                except errors.Unavailable:
                    if clock() + pause > begun + self._retry_seconds:
                        raise
                except errors.ClusterError:
                    self._answered = clock()
                    raise
                await asyncio.sleep(pause)
                pause *= 2
