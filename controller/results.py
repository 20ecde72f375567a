"""What the records of a slice say about each host, kept as they arrive."""

from dataclasses import dataclass, field
from typing import Any, Final

from crds.conditions import Outcome
from crds.frames import Kind, Record
from crds.records import Result

RECAP: Final = ("ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored")
"""Order of the counts of a `stats` record."""
MESSAGE_LIMIT: Final = 1024
"""Characters kept of a host's first failure."""


@dataclass(slots=True)
class HostResult:
    """One host so far; the counts are Ansible's recap once `final`."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0
    final: bool = False
    task: str = ""
    """The task that failed first."""
    message: str = ""

    def outcome(self, *, over: bool, well: bool) -> Outcome:
        """How the host stands; `over`: its slice has ended, `well`: with return code 0."""
        if not over:
            return Outcome.RUNNING
        if self.unreachable and not well:
            return Outcome.UNREACHABLE
        if self.failed and not well:
            return Outcome.FAILED
        return Outcome.OK if self.final or well else Outcome.UNFINISHED


@dataclass(slots=True)
class HostBook:
    """Host name to its result, for the hosts of one slice that have any."""

    hosts: dict[str, HostResult] = field(default_factory=dict)
    failures: dict[str, None] = field(default_factory=dict)
    """Hosts in the order of their first failure."""

    def add(self, record: Record) -> None:
        """Take in the next record."""
        if record.kind is Kind.TASK:
            self._result(Result.read(record.data))
        elif record.kind is Kind.STATS:
            self._recap(record.data.get("hosts"))

    def outcome(self, host: str, *, over: bool, well: bool) -> Outcome:
        """How a host of the slice stands.

        A host that Ansible's recap leaves out had nothing to do where the run ended well (`limit`,
        an empty play), and was not reached where it did not.
        """
        found = self.hosts.get(host)
        if found is not None:
            return found.outcome(over=over, well=well)
        if not over:
            return Outcome.WAITING
        return Outcome.OK if well else Outcome.UNFINISHED

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
        if bad:  # the last one counts: what was rescued stands before it
            host.task, host.message = result.task, result.told()[:MESSAGE_LIMIT]
            self.failures.pop(result.host, None)
            self.failures[result.host] = None

    def _recap(self, hosts: Any) -> None:  # noqa: ANN401 - unchecked JSON
        for name, counts in hosts.items() if isinstance(hosts, dict) else ():
            host = self.hosts.setdefault(name, HostResult())
            for field_name, number in zip(RECAP, counts, strict=True):
                setattr(host, field_name, int(number))
            host.final = True
