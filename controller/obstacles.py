"""Why a task's pods do not start: what they wait for, and when waiting is of no use; pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from controller import capacity
from controller.capacity import Lack, Room
from controller.observed import Observed, PodView, SliceView
from crds import errors
from crds.conditions import Reason

_PULL_FAILED: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})
_IMAGE_WRONG: Final = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a pod that has not started never will."""

    reason: Reason
    message: str


def room_of(seen: Observed) -> Room:
    """What the pods of a task with a Job have found so far."""
    parts = seen.slices()
    placed = sum(part.pod is not None and part.pod.holds_place for part in parts)
    settled = all(part.claim is not None and _settled(part) for part in parts)
    return Room(placed, settled, _lack(seen, parts))


def _settled(part: SliceView) -> bool:
    pod = part.pod
    return pod is None or pod.scheduled is not None or pod.over or pod.deleting


def _lack(seen: Observed, parts: list[SliceView]) -> Lack | None:
    for part in parts:
        if part.pod is not None and part.pod.unschedulable and not _settled(part):
            return Lack(Reason.WAITING_FOR_CAPACITY, part.pod.unschedulable)
    said = _failed_creates(seen)
    if said and capacity.over_quota(said[-1]) and any(map(_podless, parts)):
        return Lack(Reason.WAITING_FOR_QUOTA, capacity.quota_words(said[-1]))
    return None


def _podless(part: SliceView) -> bool:
    return part.claim is None and not part.others


def blocked(seen: Observed, pod: PodView, now: datetime) -> Blocked | None:
    """Why an ungated pod whose container has not started never will; None while it may."""
    limits = seen.limits
    if pod.waiting in _IMAGE_WRONG:
        return Blocked(Reason.IMAGE_PULL_FAILED, pod.waiting_message)
    # Not the time it stood behind its gate: that was ours.
    since = max(pod.scheduled or pod.created or now, seen.opened.get(pod.index, _LONG_AGO))
    if pod.unschedulable:
        return _without_node(seen, pod, since, now)
    waited = now - since
    if pod.waiting in _PULL_FAILED and waited >= timedelta(seconds=limits.refused):
        return Blocked(Reason.IMAGE_PULL_FAILED, pod.waiting_message)
    if pod.waiting == "CreateContainerConfigError" or waited >= timedelta(seconds=limits.refused):
        secret = next((text for text in seen.warnings if _secret_missing(text)), None)
        if secret is not None:
            return Blocked(Reason.SECRET_MISSING, secret.partition(": ")[2])
    if waited >= timedelta(seconds=limits.start_margin):
        text = f"The pod did not start within {limits.start_margin} s. {pod.init}".rstrip()
        last = f" Last warning: {seen.warnings[-1]}" if seen.warnings else ""
        return Blocked(Reason.NEVER_STARTED, text + last)
    return None


def _without_node(seen: Observed, pod: PodView, since: datetime, now: datetime) -> Blocked | None:
    """A full node is waited for as long as a pod of ours has a place: that falls free one day."""
    if not capacity.hopeless(pod.unschedulable):
        if seen.idle_since is None:
            return None
        since = max(since, seen.idle_since)
    if now - since < timedelta(seconds=seen.limits.unschedulable):
        return None
    return Blocked(Reason.UNSCHEDULABLE, pod.unschedulable)


def refused(seen: Observed, now: datetime) -> Blocked | None:
    """Why the Job gets no pod for a slice; None while it still may."""
    if seen.job is None or seen.job.created is None:
        return None
    waited = now - seen.job.created
    texts = _failed_creates(seen)
    for text in texts:
        if "violates PodSecurity" in text:
            return Blocked(Reason.POD_SECURITY_REJECTED, text)
    if texts and capacity.over_quota(texts[-1]):
        return quota_spent(seen, texts[-1], seen.job.created, now)
    if texts and waited >= timedelta(seconds=seen.limits.refused):
        return Blocked(Reason.POD_REFUSED, texts[-1])
    if waited >= timedelta(seconds=seen.limits.start_margin):
        text = f"The Job got no pod within {seen.limits.start_margin} s."
        return Blocked(Reason.NEVER_STARTED, text)
    return None


def quota_spent(seen: Observed, text: str, since: datetime, now: datetime) -> Blocked | None:
    """When waiting for a quota ends: soon where it is too small even if unused, else as late as
    nothing of ours has used it for long."""
    limit = seen.limits.refused
    if not capacity.never_within(text):
        if seen.idle_since is None:
            return None
        since, limit = max(since, seen.idle_since), seen.limits.quota
    waited = now - since >= timedelta(seconds=limit)
    return Blocked(Reason.QUOTA_EXCEEDED, text) if waited else None


def of_refusal(error: errors.ClusterError) -> Reason | None:
    """Why the API server refuses what a task needs, for good; None where it may come right."""
    text = str(error)
    if isinstance(error, errors.Invalid) or "admission webhook" in text or "denied" in text:
        return Reason.POD_REFUSED
    return None  # our own rights are missing: that is the installation's fault, not the task's


def _failed_creates(seen: Observed) -> list[str]:
    """Why the Job controller could not make pods, oldest first."""
    return [text.partition(": ")[2] for text in seen.warnings if text.startswith("FailedCreate:")]


def _secret_missing(warning: str) -> bool:
    reason, _, text = warning.partition(": ")
    return reason == "FailedMount" and "secret" in text and "not found" in text
