"""Which ended tasks go: by their time, and by count, oldest first; and doing it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from controller.settings import Settings
from crds import errors, names
from crds.client import TASKS, Client


@dataclass(frozen=True, slots=True)
class Ended:
    """An ended task, from its metadata alone; times are seconds since 1970."""

    name: str
    uid: str
    ended: int
    expires: int
    stale: bool
    """Its spec changed after its end: its status, and perhaps its time, are to be brought up."""


def ended(metadata: dict[str, Any]) -> Ended | None:
    """An ended task's metadata, read; None for one whose annotations are missing."""
    notes = metadata.get("annotations") or {}
    try:
        return Ended(
            name=metadata["name"],
            uid=metadata["uid"],
            ended=int(notes[names.ANNOTATION_ENDED]),
            expires=int(notes[names.ANNOTATION_EXPIRES]),
            stale=int(notes[names.ANNOTATION_GENERATION]) != metadata.get("generation", 0),
        )
    except (KeyError, ValueError):
        return None


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


async def sweep(client: Client, settings: Settings, now: float) -> list[str]:
    """Delete the tasks that go; the names of tasks to look at again."""
    found: list[Ended] = []
    more = ""
    while True:
        page = await client.list(
            TASKS, settings.namespace, labels=f"{names.LABEL_FINISHED}=true", limit=500,
            more=more, metadata_only=True,
        )  # fmt: skip
        found += [task for item in page.items if (task := ended(item["metadata"])) is not None]
        more = page.more
        if not more:
            break
    for task in surplus(found, now, keep=settings.keep_count, youngest=settings.keep_min_seconds):
        try:
            await client.delete(TASKS, settings.namespace, task.name, uid=task.uid)
        except (errors.NotFound, errors.Conflict):
            continue
    return [task.name for task in found if task.stale]
