"""Watches tasks and pods from outside, with kubectl, and keeps every state that it is shown."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from crds import names
from tests.cluster.platform.kubectl import Kubectl
from tests.faults.oracle import Seen


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

    async def follow(self, plural: str, stream: asyncio.StreamReader) -> None:
        """Take in what a `kubectl get --watch -o json` prints."""
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
    processes, readers = list[asyncio.subprocess.Process](), list[asyncio.Task[None]]()
    try:
        for plural in ("ansibletasks", "pods"):
            process = await kubectl.spawn("get", plural, "--watch", "-o", "json", "-v=6")
            processes.append(process)
            assert process.stdout is not None
            assert process.stderr is not None
            readers.append(asyncio.create_task(recorder.follow(plural, process.stdout)))
            async with asyncio.timeout(30):
                await _watching(process.stderr)
            readers.append(asyncio.create_task(_drain(process.stderr)))
        yield recorder
    finally:
        for process in processes:
            process.terminate()
        await asyncio.gather(*(process.wait() for process in processes))
        await asyncio.gather(*readers)


async def _watching(log: asyncio.StreamReader) -> None:
    """Until kubectl says that its watch is open: what is made from then on is shown."""
    while line := await log.readline():
        if b"watch=true" in line:
            return
    raise AssertionError("kubectl ended before it watched")


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(1 << 16):
        pass
