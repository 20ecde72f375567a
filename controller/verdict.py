"""How the hosts stand, and what that makes of the task once all its slices have ended; pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from controller.observed import SliceView, slices_of
from controller.reasons import End, in_flight
from crds import slicing
from crds.conditions import ADVICE, Outcome, Phase, Reason
from crds.model import AnsibleTask
from crds.records import told_failures

_WORST: Final = (Outcome.FAILED, Outcome.UNREACHABLE, Outcome.UNFINISHED, Outcome.OK,
                 Outcome.LEFT_OUT)  # fmt: skip
_MESSAGE: Final = 1024
"""Characters of a message: all that one client in the field shows to people."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the task stands and why."""

    phase: Phase
    reason: Reason
    message: str = ""
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class Hosts:
    """How every host stands."""

    of_spec: list[Outcome]
    """In the spec's order."""
    added: dict[str, Outcome]
    """Hosts that the work added (`add_host`) and that a play meant."""

    def all(self) -> list[Outcome]:
        """Both."""
        return [*self.of_spec, *self.added.values()]


def outcomes(parts: list[SliceView], task: AnsibleTask, ends: Mapping[int, End]) -> Hosts:
    """How every host stands, by what its slice says; of a host that another slice added too, the
    worse counts."""
    names = task.spec.unique_hosts
    found: dict[str, Outcome] = {}
    guests: list[tuple[str, Outcome]] = []
    for part, hosts in zip(parts, slices_of(names, len(parts)), strict=True):
        end, book = ends.get(part.index), part.log.book
        summary = end.summary if end else None
        own = {host: book.outcome(host, summary, over=end is not None) for host in hosts}
        found |= own
        told = book.told if end is not None and book.told else {}
        guests += [(host, outcome) for host, outcome in told.items() if host not in own]
    for host, outcome in guests:
        found[host] = min(outcome, found.get(host, Outcome.LEFT_OUT), key=_WORST.index)
    return Hosts([found.pop(host) for host in names], found)


def ended(parts: list[SliceView], task: AnsibleTask, ends: Mapping[int, End]) -> Verdict:
    """The verdict over a task whose slices have all ended."""
    found = _ended(parts, task, ends)
    if warning := slicing.warning(task.spec):
        text = _followed(found.message[: _MESSAGE - len(warning) - 2], warning)
        return replace(found, message=text)
    return found


def _ended(parts: list[SliceView], task: AnsibleTask, ends: Mapping[int, End]) -> Verdict:
    hosts = outcomes(parts, task, ends)
    found = Counter(hosts.all())
    if not any(outcome.bad for outcome in found):
        text = _well(found[Outcome.LEFT_OUT], [end.message for end in ends.values()])
        return Verdict(Phase.SUCCEEDED, Reason.COMPLETED, text)
    bad = [end for _, end in sorted(ends.items()) if end.reason is not Reason.COMPLETED]
    if any(end.reason is Reason.RESTORED for end in bad):
        # Nothing went wrong that somebody should be woken for, and nothing was done that could be
        # called a success: it was kept from running.
        return Verdict(Phase.STOPPED, Reason.RESTORED, _sentence(Reason.RESTORED, bad[0].message))
    stops = [end for end in bad if end.reason is Reason.STOPPED]
    if stops:
        # What one slice did not do, others may have done.
        stopped = min(stops, key=lambda end: (end.never_ran, end.summary is None))
        flying = in_flight([end.summary for _, end in sorted(ends.items()) if end.summary])
        return Verdict(Phase.STOPPED, Reason.STOPPED, stopped.message + flying)
    phase = Phase.PARTLY_SUCCEEDED if found[Outcome.OK] else Phase.FAILED
    if bad:
        text = _followed(_sentence(bad[0].reason, bad[0].message), _guessed(parts, ends))
        return Verdict(phase, bad[0].reason, text[:_MESSAGE])
    unreached = found[Outcome.UNREACHABLE] and not found[Outcome.FAILED]
    reason = Reason.HOSTS_UNREACHABLE if unreached else Reason.HOSTS_FAILED
    text = _followed(_failures(parts, task, hosts), _guessed(parts, ends))
    return Verdict(phase, reason, text[:_MESSAGE])


def _well(left_out: int, notes: list[str]) -> str:
    """The message of an end at which nothing went wrong; a note of all slices comes first."""
    text = ADVICE[Reason.COMPLETED]
    if left_out:
        text = f"Every host that the work is for finished well; left out: {left_out}."
    note = notes[0] if len(set(notes)) == 1 else ""
    return f"{note} {text}".strip()[:_MESSAGE]


def _sentence(reason: Reason, message: str = "") -> str:
    return _followed(message, ADVICE[reason])[:_MESSAGE]


def _followed(said: str, more: str) -> str:
    """A sentence, and another one behind it if there is one."""
    said = said.strip()
    if more and said and said[-1] not in ".!?":
        said += "."
    return f"{said} {more}".strip()


def _guessed(parts: list[SliceView], ends: Mapping[int, End]) -> str:
    """Says so where hosts are told without the runner's word on them."""
    for part in parts:
        end = ends[part.index]
        refused = end.never_ran or end.reason in (Reason.PLAYBOOK_INVALID, Reason.SECRET_INVALID)
        known = part.log.book.told is not None or (end.summary is not None and end.summary.well)
        if not known and not refused:
            return "How its hosts ended is not known for sure: the runner's last word is missing."
    return ""


def _failures(parts: list[SliceView], task: AnsibleTask, hosts: Hosts) -> str:
    """Host, task and message of the first failure, how many more, and who did not finish."""
    states = dict(zip(task.spec.unique_hosts, hosts.of_spec, strict=True)) | hosts.added
    failed = {name for name, outcome in states.items()
              if outcome in (Outcome.FAILED, Outcome.UNREACHABLE)}  # fmt: skip
    first = min(
        ((result.failed_at, name, result) for part in parts
         for name, result in part.log.book.hosts.items() if name in failed and result.failed_at),
        key=lambda entry: entry[:2], default=None,
    )  # fmt: skip
    text = ""
    if first is not None:
        _, name, result = first
        text = ": ".join(filter(None, (name, result.task, result.message)))
    unfinished = [name for name, outcome in states.items() if outcome is Outcome.UNFINISHED]
    return told_failures(text, len(failed) - 1, unfinished, _MESSAGE)
