"""What is known of a task, as both dialects tell it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from api.newest import Newest, size_of
from crds.conditions import Outcome, Phase
from crds.model import AnsibleTask, unpack_outcomes

INIT, RUNNING, SUCCESS, FAILED, STOPPED, PARTLY = range(6)
"""The statuses of the HTTP contract."""

_OF_PHASE: Final = {
    Phase.QUEUED: INIT,
    Phase.STARTING: INIT,
    Phase.RUNNING: RUNNING,
    Phase.SUCCEEDED: SUCCESS,
    Phase.FAILED: FAILED,
    Phase.STOPPED: STOPPED,
    Phase.PARTLY_SUCCEEDED: PARTLY,
}
_OF_OUTCOME: Final = {
    Outcome.WAITING: INIT,
    Outcome.RUNNING: RUNNING,
    Outcome.OK: SUCCESS,
    Outcome.FAILED: FAILED,
    Outcome.UNREACHABLE: FAILED,
    Outcome.UNFINISHED: FAILED,
    Outcome.LEFT_OUT: INIT,
}
_ERR_LIMIT: Final = 1024
"""Bytes of an error text."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node of the request, as it was spelled."""

    name: str
    status: int
    log: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as `check` tells it; `err` is empty unless it failed on some node."""

    id: int
    status: int
    err: str
    created: datetime
    updated: datetime
    nodes: tuple[NodeView, ...]
    log: tuple[dict[str, Any], ...]
    log_size: int
    """Bytes of the log as JSON, about."""
    phase: str
    reason: str
    message: str
    queue_position: int | None
    log_complete: bool
    log_unread: bool
    """The archive could not be read, or not all of it: `log` lacks something for that."""


def status_of(task: AnsibleTask) -> int:
    """Where a task stands, as a number of the HTTP contract."""
    return _OF_PHASE[task.status.phase]


def view(task: AnsibleTask, number: int, found: Newest) -> TaskView:
    """All that `check` tells of a task."""
    status = status_of(task)
    by_host, told = found.by_host(), found.log()
    return TaskView(
        id=number,
        status=status,
        err=cut(task.status.message or task.status.reason, _ERR_LIMIT)
        if status in (FAILED, PARTLY)
        else "",
        created=task.metadata.creation_timestamp,
        updated=task.status.update_time or task.metadata.creation_timestamp,
        nodes=tuple(
            NodeView(name, status, tuple(by_host.get(name, ())))
            for name, status in zip(task.spec.unique_hosts, node_statuses(task), strict=True)
        ),
        log=tuple(told),
        log_size=sum(map(size_of, told)),
        phase=task.status.phase.value,
        reason=task.status.reason,
        message=task.status.message,
        queue_position=task.status.queue_position,
        # What never ran has no log that anything could be missing of.
        log_complete=(task.status.log.complete if task.status.log else task.finished)
        and not found.unread,
        log_unread=found.unread,
    )


def node_statuses(task: AnsibleTask) -> list[int]:
    """Every node's status in the request's order; after the end none is 1, and 0 means
    left out."""
    hosts = task.spec.unique_hosts
    outcomes = unpack_outcomes(task.status.host_outcomes or "")
    if len(outcomes) != len(hosts):
        # Before the first status, or an end without one: what little is known by name.
        known = {host.name: host.outcome for host in task.status.hosts}
        well = task.status.phase is Phase.SUCCEEDED
        outcomes = [known.get(host, Outcome.OK if well else Outcome.WAITING) for host in hosts]
    return [_node_status(outcome, task.status.phase) for outcome in outcomes]


def _node_status(outcome: Outcome, phase: Phase) -> int:
    status = _OF_OUTCOME[outcome]
    if not phase.terminal:
        return status
    if outcome in (Outcome.WAITING, Outcome.RUNNING, Outcome.UNFINISHED):
        return STOPPED if phase is Phase.STOPPED else FAILED
    return status


def cut(text: str, limit: int) -> str:
    """The text, at most `limit` bytes of UTF-8, with `...` where it was longer."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text
    return data[: limit - 3].decode("utf-8", "ignore") + "..."
