"""From what was observed to the status that says so: pure, whole, the same for the same input."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from controller.observed import Observed, SliceView
from controller.reasons import End
from controller.verdict import Hosts, Verdict, outcomes
from crds import archive, conditions, provenance
from crds.conditions import Outcome, Phase, Reason
from crds.model import (
    AnsibleTask,
    Condition,
    HostCounts,
    HostStatus,
    LogStatus,
    MissingRange,
    SliceStatus,
    Status,
    pack_outcomes,
)

HOSTS: Final = 500
"""Hosts listed at most."""
_HOSTS_BYTES: Final = 64 * 1024
_TAIL: Final = 16 * 1024
_MISSING: Final = 100
_ORDER: Final = {
    Outcome.UNFINISHED: 0, Outcome.FAILED: 1, Outcome.UNREACHABLE: 2,
    Outcome.RUNNING: 3, Outcome.WAITING: 4, Outcome.LEFT_OUT: 5, Outcome.OK: 6,
}  # fmt: skip


def build(
    seen: Observed,
    verdict: Verdict,
    claims: tuple[SliceStatus, ...],
    ends: Mapping[int, End],
    now: datetime,
) -> Status:
    """The whole status; times are kept where nothing that they speak of changed."""
    task, old = seen.task, seen.task.status
    parts = seen.slices()
    hosts = outcomes(parts, task, ends)
    packed = pack_outcomes(hosts.of_spec)
    moved = packed != old.host_outcomes or verdict.phase is not old.phase
    started = old.start_time or min(
        (part.pod.started for part in parts if part.pod and part.pod.started), default=None
    )
    if started is None and any(part.log.last for part in parts):
        started = now
    completed = (old.completion_time or now) if verdict.phase.terminal else None
    return Status(
        observed_generation=task.metadata.generation,
        uid=task.metadata.uid,
        id=provenance.number(task),
        phase=verdict.phase,
        conditions=_conditions(old, verdict, task.metadata.generation, now),
        spec_hash=old.spec_hash or (provenance.work_hash(task.spec) if seen.job else None),
        queue_position=verdict.queue_position,
        start_time=started,
        completion_time=completed,
        update_time=now if moved or old.update_time is None else old.update_time,
        duration=_duration(started, completed),
        job_name=old.job_name or (seen.job.name if seen.job else None),
        slices=tuple(_slice(claim, parts, ends) for claim in claims),
        host_counts=_counts(hosts.all()),
        host_outcomes=packed,
        hosts=_hosts(parts, task, hosts),
        log=_log(parts, ends),
    )


def _conditions(
    old: Status, verdict: Verdict, generation: int, now: datetime
) -> tuple[Condition, ...]:
    succeeded = "Unknown"
    if verdict.phase.terminal:
        succeeded = "True" if verdict.phase is Phase.SUCCEEDED else "False"
    states = {
        conditions.SUCCEEDED: succeeded,
        conditions.FINISHED: "True" if verdict.phase.terminal else "False",
    }
    found = []
    for kind, state in states.items():
        before = old.condition(kind)
        same = before is not None and before.status == state
        found.append(
            Condition(
                type=kind, status=state, reason=verdict.reason, message=verdict.message,
                last_transition_time=before.last_transition_time if before and same else now,
                observed_generation=generation,
            )
        )  # fmt: skip
    return tuple(found)


def _slice(claim: SliceStatus, parts: list[SliceView], ends: Mapping[int, End]) -> SliceStatus:
    part, end = parts[claim.index], ends.get(claim.index)
    phase = claim.phase
    if end is not None:
        phase = _slice_phase(end)
    elif part.log.last or (part.pod and part.pod.started):
        phase = Phase.RUNNING
    return claim.model_copy(
        update={
            "phase": phase,
            "reason": end.reason.value if end else claim.reason,
            "rc": end.rc if end else None,
            # What is due is archived before this status is written.
            "last_sequence": part.log.last if part.log.archive_due else part.log.archived,
            "log_complete": part.log.complete,
        }
    )


def _slice_phase(end: End) -> Phase:
    if end.reason is Reason.COMPLETED:
        return Phase.SUCCEEDED if end.rc == 0 else Phase.FAILED
    return Phase.STOPPED if end.reason is Reason.STOPPED else Phase.FAILED


def _counts(hosts: list[Outcome]) -> HostCounts:
    found = Counter(outcome.value for outcome in hosts)
    return HostCounts(total=len(hosts), **found)


def _hosts(parts: list[SliceView], task: AnsibleTask, states: Hosts) -> tuple[HostStatus, ...]:
    results = {name: host for part in parts for name, host in part.log.book.hosts.items()}
    named = dict(zip(task.spec.unique_hosts, states.of_spec, strict=True)) | states.added
    ordered = sorted(named.items(), key=lambda pair: _ORDER[pair[1]])
    found: list[HostStatus] = []
    room = _HOSTS_BYTES
    for name, outcome in ordered[:HOSTS]:
        result = results.get(name)
        bad = outcome in (Outcome.FAILED, Outcome.UNREACHABLE)
        added = True if name in states.added else None
        host = HostStatus(name=name, outcome=outcome, added=added)
        if result is not None:
            host = HostStatus(
                name=name, outcome=outcome, added=added, ok=result.ok, changed=result.changed,
                failed=result.failed, unreachable=result.unreachable, skipped=result.skipped,
                rescued=result.rescued, ignored=result.ignored,
                message=f"{result.task}: {result.message}"[:512] if bad else None,
            )  # fmt: skip
        room -= len(name) + len(host.message or "") + 150
        if room < 0:
            break
        found.append(host)
    return tuple(found)


def _log(parts: list[SliceView], ends: Mapping[int, End]) -> LogStatus | None:
    logs = [part.log for part in parts]
    ran = [end for end in ends.values() if not end.never_ran]
    if not ran and not any(log.last or log.exhausted for log in logs):
        return None
    share = _TAIL // len(logs)
    missing = [
        MissingRange(slice=part.index, first=first, last=last)
        for part in parts
        for first, last in _missing(part, ends.get(part.index))
    ]
    return LogStatus(
        tail="".join(_end(log.tail, share) for log in logs),
        records=sum(log.records for log in logs),
        bytes=sum(log.bytes for log in logs),
        complete=all(log.complete for log in logs),
        missing=tuple(missing[:_MISSING]),
        archive=archive.NAME,
        cut=any(log.cut for log in logs),
    )


def _missing(part: SliceView, end: End | None) -> list[tuple[int, int]]:
    """What is known to be missing; an end that proves nothing leaves it open how much is."""
    log = part.log
    unknown = end is not None and not end.never_ran and not log.complete and not log.missing
    return [*log.missing, *([(log.last + 1, 0)] if unknown else [])]


def _end(text: str, size: int) -> str:
    return text.encode("utf-8", "replace")[-size:].decode("utf-8", "ignore")


def _duration(started: datetime | None, completed: datetime | None) -> str | None:
    if started is None or completed is None:
        return None
    seconds = max(0, int((completed - started).total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    return text + (f"{minutes}m" if minutes or hours else "") + f"{seconds}s"
