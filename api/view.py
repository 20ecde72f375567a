"""What is known of a task, as both dialects tell it. Pure."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from api.results import Entry, log_object
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


Log = list[dict[str, Any]]
"""Results as `check` tells them, in order."""


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


def status_of(task: AnsibleTask) -> int:
    """Where a task stands, as a number of the HTTP contract."""
    return _OF_PHASE[task.status.phase]


def view(task: AnsibleTask, number: int, found: list[Entry], *, log_bytes: int) -> TaskView:
    """All that `check` tells of a task; of the log the newest `log_bytes` bytes of JSON."""
    status = status_of(task)
    log = [log_object(entry.result) for entry in in_time(found)]
    by_host, told = newest_by_host(log, log_bytes), newest(log, log_bytes)
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
        log_size=sum(map(_size, told)),
        phase=task.status.phase.value,
        reason=task.status.reason,
        message=task.status.message,
        queue_position=task.status.queue_position,
        log_complete=bool(task.status.log and task.status.log.complete),
    )


def in_time(found: list[Entry]) -> list[Entry]:
    """The results by end time, slice and sequence."""
    return sorted(found, key=lambda entry: (entry.result.end, entry.index, entry.seq))


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


def newest(log: Log, limit: int) -> Log:
    """The last objects that fit into `limit` bytes of JSON; a first one says what is left out."""
    out = len(log) - _fitting(log, limit)
    return [_mark(log[out - 1], out), *log[out:]] if out else log


def newest_by_host(log: Log, limit: int) -> dict[str, Log]:
    """Each host's part of the last objects that fit; a host that lost some has a mark first.

    These marks take up to half of `limit`; with more than 2,500 hosts they may go beyond it.
    """
    out = len(log) - _fitting(log, limit)
    if out:
        hosts = {item["host"]: item for item in log[:out]}
        marks = sum(_size(_mark(item, len(log))) for item in hosts.values())
        out = len(log) - _fitting(log, max(limit // 2, limit - marks))
    counts = Counter(item["host"] for item in log[:out])
    last = {item["host"]: item for item in log[:out]}
    parts = {host: [_mark(item, counts[host])] for host, item in last.items()}
    for item in log[out:]:
        parts.setdefault(item["host"], []).append(item)
    return parts


def _fitting(log: Log, limit: int) -> int:
    """How many of the last objects fit into `limit` bytes of a JSON list."""
    size = 2
    for count, item in enumerate(reversed(log)):
        size += _size(item)
        if size > limit:
            return count
    return len(log)


def _size(item: dict[str, Any]) -> int:
    return len(json.dumps(item, ensure_ascii=False).encode("utf-8", "replace")) + 2


def _mark(last: dict[str, Any], count: int) -> dict[str, Any]:
    """What stands for `count` objects that are left out, of which `last` is the last."""
    return {
        "host": last["host"], "task": "", "status": "cut", "start": last["start"],
        "end": last["end"], "delta": "0:00:00", "msg": f"{count} older results are left out",
    }  # fmt: skip
