"""What one pass over a task sees: frozen values, read from Kubernetes' JSON without judgement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from controller.results import HostBook
from crds import names
from crds.frames import Summary
from crds.model import AnsibleTask, SliceStatus

Object = Mapping[str, Any]

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
_INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True, slots=True)
class Terminated:
    """How a container ended."""

    exit_code: int
    reason: str
    message: str
    """The runner's termination message, or Kubernetes' own words."""
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod of a task's Job."""

    name: str
    uid: str
    resource_version: str
    index: int
    owner_uid: str
    created: datetime | None
    gated: bool = False
    phase: str = "Pending"
    deleting: bool = False
    reason: str = ""
    """The pod's own: Evicted, DeadlineExceeded, NodeLost, ..."""
    message: str = ""
    scheduled: datetime | None = None
    unschedulable: str = ""
    """The scheduler's words; empty where it has not failed."""
    ready_reason: str = ""
    disruption: str = ""
    """Reason of the condition DisruptionTarget."""
    waiting: str = ""
    waiting_message: str = ""
    started: datetime | None = None
    """When the container started; None: it has not."""
    terminated: Terminated | None = None
    deadline: int | None = None
    """activeDeadlineSeconds."""

    @property
    def over(self) -> bool:
        """Whether its container will never run again."""
        return self.terminated is not None or self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class JobView:
    """A task's Job."""

    name: str
    uid: str
    owner_uid: str
    created: datetime | None
    suspended: bool = False
    deleting: bool = False
    finished: bool = False
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class LogView:
    """How far a slice's log was read."""

    book: HostBook
    run: str | None = None
    """The run that its frames name."""
    last: int = 0
    """All frames up to this number were seen or declared missing."""
    archived: int = 0
    """Of these, all up to this number are archived."""
    records: int = 0
    bytes: int = 0
    end: Summary | None = None
    complete: bool = False
    """Frames 1..last are all there and their digest is the one the runner gave."""
    missing: tuple[tuple[int, int], ...] = ()
    exhausted: bool = False
    """The pod's log was read to its end after the container ended, or is gone."""
    following: bool = False
    archive_due: bool = False
    cut: bool = False
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """The queue's word on a task: it may start, or waits at a place for a reason."""

    admitted: bool
    position: int = 0
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that decisions depend on; seconds."""

    start_margin: int = 300
    unschedulable: int = 120
    refused: int = 5
    grace: int = 30
    keep: int = 604800
    status_every: float = 2.0


@dataclass(frozen=True, slots=True)
class SliceView:
    """One slice: what status says of it, its pods, its log."""

    index: int
    claim: SliceStatus | None
    pod: PodView | None
    """The claimed pod, where it still exists."""
    others: tuple[PodView, ...]
    """Pods of this index that are not the claimed one."""
    log: LogView


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything one decision is made from."""

    task: AnsibleTask
    turn: Turn
    limits: Limits = Limits()
    job: JobView | None = None
    pods: tuple[PodView, ...] = ()
    logs: Mapping[int, LogView] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    """Messages of warning events about the Job and its pods, `REASON: message`; newest last."""
    rival: str | None = None
    """Name of an older object with this task's name."""
    refusal: str | None = None
    """Why the spec can't be run at all, where it can't."""
    pending_since: datetime | None = None
    """Since when the API has been about to write the params Secret; None: it has."""
    stop_since: datetime | None = None
    last_write: datetime | None = None
    """When progress was last written to status."""

    def slices(self) -> list[SliceView]:
        """A view for each of the Job's indexes."""
        count = slice_count(self.task)
        claims = {claim.index: claim for claim in self.task.status.slices}
        return [self._slice(index, claims.get(index)) for index in range(count)]

    def _slice(self, index: int, claim: SliceStatus | None) -> SliceView:
        pods = [pod for pod in self.pods if pod.index == index]
        uid = claim.pod_uid if claim else None
        log = self.logs.get(index) or LogView(HostBook())
        mine = next((pod for pod in pods if pod.uid == uid), None)
        others = tuple(pod for pod in pods if pod.uid != uid)
        return SliceView(index, claim, mine, others, log)


def slice_count(task: AnsibleTask) -> int:
    """Over how many pods the task is spread: never more than it has hosts."""
    return max(1, min(task.spec.slices, len(task.spec.unique_hosts)))


def slices_of(hosts: tuple[str, ...], count: int) -> tuple[tuple[str, ...], ...]:
    """The hosts in `count` runs of even size (they differ by one at most), order kept."""
    size, rest = divmod(len(hosts), count)
    found, at = [], 0
    for index in range(count):
        end = at + size + (1 if index < rest else 0)
        found.append(hosts[at:end])
        at = end
    return tuple(found)


def moment(text: str | None) -> datetime | None:
    """A Kubernetes time; None where there is none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def job_view(job: Object) -> JobView:
    """A Job's JSON, read."""
    meta, spec = job["metadata"], job.get("spec", {})
    ended = {"Complete", "Failed"}
    return JobView(
        name=meta["name"],
        uid=meta["uid"],
        owner_uid=_controller_uid(meta),
        created=moment(meta.get("creationTimestamp")),
        suspended=bool(spec.get("suspend")),
        deleting="deletionTimestamp" in meta,
        finished=any(
            found.get("type") in ended and found.get("status") == "True"
            for found in job.get("status", {}).get("conditions") or ()
        ),
        ttl=spec.get("ttlSecondsAfterFinished"),
    )


def pod_view(pod: Object) -> PodView:
    """A pod's JSON, read."""
    meta, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
    gates = [gate.get("name") for gate in spec.get("schedulingGates") or ()]
    conditions = {found.get("type"): found for found in status.get("conditions") or ()}
    containers = status.get("containerStatuses") or ()
    state: Object = next((found.get("state", {}) for found in containers), {})
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    terminated = state.get("terminated")
    scheduled = conditions.get("PodScheduled", {})
    index = str(meta.get("annotations", {}).get(_INDEX, ""))
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta.get("resourceVersion", ""),
        index=int(index) if index.isdigit() else -1,
        owner_uid=_controller_uid(meta),
        created=moment(meta.get("creationTimestamp")),
        gated=names.GATE in gates,
        phase=status.get("phase", "Pending"),
        deleting="deletionTimestamp" in meta,
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        scheduled=moment(scheduled.get("lastTransitionTime"))
        if scheduled.get("status") == "True"
        else None,
        unschedulable=scheduled.get("message") or "no node fits"
        if scheduled.get("reason") == "Unschedulable"
        else "",
        ready_reason=conditions.get("Ready", {}).get("reason", ""),
        disruption=conditions.get("DisruptionTarget", {}).get("reason", ""),
        waiting=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        started=moment((terminated or running).get("startedAt")),
        terminated=_terminated(terminated) if terminated else None,
        deadline=spec.get("activeDeadlineSeconds"),
    )


def _terminated(state: Object) -> Terminated:
    return Terminated(
        exit_code=int(state.get("exitCode", -1)),
        reason=state.get("reason", ""),
        message=state.get("message", ""),
        finished=moment(state.get("finishedAt")),
    )


def _controller_uid(meta: Object) -> str:
    owners = meta.get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")
