"""What Ansible tells becomes frames, and the picture of the hosts."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from controller.runner import events, summary
from controller.runner.emit import Emitter
from controller.runner.judge import Word
from controller.runner.redact import Redactor
from crds.frames import Kind
from crds.records import RunStatus, Summary

_ERROR: Final = re.compile(r"(?:\[ERROR\]:|ERROR!)\s*(\S.*)")
"""How Ansible's own errors begin; the lines after the first say where in its files."""


class Report:
    """Takes events in order; all texts go through the redactor before they leave."""

    def __init__(self, hosts: summary.Hosts, emitter: Emitter, redactor: Redactor) -> None:
        self.hosts = hosts
        self.error = ""
        """Ansible's first own error outside of any task."""
        self.cut_off: float | None = None
        """Seconds since 1970 at which the end was asked for: what broke later, we broke."""
        self._emitter = emitter
        self.redactor = redactor
        self._names: dict[str, str] = {}
        self._parts: dict[tuple[str, str], events.Parts] = {}

    def event(self, event: Mapping[str, Any]) -> None:
        """Write what an event of ansible-runner holds."""
        data = event.get("event_data") or {}
        self._by_kind(str(event.get("event")))(event, data)
        if out := events.output(event, self.redactor):
            text, cut = out
            self._emitter.line({"text": text} | ({"cut": True} if cut else {}))

    def _by_kind(self, kind: str) -> Callable[[Mapping[str, Any], Mapping[str, Any]], None]:
        match kind:
            case "playbook_on_task_start" | "playbook_on_handler_task_start":
                return self._task
            case "runner_on_start":
                return self._start
            case "playbook_on_stats":
                return self._recap
            case "playbook_on_no_hosts_matched":
                return self._unmatched
            case (
                "runner_item_on_ok" | "runner_item_on_failed" | "runner_item_on_skipped"
                | "runner_on_file_diff"
            ):  # fmt: skip
                return self._part
            case "error" | "verbose":
                return self._error
            case (
                "runner_on_ok" | "runner_on_failed" | "runner_on_unreachable" | "runner_on_skipped"
            ):
                return self._result
            case _:
                return _pass_over

    def _task(self, _: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        self._names[str(data.get("task_uuid"))] = str(data.get("name") or data.get("task"))

    def _start(self, event: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        host, task = str(data.get("host")), str(data.get("task"))
        self.hosts.started(host, task)
        name = self.redactor.text(self._names.get(str(data.get("task_uuid")), task))
        begun = events.seconds(event.get("created"))
        self._emitter.begin({"host": host, "task": name, "start": begun})

    def _result(self, event: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        uuid = str(data.get("task_uuid"))
        parts = self._parts.pop((str(data.get("host")), uuid), None)
        found = events.result(event, self._names.get(uuid), self.redactor, parts)
        if found is None or (found.status in {"failed", "unreachable"} and self._late(found.end)):
            return
        self.hosts.ended(found)
        self._emitter.task(found.data(), events.short(found).data())

    def _part(self, event: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        key = (str(data.get("host")), str(data.get("task_uuid")))
        self._parts.setdefault(key, events.Parts()).add(event, self.redactor)

    def _recap(self, event: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        if self._late(events.seconds(event.get("created"))):
            return
        self._emitter.always(Kind.STATS, {"hosts": summary.recap(data)})

    def _unmatched(self, _: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        self.hosts.unmatched.append(self.redactor.text(str(data.get("play") or "")))

    def judged(self, word: Word | None) -> None:
        """Take in how Ansible's own process says that every host ended, and write it."""
        if word is not None and not self._late(word.time):
            self.hosts.word = word
        self._emitter.always(Kind.HOSTS, self.hosts.by_outcome())

    def _error(self, event: Mapping[str, Any], _: Mapping[str, Any]) -> None:
        if not self.error and (out := events.output(event, self.redactor)):
            found = _ERROR.match(out[0])
            self.error = found[1] if found else ""

    def _late(self, when: float) -> bool:
        return self.cut_off is not None and when >= self.cut_off

    def beat(self) -> None:
        """Write a sign of life, to the termination message too."""
        self._emitter.always(
            Kind.BEAT, {"hosts": self.hosts.finished(), "dropped": self._emitter.dropped}
        )
        self._emitter.sum_up(self.summary(RunStatus.RUNNING, 0, ""))

    def summary(self, status: RunStatus, rc: int, message: str) -> Summary:
        """How the run stands; the emitter fills in what concerns the frames."""
        early = status not in {RunStatus.DONE, RunStatus.RUNNING}
        return Summary(
            run=self._emitter.run, status=status, rc=rc, last=0, sha256="",
            counts=self.hosts.counts(), message=message,
            inflight=self.hosts.in_flight() if early else (),
        )  # fmt: skip


def _pass_over(*_: object) -> None:
    """Of all other events only the output is of interest."""
