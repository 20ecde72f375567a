"""Which ended tasks go: by their time, and by count, oldest first; and doing it."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any

from controller.settings import Settings
from crds import errors, names, provenance
from crds.client import TASKS, Client


@dataclass(frozen=True, slots=True)
class Ended:
    """An ended task, from its metadata alone; times are seconds since 1970."""

    name: str
    uid: str
    version: str
    """Its resource version."""
    ended: int
    expires: int
    stale: bool
    """To be looked at as a whole: its spec changed after its end, its marks are not its own, or it
    is deleted and waits for its log to be removed."""


def ended(metadata: dict[str, Any]) -> Ended:
    """The metadata of a task that is marked as ended, read."""
    deleted = "deletionTimestamp" in metadata
    name, uid, version = metadata["name"], metadata["uid"], metadata["resourceVersion"]
    notes, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    if not provenance.own(labels.get(names.LABEL_FINISHED), uid):
        return Ended(name, uid, version, 0, 0, stale=True)
    try:
        return Ended(
            name=name,
            uid=uid,
            version=version,
            ended=int(notes[names.ANNOTATION_ENDED]),
            expires=int(notes[names.ANNOTATION_EXPIRES]),
            stale=deleted
            or int(notes[names.ANNOTATION_GENERATION]) != metadata.get("generation", 0),
        )
    except (KeyError, ValueError):
        return Ended(name, uid, version, 0, 0, stale=True)


def surplus(tasks: Iterable[Ended], now: float, *, keep: int, youngest: int) -> list[Ended]:
    """The tasks that go now: those whose time is over, then the oldest beyond `keep`.

    None goes for the count's sake within `youngest` seconds of its end, and none of which it is not
    known any more when its time is over.
    """
    known = [task for task in tasks if not task.stale]
    ordered = sorted(known, key=lambda task: (task.ended, task.name))
    over = [task for task in ordered if task.expires <= now]
    left = [task for task in ordered if task.expires > now]
    excess = left[: max(0, len(left) - keep)]
    return over + [task for task in excess if now - task.ended >= youngest]


async def sweep(client: Client, settings: Settings, now: float) -> tuple[list[str], str]:
    """Delete the tasks that go; the names of tasks to look at again, and the resource version
    from which `news` goes on."""
    found: list[Ended] = []
    more = ""
    while True:
        page = await client.list(
            TASKS, settings.namespace, labels=names.LABEL_FINISHED, limit=500,
            more=more, metadata_only=True,
        )  # fmt: skip
        found += [ended(item["metadata"]) for item in page.items]
        more = page.more
        if not more:
            break
    for task in surplus(found, now, keep=settings.keep_count, youngest=settings.keep_min_seconds):
        try:
            # As it was seen: somebody may just have said that it is to be kept for longer.
            await client.delete(
                TASKS, settings.namespace, task.name, uid=task.uid, resource_version=task.version
            )
        except (errors.NotFound, errors.Conflict):
            continue
    return [task.name for task in found if task.stale], page.resource_version


async def news(
    client: Client, settings: Settings, since: str, seconds: int
) -> AsyncGenerator[str, None]:
    """The names of tasks that are marked as ended and are to be looked at, as they come.

    The watch of whole tasks leaves marked ones out, because there may be thousands. So copies of
    ended tasks, and changes after the end, are seen here, by their metadata alone.
    """
    events = client.watch_metadata(
        TASKS, settings.namespace, labels=names.LABEL_FINISHED, since=since, seconds=seconds
    )
    async for kind, metadata in events:
        # What changes after its end may be the status, which metadata don't show.
        if kind == "MODIFIED" or (kind == "ADDED" and ended(metadata).stale):
            yield metadata["name"]
