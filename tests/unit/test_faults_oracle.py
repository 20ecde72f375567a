"""The oracle of the fault tests finds what is planted in a history that is sound otherwise."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from crds import archive, frames, names
from crds.frames import Kind
from crds.records import Overflow, Summary
from tests.faults import crashing
from tests.faults.oracle import MOST_BYTES, History, Seen, violations
from tests.faults.schedule import schedule
from tests.unit.test_controller_log import log_of

LINES, _ = log_of(["one", "two"])
LAST = len(LINES)
UNENDED, TOLD = log_of(["one", "two"], end=False)


def state(phase: str, **status: Any) -> dict[str, Any]:
    """The task object in a phase."""
    return {"metadata": {"name": "t", "uid": "u"}, "status": {"phase": phase, **status}}


def ended(**log: Any) -> dict[str, Any]:
    """It has ended well, and its log is what is said."""
    told = {"complete": True, "missing": [], **log}
    part = {"index": 0, "podUid": "p", "logComplete": told["complete"], "lastSequence": LAST}
    return state("Succeeded", slices=[part], log=told, completionTime="2026-01-02T03:04:05Z")


def pod(uid: str, *, gated: bool) -> dict[str, Any]:
    """A pod of the task's one slice."""
    return {
        "metadata": {"uid": uid, "annotations": {"batch.kubernetes.io/job-completion-index": "0"}},
        "spec": {"schedulingGates": [{"name": names.GATE}] if gated else []},
    }


def chunk(first: int, last: int) -> archive.Chunk:
    """Some of the frames, archived."""
    return archive.pack("u", 0, first, LINES[first - 1 : last])


def killed(told: Summary) -> Callable[[History], None]:
    """Its runner was killed: there is no end frame, but a termination message."""

    def plant(history: History) -> None:
        state = {"terminated": {"message": json.dumps(told.data())}}
        status = {"containerStatuses": [{"name": names.CONTAINER, "state": state}]}
        history.chunks = [archive.pack("u", 0, 1, UNENDED)]
        history.pods = [*history.pods, {**pod("p", gated=False), "status": status}]

    return plant


def sound() -> History:
    """A run as it should be."""
    phases = [{"metadata": {}}, state("Queued"), state("Starting"), state("Running"), ended()]
    return History(
        states=[Seen(float(at), each) for at, each in enumerate(phases)],
        pods=[pod("p", gated=True), pod("p", gated=False), pod("q", gated=True)],
        chunks=[chunk(1, 2), chunk(3, LAST)],
        marks={"a": 1, "b": 0},
        due=10.0,
        texts={"log": "nothing of interest"},
        secrets=["swordfish"],
    )


def at_end(task: dict[str, Any]) -> Callable[[History], None]:
    """Have it end so."""

    def plant(history: History) -> None:
        history.states = [*history.states[:-1], Seen(4.0, task)]

    return plant


def after_end(**status: Any) -> Callable[[History], None]:
    """Have its status say something else after the end."""

    def plant(history: History) -> None:
        task = copy.deepcopy(dict(history.states[-1].object))
        task["status"] |= status
        history.states = [*history.states, Seen(5.0, task)]

    return plant


def of(**fields: Any) -> Callable[[History], None]:
    """Have other things been seen."""

    def plant(history: History) -> None:
        for name, value in fields.items():
            setattr(history, name, value)

    return plant


def often(history: History) -> None:
    writes = [Seen(3.0, state("Running", update=number)) for number in range(40)]
    history.states = [*history.states[:-1], *writes, history.states[-1]]


FORGED = archive.pack("u", 0, 1, [*LINES[:-2], LINES[-2].replace(b"two", b"six"), LINES[-1]])


def both(*plants: Callable[[History], None]) -> Callable[[History], None]:
    """One after the other."""

    def plant(history: History) -> None:
        for each in plants:
            each(history)

    return plant


def left_out(lacking: Summary, **log: Any) -> Callable[[History], None]:
    """The runner tells what it left out, and the log is what is said."""

    def plant(history: History) -> None:
        told = lacking.data()
        last = frames.encode(str(told["run"]), LAST, 1.0, Kind.END, told)
        history.chunks = [archive.pack("u", 0, 1, [*UNENDED, *last])]
        at_end(ended(**log))(history)

    return plant


DROPPED = replace(TOLD, dropped=3)
UNSTORED = replace(TOLD, overflow=Overflow(9, "", ((1, 4), (7, 9))))


def without_end(history: History) -> None:
    history.states = history.states[:-1]


def back(history: History) -> None:
    history.states = [*history.states[:-1], Seen(3.5, state("Queued")), history.states[-1]]


SOUND: dict[str, Callable[[History], None]] = {
    "as it should be": of(),
    "the end of the log is not there, and said to be missing": both(
        of(chunks=[chunk(1, 2)]),
        at_end(ended(complete=False, missing=[{"slice": 0, "first": 3, "last": 0}])),
    ),
    "killed, and its termination message proves the log": killed(TOLD),
    "records left out by the runner, and that is said": left_out(
        DROPPED, complete=False, message="3 records are left out"
    ),
    "lines that were not uploaded, and that is said": left_out(
        UNSTORED, complete=False, message="2 lines could not be stored"
    ),
    "all that was beyond the limit was uploaded": left_out(
        replace(TOLD, overflow=Overflow(9, "", ((1, 9),)))
    ),
    "the archive takes the rest after the end": both(
        at_end(ended(complete=False, missing=[{"slice": 0, "first": 3, "last": LAST}])),
        after_end(**ended()["status"]),
    ),
    "a newer generation is observed after the end": after_end(observedGeneration=2),
}

