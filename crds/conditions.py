"""Phases, conditions and reasons of a task: the one documented list."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a task stands; it only ever moves down this list, and one terminal phase is final."""

    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    PARTLY_SUCCEEDED = "PartlySucceeded"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def terminal(self) -> bool:
        """Whether the task has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset({Phase.SUCCEEDED, Phase.PARTLY_SUCCEEDED, Phase.FAILED, Phase.STOPPED})

SUCCEEDED: Final = "Succeeded"
"""Condition: True when every host finished well, False at any other end, Unknown before."""
FINISHED: Final = "Finished"
"""Condition: True at every end, good or bad; what `kubectl wait` waits for."""


class Reason(StrEnum):
    """Why a task stands where it stands; the reason of both conditions."""

    QUEUED = "Queued"
    WAITING_FOR_HOSTS = "WaitingForHosts"
    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    WAITING_FOR_QUOTA = "WaitingForQuota"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    STOPPED = "Stopped"
    HOSTS_FAILED = "HostsFailed"
    HOSTS_UNREACHABLE = "HostsUnreachable"
    PLAYBOOK_INVALID = "PlaybookInvalid"
    PLAYBOOK_ABORTED = "PlaybookAborted"
    TIMED_OUT = "TimedOut"
    RUNNER_CRASHED = "RunnerCrashed"
    OOM_KILLED = "OOMKilled"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    POD_DELETED = "PodDeleted"
    JOB_DELETED = "JobDeleted"
    JOB_SUSPENDED = "JobSuspended"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    POD_SECURITY_REJECTED = "PodSecurityRejected"
    POD_REFUSED = "PodRefused"
    SECRET_MISSING = "SecretMissing"
    SECRET_INVALID = "SecretInvalid"
    SECRET_NOT_ALLOWED = "SecretNotAllowed"
    NEVER_STARTED = "NeverStarted"
    NAME_CONFLICT = "NameConflict"
    RESTORED = "Restored"


ADVICE: Final[dict[Reason, str]] = {
    Reason.QUEUED: "It starts when a place is free; see status.queuePosition.",
    Reason.WAITING_FOR_HOSTS: "Another task holds some of its hosts; it starts when that one ends.",
    Reason.WAITING_FOR_CAPACITY: "The nodes are full; it starts when a running pod ends.",
    Reason.WAITING_FOR_QUOTA: "A ResourceQuota is used up; it starts when a share falls free.",
    Reason.STARTING: "Its pod has a node; the container is about to start.",
    Reason.RUNNING: "Follow it in status.hosts and status.log.",
    Reason.STOPPING: "A stop was asked for; it ends within the grace period.",
    Reason.COMPLETED: "Every host finished well.",
    Reason.STOPPED: "It was stopped on request; hosts in flight are named in the message.",
    Reason.HOSTS_FAILED: "Read the failed hosts' messages in status.hosts.",
    Reason.HOSTS_UNREACHABLE: "Check address, port, user, SSH key and known_hosts of those hosts.",
    Reason.PLAYBOOK_INVALID: "The work was refused before any host was touched; correct it.",
    Reason.PLAYBOOK_ABORTED: "Ansible gave the work up half-way for a fault in it; correct it, and "
    "check the unfinished hosts.",
    Reason.TIMED_OUT: "Raise its timeout, or split the work.",
    Reason.RUNNER_CRASHED: "The program in the pod ended without a result; read the pod's log.",
    Reason.OOM_KILLED: "Raise the runner's memory limit or lower forks.",
    Reason.EVICTED: "It was drained or short of a resource; check the hosts before repeating it.",
    Reason.NODE_LOST: "The node is gone; whether the work was done must be checked on the hosts.",
    Reason.POD_DELETED: "Somebody deleted the pod; check the hosts before repeating the task.",
    Reason.JOB_DELETED: "Somebody deleted the Job; check the hosts before repeating the task.",
    Reason.JOB_SUSPENDED: "Somebody suspended the Job; a suspended run is never resumed.",
    Reason.IMAGE_PULL_FAILED: "Check spec.runner, its image's name and the registry's credentials.",
    Reason.UNSCHEDULABLE: "No node had room for the pod; add capacity or lower its requests.",
    Reason.QUOTA_EXCEEDED: "Raise the ResourceQuota of the tasks' namespace or lower maxRunning.",
    Reason.POD_SECURITY_REJECTED: "The namespace's Pod Security level refuses the runner pod.",
    Reason.POD_REFUSED: "The API server or an admission webhook refuses the runner pod.",
    Reason.SECRET_MISSING: "Create the named Secret in the task's namespace and repeat the task.",
    Reason.SECRET_INVALID: "No host was touched; correct the named Secret and repeat the task.",
    Reason.SECRET_NOT_ALLOWED: "A task may only name Secrets with the configured prefix.",
    Reason.NEVER_STARTED: "The pod did not start, or not in time; see its events.",
    Reason.NAME_CONFLICT: "An older object has this name; choose another.",
    Reason.RESTORED: "To run it again, create it under another name or without the annotation "
    "octans.io/begun.",
}
"""One sentence a reason on what to do about it."""


class Outcome(StrEnum):
    """How one host stands or ended; `letter` is its form in `status.hostOutcomes`."""

    WAITING = "waiting"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    UNFINISHED = "unfinished"
    """Some of what was meant for it was not done, and that is not its own failure."""
    LEFT_OUT = "leftOut"
    """Outside `limit`, or no play meant it: neither well nor failed."""

    @property
    def letter(self) -> str:
        """One letter that stands for it in a run-length text."""
        return {"unfinished": "n"}.get(self.value, self.value[0])

    @property
    def bad(self) -> bool:
        """Whether the host ended, and not well."""
        return self in _BAD


_BAD = frozenset({Outcome.FAILED, Outcome.UNREACHABLE, Outcome.UNFINISHED})


OUTCOME_OF_LETTER: Final = {outcome.letter: outcome for outcome in Outcome}
