"""What one pass over a task sees: frozen values, read from Kubernetes' JSON without judgement."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from controller.capacity import Lack
from controller.results import HostBook
from crds import ranges
from crds.archive import CONFIG_MAPS
from crds.conditions import Phase
from crds.model import AnsibleTask, SliceStatus
from crds.records import Summary


@dataclass(frozen=True, slots=True)
class Terminated:
    """How a container ended."""

    exit_code: int
    reason: str
    message: str
    """The runner's termination message, or Kubernetes' own words."""
    finished: datetime | None


_OVER: Final = ("Succeeded", "Failed")
"""Phases of a pod none of whose containers runs or will run."""


NODE_IS_GONE: Final = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
"""Reasons of the condition DisruptionTarget."""


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
    disruption: str = ""
    """Reason of the condition DisruptionTarget."""
    waiting: str = ""
    waiting_message: str = ""
    init: str = ""
    """The init container that keeps the runner from starting, as a sentence."""
    started: datetime | None = None
    """When the runner's container started; None: it has not. The next two are likewise its own."""
    terminated: Terminated | None = None
    deadline: int | None = None
    """activeDeadlineSeconds."""
    gone: bool = False
    """Its object is gone; the rest is what was last true of it."""
    shared: bool = False
    """Whether it has containers that are not ours; they may go on when the runner has ended."""

    @property
    def over(self) -> bool:
        """Whether the runner will never run again."""
        return self.terminated is not None or self.phase in _OVER

    @property
    def settled(self) -> bool:
        """Whether its kubelet has said all: why a pod ended comes with its phase, up to seconds
        after its container's end. Containers of others may go on, and are not waited for."""
        return self.phase in _OVER or (self.over and (self.shared or self.deleting))

    @property
    def holds_place(self) -> bool:
        """Whether it takes room on a node."""
        return self.scheduled is not None and not self.over

    @property
    def deleted(self) -> bool:
        """Whether somebody has deleted it; its object may be there still."""
        return self.deleting or self.gone

    @property
    def nowhere(self) -> bool:
        """Whether it was deleted before it had a node; the API server gives it none any more."""
        return self.deleted and not (self.over or self.scheduled or self.started)

    @property
    def unborn(self) -> bool:
        """Whether it is over, and no container of it was ever made.

        Of a pod that was deleted before that, the kubelet says that it "could not locate" the
        container, without a start. After a node's crash the same words prove nothing; nor does the
        end of a pod that was given up with its node, since that node has said nothing.
        """
        given_up = self.scheduled is not None and self.disruption in NODE_IS_GONE
        if not self.over or self.started is not None or given_up:
            return False
        unknown = self.terminated is not None and self.terminated.reason == "ContainerStatusUnknown"
        return self.terminated is None or (unknown and self.deleting)


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
    inherited: bool = False
    """A task owns it; where that is another one, Kubernetes is about to delete it."""


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
    unread: bool = False
    """It was exhausted without having been read once more."""
    following: bool = False
    archiving: bool = False
    """Nothing more comes, not all is archived yet, and that may come right in a moment."""
    refused: str = ""
    """Why the archive does not take what is not archived yet, a sentence; empty: it does."""
    shed_why: str = ""
    """Why lines were given up before they were archived; empty: none were."""
    lost: bool = False
    """Lines were lost before they were read."""
    measured: bool = False
    """How much the runner wrote is known."""
    dropped: int = 0
    """Records that the runner itself left out or shortened, beyond its limit of output."""
    overflow_missing: int = 0
    """Lines of the overflow that the object store is known not to have, once nothing more comes."""
    cut: bool = False
    tail: str = ""

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """The frames that the archive lacks, in order, as first and last number."""
        found = [*self.missing]
        if self.refused and self.archived < self.last:
            found.append((self.archived + 1, self.last))
        return ranges.merged(found)

    @property
    def kept(self) -> bool:
        """Whether all that the runner had to write is read and, where it is due, archived."""
        lost = self.gaps or self.dropped or self.overflow_missing
        return self.complete and not lost


@dataclass(frozen=True, slots=True)
class Turn:
    """The queue's word on a task: it may start, or waits at a place for a reason."""

    admitted: bool
    position: int = 0
    reason: str = ""
    message: str = ""
    brief: bool = False
    """It waits only for others to reach their nodes, which takes a moment."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that decisions depend on; seconds."""

    start_margin: int = 300
    unschedulable: int = 120
    quota: int = 3600
    refused: int = 5
    grace: int = 30
    status_every: float = 2.0
    archive_give_up: int = 600


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

    @property
    def begun(self) -> bool:
        """Whether its container was ever seen to have started."""
        ran = self.claim is not None and self.claim.phase is Phase.RUNNING
        return ran or self.log.last > 0 or (self.pod is not None and bool(self.pod.started))


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
    lack: Lack | None = None
    """What its own pods, or its Job, lack."""
    lack_since: datetime | None = None
    """Since when a quota has refused its Job; None: it has not."""
    idle_since: datetime | None = None
    """Since when no pod of any task has held a place on a node; None: one does."""
    retry_in: float | None = None
    """Seconds until the quota that refuses its Job or its pods is to be tried again."""
    crowded: bool = False
    """A quota refuses some task's Job or pods: what has ended is to make room at once."""
    pending_since: datetime | None = None
    """Since when the API has been about to write the params Secret; None: it has."""
    place: str = CONFIG_MAPS
    """Where its log is kept, as archive.Archive.place."""
    archive_in: float = 0.0
    """Seconds until the archive is tried again."""
    stop_since: datetime | None = None
    opened: Mapping[int, datetime] = field(default_factory=dict)
    """Since when each slice's claimed pod was seen without its gate."""
    last_write: datetime | None = None
    """When progress was last written to status."""
    last_seen: Mapping[str, PodView] = field(default_factory=dict)
    """Claimed pods that are not there any more, as a watch showed them last, by uid."""
    awaited: frozenset[str] = frozenset()
    """Uids of such pods that a watch is about to show once more."""

    def slices(self) -> list[SliceView]:
        """A view for each of the Job's indexes."""
        count = self.task.spec.slice_count
        claims = {claim.index: claim for claim in self.task.status.slices}
        claimed = {claim.pod_uid for claim in claims.values()}
        return [self._slice(index, claims.get(index), claimed) for index in range(count)]

    def _slice(
        self, index: int, claim: SliceStatus | None, claimed: Collection[str | None]
    ) -> SliceView:
        uid = claim.pod_uid if claim else None
        log = self.logs.get(index) or LogView(HostBook())
        # Whatever index somebody may have written on it since.
        mine = next((pod for pod in self.pods if pod.uid == uid), None)
        others = tuple(pod for pod in self.pods if pod.index == index and pod.uid not in claimed)
        return SliceView(index, claim, mine, others, log)


def slices_of(hosts: tuple[str, ...], count: int) -> tuple[tuple[str, ...], ...]:
    """The hosts in `count` runs of even size (they differ by one at most), order kept."""
    size, rest = divmod(len(hosts), count)
    found, at = [], 0
    for index in range(count):
        end = at + size + (1 if index < rest else 0)
        found.append(hosts[at:end])
        at = end
    return tuple(found)