PLANTED: dict[str, tuple[str, Callable[[History], None]]] = {
    "the play began twice on a host": ("I1", of(marks={"a": 2})),
    "two pods of a slice were open": ("I1", of(
        pods=[pod("p", gated=False), pod("q", gated=False)])),
    "frames lost in the middle": ("I2", of(chunks=[chunk(1, 1), chunk(3, LAST)])),
    "the end lost": ("I2", of(chunks=[chunk(1, LAST - 1)])),
    "incomplete without saying what is missing": ("I2", at_end(ended(complete=False))),
    "nothing kept, and nothing said of a log": ("I2", both(
        of(chunks=[]), at_end(state("Failed", completionTime="2026-01-02T03:04:05Z")))),
    "nothing kept, and nothing declared": ("I2", both(
        of(chunks=[]), at_end(ended(complete=False)))),
    "complete, and something is missing": ("I2", at_end(ended(
        missing=[{"slice": 0, "first": 2, "last": 2}]))),
    "another line than the runner wrote": ("I2", of(chunks=[FORGED])),
    "a frame in two versions": ("I2", of(chunks=[chunk(1, LAST), FORGED])),
    "killed, and no word on all that there is": ("I2", killed(replace(TOLD, last=1))),
    "killed, and the digest is another one": ("I2", killed(replace(TOLD, sha256="0"))),
    "complete, and the runner left out records": ("I2", left_out(DROPPED)),
    "complete, and lines were not uploaded": ("I2", left_out(UNSTORED)),
    "it is said that it never ran, and it did": ("I1", at_end(
        state("Failed", message="It never ran.", completionTime="2026-01-02T03:04:05Z"))),
    "the phase went back": ("I3", back),
    "another end": ("I3", after_end(phase="Failed")),
    "running again": ("I3", after_end(phase="Running")),
    "other hosts after the end": ("I3", after_end(hostOutcomes="1f")),
    "no end": ("I4", without_end),
    "too late an end": ("I4", of(due=3.0)),
    "something left": ("I5", of(leftovers=["jobs/t"])),
    "a large object": ("I6", at_end(ended(tail="x" * MOST_BYTES))),
    "a status that is written all the time": ("I6", often),
    "a secret": ("I7", of(texts={"event e": "the password is swordfish"})),
    "two tasks of one request": ("I8", of(made=2)),
}  # fmt: skip


@pytest.mark.parametrize("row", SOUND)
def test_nothing_is_found_where_nothing_is_wrong(row: str) -> None:
    history = sound()
    SOUND[row](history)
    assert violations(history) == []


@pytest.mark.parametrize("row", PLANTED)
def test_what_is_planted_is_found(row: str) -> None:
    title, plant = PLANTED[row]
    history = sound()
    plant(history)
    found = violations(history)
    assert found, row
    assert {said.partition(":")[0] for said in found} == {title}, found


@pytest.mark.parametrize(
    ("method", "path", "body", "name"),
    [
        ("GET", "/api/v1/namespaces/n/pods/p", None, None),
        ("POST", "/apis/batch/v1/namespaces/n/jobs", {"kind": "Job"}, "POST jobs"),
        ("DELETE", "/api/v1/namespaces/n/pods/p", {"preconditions": {}}, "DELETE pods"),
        ("PATCH", "/api/v1/namespaces/n/pods/p",
         [{"op": "test", "path": "/metadata/uid", "value": ""},
          {"op": "remove", "path": "/spec/schedulingGates/0"}], "PATCH pods schedulingGates"),
        ("PATCH", "/apis/octans.io/v1alpha1/namespaces/n/ansibletasks/t/status",
         [{"op": "add", "path": "/status", "value": {"phase": "Running", "slices": [{}]}}],
         "PATCH ansibletasks/status Running, 1 claimed"),
        ("PATCH", "/apis/octans.io/v1alpha1/namespaces/n/ansibletasks/t",
         {"metadata": {"resourceVersion": "1", "annotations": {"a": "b"}, "finalizers": []}},
         "PATCH ansibletasks metadata.annotations[a], metadata.finalizers"),
        ("POST", "/api/v1/namespaces/n/events", {"kind": "Event", "reason": "Completed"},
         "POST events Completed"),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {}, None),
    ],
)  # fmt: skip
def test_writes_are_named_for_what_they_are(
    method: str, path: str, body: Any, name: str | None
) -> None:
    assert crashing.name_of(method, path, body) == name


def test_every_test_has_its_day_and_no_day_is_much_longer_than_another() -> None:
    costs = {f"test{number}": 10.0 + 7 * (number % 13) for number in range(90)}
    days = schedule(costs, 28)
    assert sorted(name for day in days for name in day) == sorted(costs)
    spent = [sum(costs[name] for name in day) for day in days]
    assert max(spent) - min(spent) <= max(costs.values())
