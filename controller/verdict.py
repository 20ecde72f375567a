"""How the hosts stand, and what that makes of the task once all its slices have ended; pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controller.observed import SliceView, slices_of
from controller.reasons import End, in_flight
from crds.conditions import ADVICE, Outcome, Phase, Reason
from crds.model import AnsibleTask
from crds.records import RunStatus

_MESSAGE: Final = 1024
"""Characters of a message: all that one client in the field shows to people."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the task stands and why."""

    phase: Phase
    reason: Reason
    message: str = ""
    queue_position: int | None = None


def outcomes(parts: list[SliceView], task: AnsibleTask, ends: Mapping[int, End]) -> list[Outcome]:
    """How every host stands, in the spec's order."""
    found: list[Outcome] = []
    split = slices_of(task.spec.unique_hosts, len(parts))
    for part, hosts in zip(parts, split, strict=True):
        end = ends.get(part.index)
        summary = end.summary if end else None
        well = summary is not None and summary.status is RunStatus.DONE and summary.rc == 0
        book = part.log.book
        found += [book.outcome(host, over=end is not None, well=well) for host in hosts]
    return found


def ended(parts: list[SliceView], task: AnsibleTask, ends: Mapping[int, End]) -> Verdict:
    """The verdict over a task whose slices have all ended."""
    found = Counter(outcomes(parts, task, ends))
    if set(found) == {Outcome.OK}:
        return Verdict(Phase.SUCCEEDED, Reason.COMPLETED, _sentence(Reason.COMPLETED))
    bad = [end for _, end in sorted(ends.items()) if end.reason is not Reason.COMPLETED]
    stops = [end for end in bad if end.reason is Reason.STOPPED]
    if stops:
        # What one slice did not do, others may have done.
        stopped = min(stops, key=lambda end: (end.never_ran, end.summary is None))
        hosts = in_flight([end.summary for _, end in sorted(ends.items()) if end.summary])
        return Verdict(Phase.STOPPED, Reason.STOPPED, stopped.message + hosts)
    phase = Phase.PARTLY_SUCCEEDED if found[Outcome.OK] else Phase.FAILED
    if bad:
        return Verdict(phase, bad[0].reason, _sentence(bad[0].reason, bad[0].message))
    if not found[Outcome.FAILED] and found[Outcome.UNREACHABLE]:
        return Verdict(phase, Reason.HOSTS_UNREACHABLE, _first_failure(parts, found))
    return Verdict(phase, Reason.HOSTS_FAILED, _first_failure(parts, found))


def _sentence(reason: Reason, message: str = "") -> str:
    said = message.strip()
    if said and said[-1] not in ".!?":
        said += "."
    return f"{said} {ADVICE[reason]}".strip()[:_MESSAGE]


def _first_failure(parts: list[SliceView], found: Counter[Outcome]) -> str:
    """Host, task and message of the first failure and how many more hosts went wrong."""
    more = sum(found.values()) - found[Outcome.OK] - 1
    tail = f" (and {more} more hosts)" if more > 1 else " (and 1 more host)" if more else ""
    for part in parts:
        for name in part.log.book.failures:
            host = part.log.book.hosts[name]
            if host.failed or host.unreachable:
                text = f"{name}: {host.task}: {host.message}" if host.task else (
                    f"{name}: {host.message}")  # fmt: skip
                return text[: _MESSAGE - len(tail)] + tail
    return "Some hosts did not finish." + tail
