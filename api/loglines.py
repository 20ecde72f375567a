"""The lines of `getlog`. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from api import nodes, results
from api.request import LogAsk
from api.results import Entry
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


def warning(tasks: Iterable[AnsibleTask], lacking: Iterable[AnsibleTask] = ()) -> str:
    """That lines of some of the tasks may be missing, for a header; empty where none are.

    By the status of tasks that have ended: what still runs is read from its pods. And those of
    which something was not to be read.
    """
    unread = {task.metadata.uid for task in lacking}
    ids = [
        str(provenance.number(task))
        for task in tasks
        if task.metadata.uid in unread
        or (task.finished and task.status.log is not None and not task.status.log.complete)
    ]
    return f"the log of {listed(ids)} is incomplete" if ids else ""


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


def line(task: AnsibleTask, entry: Entry, host: str | None = None) -> Line | None:
    """The line of a result; None where it is not of the host that is asked for."""
    if host is not None and not _is(entry.result.host, host):
        return None
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
