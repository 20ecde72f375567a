"""How the hosts stand and how the run ended; pure, fed with what Ansible reports."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from crds.conditions import Outcome
from crds.records import Result, RunStatus, Summary

MAX_MESSAGE = 1024
"""Characters of the message of a summary."""
MAX_INFLIGHT = 20

Recap = dict[str, list[int]]
"""Host to [ok, changed, failures, unreachable, skipped, rescued, ignored]."""


class Hosts:
    """What is known of every host of the slice."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.touched = False
        """Whether Ansible began anything on any host."""
        self.recap: Recap | None = None
        self.given_up: frozenset[str] = frozenset()
        """Hosts that were well when Ansible gave up the play for all of them."""
        self.left_out: frozenset[str] = frozenset()
        """Hosts that the caller's own limit left out."""
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
        self._under_way.pop(result.host, None)
        if result.status == "unreachable":
            self._bad[result.host] = Outcome.UNREACHABLE
        elif result.status == "failed" and not result.ignored:
            # A rescue may still heal it; the recap knows.
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
        return len(self.names) if self.recap is not None else len(self._bad)

    def outcomes(self) -> dict[str, Outcome]:
        """How every host stands: by the recap, or at an early end."""
        if self.recap is None:
            return {name: self._bad.get(name, Outcome.UNFINISHED) for name in self.names}
        outcomes = {name: _by_recap(counts) for name, counts in self.recap.items()}
        broken = bool(self.given_up) or any(kind is not Outcome.OK for kind in outcomes.values())
        for name in self.given_up:
            if outcomes.get(name) is Outcome.OK:
                outcomes[name] = Outcome.UNFINISHED
        for name in self.left_out:
            outcomes.setdefault(name, Outcome.OK)
        # Where all went well, a host without any result was not to get one.
        unreached = Outcome.UNFINISHED if broken else Outcome.OK
        return {name: outcomes.get(name, unreached) for name in self.names}

    def counts(self) -> dict[str, int]:
        """Outcome names to numbers of hosts."""
        outcomes = list(self.outcomes().values())
        kinds = (Outcome.OK, Outcome.FAILED, Outcome.UNREACHABLE, Outcome.UNFINISHED)
        return {kind.value: outcomes.count(kind) for kind in kinds}

    def failure(self) -> str:
        """Host, task and message of the first failure, and how many more hosts failed."""
        outcomes = self.outcomes()
        bad = {host for host, outcome in outcomes.items()
               if outcome in (Outcome.FAILED, Outcome.UNREACHABLE)}  # fmt: skip
        first = next((text for host, text in self._failures.items() if host in bad), "")
        if not first:
            return ""
        more = f" (and {len(bad) - 1} more hosts)" if len(bad) > 1 else ""
        return first[: MAX_MESSAGE - len(more)] + more


def _by_recap(counts: list[int]) -> Outcome:
    if counts[3]:
        return Outcome.UNREACHABLE
    if counts[2]:
        return Outcome.FAILED
    return Outcome.OK


def recap(data: Mapping[str, Any]) -> Recap:
    """The recap in the data of ansible-runner's `playbook_on_stats`."""
    columns = ("ok", "changed", "failures", "dark", "skipped", "rescued", "ignored")
    tables = [data.get(column) or {} for column in columns]
    processed = data.get("processed") or {}
    return {host: [int(table.get(host, 0)) for table in tables] for host in processed}


def fit(summary: Summary, limit: int, *, ascii_only: bool) -> Summary:
    """The summary with hosts in flight, then its message, cut until its JSON has `limit` bytes."""

    def size(candidate: Summary) -> int:
        return len(json.dumps(candidate.data(), ensure_ascii=ascii_only).encode("utf-8", "replace"))

    fitting = replace(
        summary, message=summary.message[:MAX_MESSAGE], inflight=summary.inflight[:MAX_INFLIGHT]
    )
    while fitting.inflight and size(fitting) > limit:
        fitting = replace(fitting, inflight=fitting.inflight[:-1])
    while fitting.message and size(fitting) > limit:
        fitting = replace(fitting, message=fitting.message[: len(fitting.message) * 3 // 4])
    return fitting


def status_of(*, hosts: Hosts, rc: int, stopped: bool, timed_out: bool) -> RunStatus:
    """How the run ended, once Ansible has."""
    if hosts.recap is not None:
        return RunStatus.DONE
    if stopped:
        return RunStatus.STOPPED
    if timed_out:
        return RunStatus.TIMED_OUT
    if not hosts.touched and rc in _REFUSED:
        return RunStatus.INVALID
    return RunStatus.CRASHED


_REFUSED = frozenset({1, 4, 5, 6})
"""Ansible's exit codes for work it can't read: general, parser, options, encoding errors."""


def message_of(status: RunStatus, hosts: Hosts, *, error: str, timeout: int) -> str:
    """What to tell people about the end; `error` is Ansible's own, `timeout` in seconds."""
    match status:
        case RunStatus.INVALID | RunStatus.CRASHED:
            return error or "Ansible ended without a recap"
        case RunStatus.TIMED_OUT:
            return f"not done within {timeout} s"
        case RunStatus.STOPPED:
            return "stopped on request"
        case _:
            return hosts.failure()
