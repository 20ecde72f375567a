"""The archive in ConfigMaps that the task owns: deleting the task deletes its archive.

A chunk is the content of one immutable ConfigMap. etcd holds them, so a task's log is kept within a
limit.
"""

import base64
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from crds import errors, names
from crds.archive import CONFIG_MAPS as PLACE
from crds.archive import Chunk, behind
from crds.client import CONFIG_MAPS, Client, Object
from crds.model import AnsibleTask
from crds.tasks import owner_of

_FEW: Final = 16
"""Chunks that are read one by one."""
_KEY: Final = "frames.gz"
_FIRST: Final = "octans.io/first-sequence"
_LAST: Final = "octans.io/last-sequence"


class ConfigMapArchive:
    """The archive in ConfigMaps of one namespace; see archive.Archive."""

    place = PLACE
    bounded = True

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def append(self, task: AnsibleTask, chunk: Chunk) -> Chunk:
        """Keep a chunk; the one that is kept.

        That may be a shorter one with the same beginning, of a write whose answer was lost.
        """
        meta = task.metadata
        kept = (names.LABEL_TASK_ID, names.LABEL_CORRELATION, names.LABEL_SOURCE)
        labels = {label: meta.labels[label] for label in kept if label in meta.labels}
        labels[names.LABEL_TASK_UID] = meta.uid
        labels[names.LABEL_SLICE] = str(chunk.index)
        body: Object = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "immutable": True,
            "metadata": {
                "name": names.archive_chunk(meta.name, meta.uid, chunk.index, chunk.first),
                "labels": labels,
                "annotations": {_FIRST: str(chunk.first), _LAST: str(chunk.last)},
                "ownerReferences": [owner_of(task)],
            },
            "binaryData": {_KEY: base64.b64encode(chunk.data).decode()},
        }
        try:
            await self._client.create(CONFIG_MAPS, self._namespace, body)
        except errors.AlreadyExists as error:
            name = body["metadata"]["name"]
            there = _chunk(await self._client.get(CONFIG_MAPS, self._namespace, name))
            if there is None or there.task_uid != meta.uid:
                raise errors.AlreadyExists(
                    f"a ConfigMap named {name} that is not this task's is in the namespace",
                    status=error.status,
                    reason=error.reason,
                ) from error
            return there
        return chunk

    async def remove(self, task: AnsibleTask, index: int, first: int) -> None:
        """Give up the chunk of a slice that begins with frame `first`, if it is there."""
        name = names.archive_chunk(task.metadata.name, task.metadata.uid, index, first)
        with suppress(errors.NotFound):
            await self._client.delete(CONFIG_MAPS, self._namespace, name)

    async def read(self, task: AnsibleTask) -> AsyncIterator[Chunk]:
        """All chunks of one task, by slice and first frame."""
        found = await self.find(f"{names.LABEL_TASK_UID}={task.metadata.uid}")
        for chunk in sorted(found, key=lambda chunk: (chunk.index, chunk.first)):
            yield chunk

    async def walk(self, task: AnsibleTask) -> AsyncIterator[Chunk]:
        """The chunks that the task's status tells of, by their names where they are few.

        A list costs the API server a look at every ConfigMap of the namespace, a GET does not.
        """
        found = await self._by_name(task)
        if found is None:
            found = [chunk async for chunk in self.read(task)]
        for chunk in found:
            yield chunk

    async def clear(self, task: AnsibleTask) -> None:
        """Nothing: Kubernetes removes what the task owns."""

    async def _by_name(self, task: AnsibleTask) -> list[Chunk] | None:
        found: list[Chunk] = []
        gaps = task.status.log.missing if task.status.log is not None else ()
        for part in sorted(task.status.slices, key=lambda part: part.index):
            # Behind a gap a chunk begins.
            ends = {gap.first: gap.last for gap in gaps if gap.slice == part.index}
            first = behind(1, ends)
            while first <= part.last_sequence:
                meta = task.metadata
                name = names.archive_chunk(meta.name, meta.uid, part.index, first)
                chunk = await self._get(name)
                if chunk is None or chunk.task_uid != task.metadata.uid or len(found) >= _FEW:
                    return None
                found.append(chunk)
                first = behind(chunk.last + 1, ends)
        return found

    async def _get(self, name: str) -> Chunk | None:
        try:
            item = await self._client.get(CONFIG_MAPS, self._namespace, name, cached=True)
        except errors.NotFound:
            return None
        return _chunk(item)

    async def find(self, labels: str) -> list[Chunk]:
        """The chunks that a label selector fits: one list call for many tasks."""
        page = await self._client.list(CONFIG_MAPS, self._namespace, labels=labels)
        return [chunk for item in page.items if (chunk := _chunk(item)) is not None]


def _chunk(item: dict[str, Any]) -> Chunk | None:
    try:
        head = item["metadata"]
        return Chunk(
            task_uid=head["labels"][names.LABEL_TASK_UID],
            index=int(head["labels"][names.LABEL_SLICE]),
            first=int(head["annotations"][_FIRST]),
            last=int(head["annotations"][_LAST]),
            data=base64.b64decode(item["binaryData"][_KEY]),
        )
    except (KeyError, TypeError, ValueError):
        return None
