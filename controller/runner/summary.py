"""How the hosts stand and how the run ended; pure, fed with what Ansible reports."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from controller.runner.judge import Word
from crds.conditions import Outcome
from crds.records import Result, RunStatus, Summary, told_failures

MAX_MESSAGE = 1024
"""Characters of the message of a summary."""
MAX_INFLIGHT = 20
MAX_KEPT = 50
"""Ranges of frames of the overflow."""

Recap = dict[str, list[int]]
"""Host to [ok, changed, failures, unreachable, skipped, rescued, ignored]."""


class Hosts:
    """What is known of every host of the slice, and of hosts that the work added."""

    def __init__(self, names: Iterable[str], *, whole: bool = True) -> None:
        self.names = tuple(names)
        self._whole = whole
        """Whether they are all of the task's: a play may be for hosts of another slice."""
        self.touched = False
        """Whether Ansible began anything on any host."""
        self.worked = False
        """Whether a task other than the gathering of facts gave a result."""
        self.unmatched: list[str] = []
        """Names of plays that were skipped because their `hosts` matched none."""
        self.word: Word | None = None
        """How every host ended; None: Ansible came to no end of its own."""
        self._bad: dict[str, Outcome] = {}
        self._under_way: dict[str, str] = {}
        self._failures: dict[str, str] = {}
        """Of each host the last one, what was rescued stands before it; oldest first."""

    def started(self, host: str, task: str) -> None:
        """A task began on a host."""
        self.touched = True
        self._under_way[host] = task

    def ended(self, result: Result) -> None:
        """A task ended on a host."""
        self.touched = True
        self.worked = self.worked or not result.facts
        self._under_way.pop(result.host, None)
        if result.status == "unreachable":
            self._bad[result.host] = Outcome.UNREACHABLE
        elif result.status == "failed" and not result.ignored:
            # A rescue may still heal it; the judge knows.
            self._bad[result.host] = Outcome.FAILED
        else:
            return
        message = " ".join(result.told().split())
        self._failures.pop(result.host, None)
        self._failures[result.host] = f"{result.host}: {result.task}: {message}"[:MAX_MESSAGE]

    def in_flight(self) -> tuple[str, ...]:
        """Hosts with a task under way, in the caller's order."""
        return tuple(name for name in self.names if name in self._under_way)

    def finished(self) -> int:
        """How many hosts have nothing more to come."""
        return len(self.names) if self.word is not None else len(self._bad)

    def outcomes(self) -> dict[str, Outcome]:
        """How every host ended, those that the work added last: by the judge's word; where there
        is none, those that have not failed are unfinished."""
        if self.word is None:
            return {name: self._bad.get(name, Outcome.UNFINISHED) for name in self.names}
        told = self.word.outcomes
        return {name: told.get(name, Outcome.LEFT_OUT) for name in self.names} | told

    def by_outcome(self) -> dict[str, list[str]]:
        """Names of outcomes to lists of hosts: the data of a `hosts` record."""
        found: dict[str, list[str]] = {}
        for name, outcome in self.outcomes().items():
            found.setdefault(outcome.value, []).append(name)
        return found

    def counts(self) -> dict[str, int]:
        """Outcome names to numbers of hosts."""
        found = Counter(self.outcomes().values())
        kinds = (Outcome.OK, Outcome.FAILED, Outcome.UNREACHABLE, Outcome.UNFINISHED,
                 Outcome.LEFT_OUT)  # fmt: skip
        return {kind.value: found[kind] for kind in kinds}

    @property
    def well(self) -> bool:
        """Whether no host ended badly."""
        return not any(outcome.bad for outcome in self.outcomes().values())

    def failure(self) -> str:
        """Host, task and message of the first failure, how many more, and who did not finish."""
        outcomes = self.outcomes()
        failed = {name for name, outcome in outcomes.items()
                  if outcome in (Outcome.FAILED, Outcome.UNREACHABLE)}  # fmt: skip
        first = next((text for host, text in self._failures.items() if host in failed), "")
        unfinished = [name for name, out in outcomes.items() if out is Outcome.UNFINISHED]
        return told_failures(first, len(failed) - 1, unfinished, MAX_MESSAGE)

    def note(self) -> str:
        """What people should know of a run in which nothing failed; empty as a rule."""
        if not self.worked:
            return "No task ran: there is none, or none fits the tags."
        if self.unmatched and self._whole:
            return f"No host matched: play {', '.join(map(repr, self.unmatched))}."
        return ""


def recap(data: Mapping[str, Any]) -> Recap:
    """The recap in the data of ansible-runner's `playbook_on_stats`."""
    columns = ("ok", "changed", "failures", "dark", "skipped", "rescued", "ignored")
    tables = [data.get(column) or {} for column in columns]
    processed = data.get("processed") or {}
    return {host: [int(table.get(host, 0)) for table in tables] for host in processed}


def fit(summary: Summary, limit: int, *, ascii_only: bool) -> Summary:
    """The summary with hosts in flight, then its message, cut until its JSON has `limit` bytes;
    without either it has 2 KiB at most."""

    def size(candidate: Summary) -> int:
        return len(json.dumps(candidate.data(), ensure_ascii=ascii_only).encode("utf-8", "replace"))

    fitting = replace(
        summary, message=summary.message[:MAX_MESSAGE], inflight=summary.inflight[:MAX_INFLIGHT]
    )
    if (spilled := fitting.overflow) is not None:
        fitting = replace(fitting, overflow=replace(spilled, kept=spilled.kept[:MAX_KEPT]))
    while fitting.inflight and size(fitting) > limit:
        fitting = replace(fitting, inflight=fitting.inflight[:-1])
    while fitting.message and size(fitting) > limit:
        fitting = replace(fitting, message=fitting.message[: len(fitting.message) * 3 // 4])
    return fitting


def status_of(*, hosts: Hosts, rc: int, stopped: bool, timed_out: bool) -> RunStatus:
    """How the run ended, once Ansible has."""
    word = hosts.word
    if word is not None and not word.aborted:
        return RunStatus.DONE
    if stopped:
        return RunStatus.STOPPED
    if timed_out:
        return RunStatus.TIMED_OUT
    if not hosts.touched and rc in _REFUSED:
        return RunStatus.INVALID
    return RunStatus.CRASHED if word is None else RunStatus.ABORTED


_REFUSED = frozenset({1, 4, 5, 6})
"""Ansible's exit codes for work it can't read: general, parser, options, encoding errors."""


def message_of(status: RunStatus, hosts: Hosts, *, error: str, timeout: int) -> str:
    """What to tell people about the end; `error` is Ansible's own, `timeout` in seconds."""
    match status:
        case RunStatus.INVALID | RunStatus.ABORTED | RunStatus.CRASHED:
            return error or "Ansible ended without a recap"
        case RunStatus.TIMED_OUT:
            return f"not done within {timeout} s"
        case RunStatus.STOPPED:
            return "stopped on request"
        case _:
            return hosts.note() if hosts.well else hosts.failure()
