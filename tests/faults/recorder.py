"""Watches tasks and pods from outside, with kubectl, and keeps every state that it is shown."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from crds import names
from tests.cluster.platform.kubectl import Kubectl
from tests.faults.oracle import Seen

_PAUSE: Final = 0.5


class Recorder:
    """States of the tasks and pods of a namespace, in the order in which they were shown."""

    def __init__(self) -> None:
        self._states: dict[str, list[Seen]] = {"ansibletasks": [], "pods": []}

    def task(self, uid: str) -> list[Seen]:
        """The states of a task object."""
        found = self._states["ansibletasks"]
        return [seen for seen in found if seen.object["metadata"]["uid"] == uid]

    def pods(self, uid: str) -> list[dict[str, Any]]:
        """The states of a task's pods."""
        return [
            dict(seen.object)
            for seen in self._states["pods"]
            if seen.object["metadata"].get("labels", {}).get(names.LABEL_TASK_UID) == uid
        ]

    async def watch(self, kubectl: Kubectl, plural: str, watching: asyncio.Event) -> None:
        """Take in what is shown, for ever; a watch that ends is opened again, and shows first what
        there is. What came and went meanwhile is not seen."""
        while True:
            process = await kubectl.spawn("get", plural, "--watch", "-o", "json", "-v=6")
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._take(plural, process.stdout))
                    group.create_task(_listen(process.stderr, watching))
            finally:
                if process.returncode is None:
                    process.terminate()
                await process.wait()
            await asyncio.sleep(_PAUSE)

    async def _take(self, plural: str, stream: asyncio.StreamReader) -> None:
        decoder, text = json.JSONDecoder(), ""
        while piece := await stream.read(1 << 20):
            text += piece.decode()
            while text := text.lstrip():
                try:
                    found, end = decoder.raw_decode(text)
                except ValueError:
                    break  # the rest is still to come
                self._states[plural].append(Seen(time.time(), found))
                text = text[end:]


@asynccontextmanager
async def recording(kubectl: Kubectl) -> AsyncIterator[Recorder]:
    """A recorder at work in kubectl's namespace."""
    recorder = Recorder()
    watching = {plural: asyncio.Event() for plural in ("ansibletasks", "pods")}
    tasks = [
        asyncio.create_task(recorder.watch(kubectl, plural, event))
        for plural, event in watching.items()
    ]
    try:
        async with asyncio.timeout(30):
            for event in watching.values():
                await event.wait()
        yield recorder
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(log: asyncio.StreamReader, watching: asyncio.Event) -> None:
    """Tells when kubectl says that its watch is open: what is made from then on is shown."""
    while line := await log.readline():
        if b"watch=true" in line:
            watching.set()
