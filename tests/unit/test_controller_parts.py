"""The queue's order, retention, the work queue, the Job that is made."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from controller import job as jobs
from controller.admission import Card, turns
from controller.observed import slices_of
from controller.retention import Ended, ended, surplus
from controller.settings import Settings
from controller.views import pod_view
from controller.workqueue import WorkQueue
from crds import errors, names
from crds.objectstore import Uploads
from crds.runinput import RunInput
from tests.unit.seen import NOW, ago, job, task


def card(name: str, at: int, **changes: object) -> Card:
    values: dict[str, object] = {"name": name, "created": NOW + timedelta(seconds=at), **changes}
    return Card(**values)  # type: ignore[arg-type]  # a table's short form


def order(cards: list[Card], places: int) -> list[str]:
    """Names of those that may start, then of those that wait, each in its order."""
    found = turns(cards, places)
    waiting = [one for one in cards if not one.active]
    start = [one.name for one in waiting if found[one.name].admitted]
    wait = [one for one in waiting if not found[one.name].admitted]
    wait.sort(key=lambda one: found[one.name].position)
    return [*start, "|", *(one.name for one in wait)]


H = frozenset
QUEUES = {
    "by age": ([card("b", 2), card("a", 1), card("c", 3)], 1, ["a", "|", "b", "c"]),
    "priority first": ([card("a", 1), card("b", 2, priority=5)], 1, ["b", "|", "a"]),
    "running ones take places": (
        [card("r", 0, active=True), card("a", 1), card("b", 2)], 2, ["a", "|", "b"]),
    "the source with the fewest running": (
        [card("r", 0, active=True, source="x"), card("x1", 1, source="x"),
         card("y1", 2, source="y")], 2, ["y1", "|", "x1"]),
    "sources take turns": (
        [card("x1", 1, source="x"), card("x2", 2, source="x"), card("y1", 3, source="y")],
        0, ["|", "x1", "y1", "x2"]),
    "a host in use": (
        [card("r", 0, active=True, hosts=H("h")), card("a", 1, exclusive=True, hosts=H("h")),
         card("b", 2, hosts=H("k"))], 9, ["b", "|", "a"]),
    "the running one wants its host alone": (
        [card("r", 0, active=True, exclusive=True, hosts=H("h")), card("a", 1, hosts=H("h"))],
        9, ["|", "a"]),
    "two of a queue do not start on one host": (
        [card("a", 1, exclusive=True, hosts=H("h")), card("b", 2, exclusive=True, hosts=H("h"))],
        9, ["a", "|", "b"]),
}  # fmt: skip


@pytest.mark.parametrize(("cards", "places", "expected"), QUEUES.values(), ids=QUEUES)
def test_queue(cards: list[Card], places: int, expected: list[str]) -> None:
    assert order(cards, places) == expected


def kept(name: str, ended_at: int, expires: int = 10_000, *, stale: bool = False) -> Ended:
    return Ended(name, name, "1", ended_at, expires, stale=stale)


RETENTION = {
    "time is over": ([kept("a", 1, expires=100), kept("b", 1)], 10, 0, ["a"]),
    "oldest beyond the count": ([kept("c", 3), kept("a", 1), kept("b", 2)], 1, 0, ["a", "b"]),
    "none that is young": ([kept("a", 1), kept("b", 990)], 0, 100, ["a"]),
    "its time was changed": ([kept("a", 1, expires=100, stale=True)], 10, 0, []),
    "few enough": ([kept("a", 1)], 1, 0, []),
}


@pytest.mark.parametrize(("tasks", "keep", "youngest", "gone"), RETENTION.values(), ids=RETENTION)
def test_retention(tasks: list[Ended], keep: int, youngest: int, gone: list[str]) -> None:
    assert [task.name for task in surplus(tasks, 1000, keep=keep, youngest=youngest)] == gone


def test_retention_reads_metadata() -> None:
    notes = {names.ANNOTATION_ENDED: "5", names.ANNOTATION_EXPIRES: "9",
             names.ANNOTATION_GENERATION: "1"}  # fmt: skip
    head = {"name": "t", "uid": "u", "resourceVersion": "7"}
    own = {**head, "labels": {names.LABEL_FINISHED: "u"}, "annotations": notes}
    assert ended({**own, "generation": 1}) == Ended("t", "u", "7", 5, 9, stale=False)
    assert ended({**own, "generation": 2}) == Ended("t", "u", "7", 5, 9, stale=True)
    copied = {**own, "labels": {names.LABEL_FINISHED: "another"}}
    for strange in (copied, {**own, "annotations": {}}, head):
        assert ended({**strange, "generation": 1}).stale, "looked at, never swept by what it says"


@pytest.mark.parametrize("count", [1, 3, 4, 10])
def test_slices_are_even_and_keep_the_order(count: int) -> None:
    hosts = tuple(f"h{number}" for number in range(10))
    parts = slices_of(hosts, count)
    assert sum(parts, ()) == hosts
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(parts)


def test_the_job_runs_each_slice_once_behind_a_gate() -> None:
    spec = jobs.job(task(hosts=["a", "b", "c"], slices=5, timeoutSeconds=60), Settings())["spec"]
    assert (spec["completions"], spec["parallelism"]) == (3, 3)
    assert spec["backoffLimitPerIndex"] == 0
    assert "backoffLimit" not in spec
    assert spec["template"]["metadata"]["labels"][names.LABEL_NO_BACKUP] == "true"
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["schedulingGates"] == [{"name": names.GATE}]
    assert pod["activeDeadlineSeconds"] == 360
    assert pod["automountServiceAccountToken"] is False
    assert "env" not in pod["containers"][0]
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize(
    ("crowded", "ttl", "deadline"), [(False, 300, 400), (True, 0, 130)], ids=["kept", "crowded"]
)
def test_a_job_goes_after_its_tasks_end_though_it_may_never_finish(
    crowded: bool, ttl: int, deadline: int
) -> None:
    made = job(created=ago(100))
    assert jobs.end_of_life(made, Settings(), NOW, crowded=crowded) == {
        "ttlSecondsAfterFinished": ttl,
        "activeDeadlineSeconds": deadline,
    }


def test_the_input_says_what_the_spec_says() -> None:
    what = task(hosts=["a", "b", "a"], slices=2, vars={"x": "{{ y }}"}, tags=["one"])
    found = jobs.run_input(what, Settings(), Uploads())
    assert found.slices == (("a",), ("b",))
    limited = task(hosts=["a", "b"], slices=2, limit="a")
    assert jobs.run_input(limited, Settings(), Uploads()).slices == (("a", "b"),), (
        "it means all hosts"
    )
    assert RunInput.load(found.dump()) == found


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        ({"sshKeySecret": "octans-mine"}, False),
        ({"varsFrom": [{"name": "t-params-0123abcd"}]}, False),
        ({"sshKeySecret": "t-key"}, True),
        ({"varsFrom": [{"name": "t-params-of-mine"}]}, True),
        ({"varsFrom": [{"name": "t2-params-0123abcd"}]}, True),
        ({"sshKeySecret": "database"}, True),
        ({"varsFrom": [{"name": "tx"}]}, True),
        ({"runner": "old"}, True),
    ],
)
def test_only_secrets_and_runners_that_are_for_tasks(
    spec: dict[str, Any], *, refused: bool
) -> None:
    assert (jobs.refusal(task(**spec), Settings()) is not None) is refused


@pytest.mark.parametrize("field", ["vars", "playbook"])
def test_what_nests_too_deep_to_be_run_is_refused(field: str) -> None:
    data: Any = {"a": 1}
    for _ in range(198):
        data = {"a": data}
    spec = {"tasks": None, field: [data]} if field == "playbook" else {field: {"b": data}}
    assert jobs.refusal(task(**spec), Settings()) is None
    for _ in range(2):
        data = {"a": data}
    spec = {"tasks": None, field: [data]} if field == "playbook" else {field: {"b": data}}
    sentence = f"PlaybookInvalid: spec.{field} nests deeper than 200 levels."
    assert jobs.refusal(task(**spec), Settings()) == sentence


def test_pods_carry_what_the_installation_adds_and_keep_their_own() -> None:
    uid = names.LABEL_TASK_UID
    settings = Settings(
        runner_pod_labels={"sidecar.istio.io/inject": "false", uid: "x"},
        runner_pod_annotations={"linkerd.io/inject": "disabled"},
    )
    meta = jobs.job(task(), settings)["spec"]["template"]["metadata"]
    assert meta["labels"]["sidecar.istio.io/inject"] == "false"
    assert meta["labels"][uid] != "x"
    assert meta["annotations"]["linkerd.io/inject"] == "disabled"
    assert len(meta["annotations"]) > 1


INIT = {
    "none": ([], [], ""),
    "all have ended": (
        [{"name": "a"}], [{"name": "a", "state": {"terminated": {"exitCode": 0}}}], ""),
    "one has not ended": (
        [{"name": "a"}, {"name": "b"}],
        [{"name": "a", "state": {"terminated": {"exitCode": 0}}}, {"name": "b", "state": {
            "running": {}}}],
        "Its init container b has not ended."),
    "one failed": (
        [{"name": "a"}], [{"name": "a", "state": {"terminated": {"exitCode": 3}}}],
        "Its init container a ended with exit code 3."),
    "one failed, and the sidecar before it was ended": (
        [{"name": "mesh", "restartPolicy": "Always"}, {"name": "a"}],
        [{"name": "mesh", "started": False, "state": {"terminated": {"exitCode": 137}}},
         {"name": "a", "state": {"terminated": {"exitCode": 1}}}],
        "Its init container a ended with exit code 1."),
    "a sidecar that runs": (
        [{"name": "a", "restartPolicy": "Always"}],
        [{"name": "a", "started": True, "state": {"running": {}}}], ""),
    "a sidecar that does not start": (
        [{"name": "a", "restartPolicy": "Always"}],
        [{"name": "a", "started": False, "state": {"waiting": {}}}],
        "Its sidecar container a has not started."),
}  # fmt: skip


@pytest.mark.parametrize("row", INIT)
def test_what_keeps_the_runner_from_starting_is_named(row: str) -> None:
    containers, states, said = INIT[row]
    pod = {
        "metadata": {"name": "t-0-x", "uid": "u"},
        "spec": {"initContainers": containers},
        "status": {"initContainerStatuses": states},
    }
    assert pod_view(pod).init == said


@pytest.mark.parametrize("index", ["", "²", "9" * 5000, "-1", " 1", "1\n"])
def test_a_pod_with_a_strange_index_belongs_to_none(index: str) -> None:
    note = {"batch.kubernetes.io/job-completion-index": index}
    assert pod_view({"metadata": {"name": "p", "uid": "u", "annotations": note}}).index == -1


def test_a_pod_with_a_node_is_scheduled_whatever_its_conditions_say() -> None:
    meta = {"name": "p", "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z"}
    assert pod_view({"metadata": meta, "spec": {"nodeName": "n"}}).scheduled is not None
    assert pod_view({"metadata": meta}).scheduled is None


def test_a_pod_is_read_as_it_stands() -> None:
    found = pod_view(
        {
            "metadata": {
                "name": "t-0-x", "uid": "u",
                "annotations": {"batch.kubernetes.io/job-completion-index": "2"},
                "ownerReferences": [{"uid": "j", "controller": True}],
            },
            "spec": {"schedulingGates": [{"name": names.GATE}], "activeDeadlineSeconds": 9,
                     "containers": [{"name": "mesh-proxy"}, {"name": "runner"}]},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "mesh-proxy", "state": {"running": {"startedAt": "2026-01-02T00:00:00Z"}}},
                {"name": "runner", "state": {"terminated": {
                    "exitCode": 3, "reason": "Error", "startedAt": "2026-01-02T03:04:05Z"}}}]},
        }
    )  # fmt: skip
    assert found.shared
    assert (found.index, found.gated, found.deadline, found.owner_uid) == (2, True, 9, "j")
    assert found.over
    assert found.started == NOW


async def test_the_work_queue_never_does_a_name_twice_at_a_time_nor_forgets_one() -> None:
    running: set[str] = set()
    done: list[str] = []
    finished = asyncio.Event()

    async def reconcile(name: str) -> float | None:
        assert name not in running
        running.add(name)
        await asyncio.sleep(0)
        running.discard(name)
        done.append(name)
        if len(done) == 3:
            queue.add("a")
        if len(done) == 4:
            finished.set()
        return None

    queue = WorkQueue(reconcile, lambda name, error: pytest.fail(f"{name}: {error}"))
    serving = asyncio.create_task(queue.run(4))
    for name in ("a", "b", "a", "c", "b"):
        queue.add(name)
    await asyncio.wait_for(finished.wait(), 5)
    serving.cancel()
    assert sorted(done) == ["a", "a", "b", "c"]


async def test_the_work_queue_tries_again_after_failures_and_conflicts() -> None:
    outcomes = [errors.Conflict("stale"), ValueError("a bug"), None]
    reported: list[str] = []
    finished = asyncio.Event()

    async def reconcile(_: str) -> float | None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        finished.set()
        return None

    queue = WorkQueue(reconcile, lambda _, error: reported.append(type(error).__name__))
    serving = asyncio.create_task(queue.run(1))
    queue.add("a")
    await asyncio.wait_for(finished.wait(), 5)
    serving.cancel()
    assert reported == ["ValueError"]
    assert len(queue) <= 1


@pytest.mark.parametrize("turns", range(5))
async def test_the_work_queue_ends_when_it_is_told_to_at_the_moment_it_wakes(turns: int) -> None:
    async def reconcile(_: str) -> float | None:
        return None

    queue = WorkQueue(reconcile, lambda name, error: pytest.fail(f"{name}: {error}"))
    serving = asyncio.create_task(queue.run(1))
    queue.add("later", 60)
    await asyncio.sleep(0.01)
    queue.add("a")
    for _ in range(turns):
        await asyncio.sleep(0)
    serving.cancel()
    done, _ = await asyncio.wait({serving}, timeout=2)
    assert done == {serving}
