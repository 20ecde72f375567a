"""The lines of `getlog`. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from api import nodes, results
from api.request import LogAsk
from api.results import Entry
from api.view import in_time
from crds import provenance
from crds.model import AnsibleTask
from crds.records import listed


@dataclass(frozen=True, slots=True)
class Line:
    """One Ansible task on one host."""

    global_id: str
    """The correlation id: it is what groups the lines of several tasks."""
    source: str
    create_time: str
    end_time: str
    host: str
    result: str
    messages: tuple[str, ...] = ()

    def text(self, after_result: str = "") -> str:
        """The line; `reuslt` is spelled so in the contract."""
        head = (
            f"global_id = {self.global_id}, source = {self.source}, "
            f"create_time = {self.create_time}, end_time = {self.end_time}, "
            f"host = {self.host}, reuslt = {self.result}{after_result}"
        )
        if not self.messages:
            return head
        return head + "\n\t" + "".join(f"message: {text}\n\t" for text in self.messages)


def warning(tasks: Iterable[AnsibleTask]) -> str:
    """That lines of some of the tasks may be missing, for a header; empty where none are.

    Of tasks that have ended only: what still runs is read from its pods.
    """
    ids = [
        provenance.number(task)
        for task in tasks
        if task.finished and task.status.log is not None and not task.status.log.complete
    ]
    if not ids:
        return ""
    return f"the log of {listed([str(number) for number in ids])} is incomplete"


def matches(task: AnsibleTask, ask: LogAsk) -> bool:
    """Whether a task's lines are asked for."""
    if (task.spec.correlation_id or "") != ask.correlation:
        return False
    if ask.source is not None and (task.spec.source or "") != ask.source:
        return False
    return ask.host is None or any(_is(host, ask.host) for host in task.spec.hosts)


def _is(node: str, host: str) -> bool:
    """Whether a node, which may carry a port, is the host that is asked for."""
    return host in (node, (name := nodes.split(node)[0]), f"[{name}]")


def lines(task: AnsibleTask, found: list[Entry], host: str | None = None) -> list[Line]:
    """A task's lines by end time, slice and sequence; of one host where one is given."""
    return [
        _line(task, entry)
        for entry in in_time(found)
        if host is None or _is(entry.result.host, host)
    ]


def _line(task: AnsibleTask, entry: Entry) -> Line:
    result = entry.result
    bad = result.status in ("failed", "unreachable")
    return Line(
        global_id=task.spec.correlation_id or "",
        source=task.spec.source or "",
        create_time=results.rfc3339(result.start),
        # Nothing of what is still running.
        end_time=results.rfc3339(result.end) if result.status else "",
        host=result.host,
        result=result.status,
        messages=results.messages(result) if bad else (),
    )
