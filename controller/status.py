"""From what was observed to the status that says so: pure, whole, the same for the same input."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from controller.observed import LogView, Observed, SliceView
from controller.reasons import End
from controller.verdict import Hosts, Verdict, outcomes
from crds import conditions, provenance
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
from crds.records import printable

HOSTS: Final = 500
"""Hosts listed at most."""
_HOSTS_BYTES: Final = 64 * 1024
_TAIL: Final = 16 * 1024
_MISSING: Final = 100
_WHY: Final = 1024
_UNREACHABLE: Final = 4
"""Ansible's exit code where hosts were unreachable."""
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
        log=_log(parts, ends, seen.place),
    )


def with_log(seen: Observed) -> Status:
    """The status of a task that has ended, with what has been archived of its log since."""
    old, parts = seen.task.status, seen.slices()
    if old.log is None:
        return old
    open_ended = {gap.slice for gap in old.log.missing if gap.last == 0}
    unknown = {index for index in open_ended if not parts[index].log.complete}
    slices = tuple(
        claim.model_copy(
            update={
                "last_sequence": parts[claim.index].log.archived,
                "log_complete": parts[claim.index].log.kept,
            }
        )
        for claim in old.slices
    )
    return old.model_copy(update={"slices": slices, "log": _kept(parts, unknown, seen.place)})


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
                type=kind, status=state, reason=verdict.reason, message=printable(verdict.message),
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
            "reason": _slice_reason(end).value if end else claim.reason,
            "rc": end.rc if end else None,
            "last_sequence": part.log.archived,
            "log_complete": part.log.kept,
        }
    )


def _slice_reason(end: End) -> Reason:
    """Ansible's exit code 4 says that machines were unreachable and none failed otherwise."""
    if end.reason is not Reason.COMPLETED or end.rc == 0:
        return end.reason
    return Reason.HOSTS_UNREACHABLE if end.rc == _UNREACHABLE else Reason.HOSTS_FAILED


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
        shown = printable(name)  # the work may have added hosts of any name
        host = HostStatus(name=shown, outcome=outcome, added=added)
        if result is not None:
            host = HostStatus(
                name=shown, outcome=outcome, added=added, ok=result.ok, changed=result.changed,
                failed=result.failed, unreachable=result.unreachable, skipped=result.skipped,
                rescued=result.rescued, ignored=result.ignored,
                message=printable(f"{result.task}: {result.message}"[:512]) if bad else None,
            )  # fmt: skip
        room -= len(name) + len(host.message or "") + 150
        if room < 0:
            break
        found.append(host)
    return tuple(found)


def _log(parts: list[SliceView], ends: Mapping[int, End], place: str) -> LogStatus | None:
    logs = [part.log for part in parts]
    ran = {index: end for index, end in ends.items() if not end.never_ran}
    if not ran and not any(log.last or log.exhausted for log in logs):
        return None
    # An end that proves nothing leaves it open how much is missing.
    return _kept(parts, {index for index in ran if not _accounted(logs[index])}, place)


def _accounted(log: LogView) -> bool:
    """Whether what is not missing is all there is."""
    return log.complete or (log.measured and bool(log.missing))


def _kept(parts: list[SliceView], unknown: set[int], place: str) -> LogStatus:
    """What is kept of the log; of the slices `unknown` it is not known how much they wrote."""
    logs = [part.log for part in parts]
    share = _TAIL // len(logs)
    missing: list[MissingRange] = []
    for index, log in enumerate(logs):
        gaps = [*log.gaps, *([(log.last + 1, 0)] if index in unknown else [])]
        missing += [MissingRange(slice=index, first=first, last=last) for first, last in gaps]
    return LogStatus(
        tail="".join(_end(log.tail, share) for log in logs),
        records=sum(log.records for log in logs),
        bytes=sum(log.bytes for log in logs),
        complete=all(log.kept for log in logs),
        missing=tuple(missing[:_MISSING]),
        message=_why(logs, unknown),
        archive=place,
        cut=any(log.cut for log in logs),
    )


def _why(logs: list[LogView], unknown: set[int]) -> str | None:
    """Why something is missing, one sentence a cause."""
    said = dict.fromkeys(why for log in logs for why in (log.refused, log.shed_why) if why)
    if any(log.cut for log in logs):
        said["The archive's limit was reached: the middle is left out."] = None
    if dropped := sum(log.dropped for log in logs):
        text = f"The runner's limit of output was reached: {dropped} records are left out or short."
        said[text] = None
    if missing := sum(log.overflow_missing for log in logs):
        text = f"Of the output beyond the pod's limit, {missing} lines could not be stored."
        said[text] = None
    if any(log.lost for log in logs):
        said["Part of it was lost before it was read."] = None
    if unknown:
        said["The runner could not say how much it had written."] = None
    return " ".join(said)[:_WHY] or None


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
