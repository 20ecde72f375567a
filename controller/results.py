"""What the records of a slice say about each host, kept as they arrive."""

from dataclasses import dataclass, field
from typing import Any, Final

from crds.conditions import Outcome
from crds.frames import Kind, Record
from crds.records import Result, Summary

RECAP: Final = ("ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored")
"""Order of the counts of a `stats` record."""
MESSAGE_LIMIT: Final = 1024
"""Characters kept of a host's failure."""


@dataclass(slots=True)
class HostResult:
    """One host so far; the counts are Ansible's recap once there is one."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0
    task: str = ""
    """The task that failed last: what was rescued stands before it."""
    message: str = ""
    failed_at: float = 0.0
    """When it did, seconds since 1970."""


@dataclass(slots=True)
class HostBook:
    """Host name to its result, for the hosts of one slice that have any."""

    hosts: dict[str, HostResult] = field(default_factory=dict)
    told: dict[str, Outcome] | None = None
    """How hosts ended by the runner's word, hosts that the work added among them; None: it gave
    none."""

    def add(self, record: Record) -> None:
        """Take in the next record."""
        match record.kind:
            case Kind.TASK:
                self._result(Result.read(record.data))
            case Kind.STATS:
                self._recap(record.data.get("hosts"))
            case Kind.HOSTS:
                self._hosts(record.data)

    def outcome(self, host: str, end: Summary | None, *, over: bool) -> Outcome:
        """How a host of the slice stands: what the runner says, by name or in the numbers of its
        summary `end`. Only where it says nothing the results decide: who has not failed is
        unfinished."""
        found = self.hosts.get(host)
        if not over:
            return Outcome.WAITING if found is None else Outcome.RUNNING
        if self.told is not None:
            return self.told.get(host, Outcome.UNFINISHED)
        if end is not None and end.well:
            left_out = found is None and end.counts.get(Outcome.LEFT_OUT.value)
            return Outcome.LEFT_OUT if left_out else Outcome.OK
        if found is None:
            return Outcome.UNFINISHED
        if found.unreachable:
            return Outcome.UNREACHABLE
        return Outcome.FAILED if found.failed else Outcome.UNFINISHED

    def _result(self, result: Result) -> None:
        host = self.hosts.setdefault(result.host, HostResult())
        bad = result.status in ("failed", "unreachable") and not result.ignored
        match result.status:
            case "failed" if result.ignored:
                host.ok += 1
                host.ignored += 1
            case "failed":
                host.failed += 1
            case "unreachable":
                host.unreachable += 1
            case "skipped":
                host.skipped += 1
            case _:
                host.ok += 1
        host.changed += result.changed
        if bad:
            host.task, host.message = result.task, result.told()[:MESSAGE_LIMIT]
            host.failed_at = result.end

    def _hosts(self, data: dict[str, Any]) -> None:
        self.told = {}
        for outcome in Outcome:
            names = data.get(outcome.value)
            if isinstance(names, list):
                self.told |= dict.fromkeys(map(str, names), outcome)

    def _recap(self, hosts: Any) -> None:  # noqa: ANN401 - unchecked JSON
        for name, counts in hosts.items() if isinstance(hosts, dict) else ():
            host = self.hosts.setdefault(name, HostResult())
            for field_name, number in zip(RECAP, counts, strict=True):
                setattr(host, field_name, int(number))
