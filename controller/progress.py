"""Where a task stands that has a Job and has not ended, and when that is written: pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from controller import status
from controller.observed import Observed
from controller.plan import Plan
from controller.reasons import End
from controller.verdict import Verdict
from crds.conditions import Phase, Reason
from crds.model import SliceStatus, Status

LOOK_AGAIN: Final = 1.0
"""Seconds after which a pass that waits for the cluster is repeated without an event."""
LOOK_RARELY: Final = 4.0
"""The same while it waits for room, which may take long and is told by events."""


def progress(
    seen: Observed, claims: tuple[SliceStatus, ...], ends: Mapping[int, End], now: datetime
) -> Plan:
    """Mirror how far it is; what only counts on is written at most every few seconds."""
    verdict = _stand(seen)
    new = status.build(seen, verdict, claims, ends, now)
    pause = None if verdict.phase is Phase.RUNNING else LOOK_AGAIN
    if seen.lack is not None:
        pause = until_retry(seen)
    waited = (now - seen.last_write).total_seconds() if seen.last_write else None
    if waited is None or waited >= seen.limits.status_every or _moved(seen.task.status, new):
        return Plan(status=new, again=pause)
    soon = seen.limits.status_every - waited
    return Plan(again=min(soon, pause) if pause else soon)


def until_retry(seen: Observed) -> float:
    """Seconds until the next look at a task that waits for room."""
    return min(seen.retry_in or LOOK_RARELY, LOOK_RARELY)


def _stand(seen: Observed) -> Verdict:
    """Where a task stands that has not ended: in the queue until a pod of it has a node."""
    parts, old, lack = seen.slices(), seen.task.status.phase, seen.lack
    bound = any(part.pod is not None and part.pod.scheduled for part in parts)
    stopping = Reason.STOPPING if seen.stop_since is not None else None
    said = lack.text if lack else ""
    if old is Phase.RUNNING or any(part.begun for part in parts):
        said = f"Some of its slices wait for room: {said}" if said else ""
        return Verdict(Phase.RUNNING, stopping or Reason.RUNNING, said)
    if old is Phase.STARTING or bound:
        return Verdict(Phase.STARTING, stopping or Reason.STARTING, said)
    return Verdict(Phase.QUEUED, stopping or (lack.reason if lack else Reason.QUEUED), said)


def _moved(old: Status, new: Status) -> bool:
    """Whether something happened that must be written now: a claim, a phase, an end.

    Not that a pod has a node: as a rule its container starts within a second, which is written.
    """
    if (old.phase, new.phase) != (Phase.QUEUED, Phase.STARTING) and (
        (old.phase, old.reason) != (new.phase, new.reason)
    ):
        return True
    return old.job_name != new.job_name or _stands(old) != _stands(new)


def _stands(status: Status) -> list[tuple[str | None, Phase, str | None]]:
    return [(part.pod_uid, part.phase, part.reason) for part in status.slices]
