"""Values for decisions, made as short as a table needs them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from controller.observed import JobView, LogView, Observed, PodView, Terminated, Turn
from controller.plan import Plan
from controller.results import HostBook
from crds import names, provenance
from crds.conditions import Phase, Reason
from crds.frames import Kind, Record
from crds.model import AnsibleTask, SliceStatus
from crds.records import Result, RunStatus, Summary

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UID = "task-uid"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def task(*, status: dict[str, Any] | None = None, **spec: Any) -> AnsibleTask:
    """An adopted task; `meta` changes its metadata."""
    meta = {
        "name": "t", "namespace": "ns", "uid": UID, "resourceVersion": "1", "generation": 1,
        "creationTimestamp": "2026-01-02T03:00:00Z",
        "finalizers": [names.FINALIZER],
        **spec.pop("meta", {}),
    }  # fmt: skip
    full = {"hosts": ["a"], "tasks": [{"ping": {}}], **spec}
    stored = {"metadata": meta, "spec": full, "status": status or {}}
    if "labels" not in meta:
        meta["labels"] = provenance.corrections(provenance.read(stored)).labels
        meta["labels"] = {key: value for key, value in meta["labels"].items() if value is not None}
    return provenance.read(stored)


def job(**changes: Any) -> JobView:
    return JobView(
        **{"name": "t", "uid": "job-uid", "owner_uid": UID, "created": ago(1), **changes}
    )


def pod(uid: str = "p0", index: int = 0, **changes: Any) -> PodView:
    values = {
        "name": f"t-{index}-{uid}", "uid": uid, "resource_version": "5", "index": index,
        "owner_uid": "job-uid", "created": ago(30), "gated": False,
        "scheduled": ago(20), **changes,
    }  # fmt: skip
    return PodView(**values)


def gated(uid: str = "p0", index: int = 0, **changes: Any) -> PodView:
    return pod(uid, index, **{"gated": True, "scheduled": None, **changes})


def started(uid: str = "p0", index: int = 0, **changes: Any) -> PodView:
    return pod(uid, index, **{"phase": "Running", "started": ago(10), **changes})


def over(code: int = 0, why: str = "Completed", message: str = "", **changes: Any) -> PodView:
    ended = Terminated(code, why, message, ago(1))
    phase = "Failed" if code else "Succeeded"
    return started(**{"phase": phase, "terminated": ended, **changes})


def ended_long_ago() -> PodView:
    return started(phase="Succeeded", terminated=Terminated(0, "Completed", "", ago(500)))


def spent(used: int = 3, limit: int = 3) -> str:
    """The warning of a Job whose pod a quota refused."""
    numbers = f"requested: pods=1, used: pods={used}, limited: pods={limit}"
    return f'FailedCreate: Error creating: pods "t" is forbidden: exceeded quota: q, {numbers}'


def claim(index: int = 0, uid: str = "p0", **changes: Any) -> dict[str, Any]:
    return SliceStatus(index=index, pod=f"t-{index}-{uid}", pod_uid=uid, **changes).wire()


def claimed(*claims: dict[str, Any], **spec: Any) -> AnsibleTask:
    slices = list(claims) or [claim()]
    return task(status={"slices": slices, "jobName": "t", "phase": "Starting"}, **spec)


def summary(status: RunStatus = RunStatus.DONE, rc: int = 0, **changes: Any) -> Summary:
    values = {"run": "r", "last": 4, "sha256": "", "counts": {}, **changes}
    return Summary(status=status, rc=rc, **values)


def book(**hosts: str) -> HostBook:
    """Hosts with a recap, and outcomes as the runner tells them; `began` has a result only."""
    found = HostBook()
    recap = {}
    told: dict[str, list[str]] = {}
    for name, outcome in hosts.items():
        if outcome != "began":
            told.setdefault(outcome, []).append(name)
        bad = outcome if outcome in ("failed", "unreachable") else "ok"
        result = Result(name, "copy", bad, 0.0, 1.0, msg="no room" if bad != "ok" else None)
        found.add(Record("r", 1, 1, 0.0, Kind.TASK, result.data()))
        if outcome != "began":
            recap[name] = [int(bad == "ok"), 0, int(bad == "failed"), int(bad == "unreachable"),
                           0, 0, 0]  # fmt: skip
    if recap:
        found.add(Record("r", 2, 2, 0.0, Kind.STATS, {"hosts": recap}))
        found.add(Record("r", 3, 3, 0.0, Kind.HOSTS, told))
    return found


def ended_log(status: RunStatus = RunStatus.DONE, rc: int = 0, **hosts: str) -> LogView:
    found = book(**(hosts or {"a": "ok"}))
    return LogView(found, last=5, records=5, bytes=100, end=summary(status, rc), complete=True)


def begun_log(**changes: Any) -> LogView:
    return LogView(book(a="began"), **{"last": 2, "records": 2, "bytes": 50, **changes})


def seen(what: AnsibleTask, *pods: PodView, **changes: Any) -> Observed:
    values: dict[str, Any] = {"turn": Turn(admitted=True), "job": job(), "pods": pods, **changes}
    return Observed(task=what, **values)


TERMINAL = {"phase": Phase.SUCCEEDED.value, "observedGeneration": 1, "conditions": [
    {"type": "Succeeded", "status": "True", "reason": Reason.COMPLETED.value, "message": "",
     "lastTransitionTime": "2026-01-02T03:04:00Z", "observedGeneration": 1}]}  # fmt: skip


QUEUED = Turn(False, 3, Reason.QUEUED, "It waits for a free place, as number 3.")


def steps(plan: Plan) -> list[str]:
    """The names of a plan's steps, in order."""
    return [type(step).__name__ for step in (*plan.before, *plan.after)]


def returned(**spec: Any) -> AnsibleTask:
    """A task that carries what was noted of another object of its name and work."""
    other = task(meta={"uid": "other"}, **spec)
    return task(meta={"annotations": provenance.note_begun(other)}, **spec)
