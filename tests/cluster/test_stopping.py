"""Stop works at every point of a task's life, and a host never sees more than one start."""

import asyncio
from time import monotonic

from crds import names
from crds.client import JOBS, PODS
from tests.cluster.platform.calls import RUNNING, STOPPED, SUCCESS, Octans, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine, mark, total_marks
from tests.cluster.platform.pods import gates_stay_shut
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for

LONG = {"name": "long", "raw": "sleep 120"}


async def test_stop_at_any_moment_of_the_start(
    octans: Octans, tasks: Tasks, machines: list[Machine]
) -> None:
    """From `at once`, when there is no Job yet, to a second later, when Ansible is starting."""
    delays = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
    labels = [unique(f"after-{delay}") for delay in delays]

    async def one(delay: float, label: str) -> int:
        number = await octans.run(label, [machines[0].address], [mark(label), LONG])
        await asyncio.sleep(delay)
        await octans.stop(number)
        return number

    numbers = await asyncio.gather(*map(one, delays, labels))
    ends = await asyncio.gather(*(octans.ended(number, seconds=45) for number in numbers))
    for delay, label, number, seen in zip(delays, labels, numbers, ends, strict=True):
        assert (seen["status"], seen["reason"]) == (STOPPED, "Stopped"), (delay, seen)
        marks = await machines[0].marks(label)
        print(f"stopped after {delay} s: {marks} starts, {seen['message']}")
        assert marks <= 1
        if "never ran" in seen["message"]:
            assert marks == 0
        await tasks.let_go(names.object_name(number))


async def test_stop_while_the_gate_is_shut(
    kubectl: Kubectl, tasks: Tasks, controller: HostProcess, machines: list[Machine]
) -> None:
    assert controller.running
    name = unique("gated")
    async with gates_stay_shut(kubectl, name):
        await tasks.create(manifest(name, [machines[0].address], tasks=[mark(name)]))
        await wait_for(
            "a gated pod",
            lambda: tasks.client.list(PODS, tasks.namespace, labels=f"job-name={name}"),
            lambda page: (
                [pod["spec"].get("schedulingGates") for pod in page.items]
                == [[{"name": names.GATE}]]
            ),
            seconds=20,
        )
        await kubectl("patch", "at", name, "--type=merge", "-p", '{"spec":{"cancel":true}}')
        task = await tasks.ended(name, seconds=20)
        assert (task.status.phase, task.status.reason) == ("Stopped", "Stopped")
        assert "never ran" in task.status.message
        await wait_for(
            "the Job is gone",
            lambda: tasks.client.list(JOBS, tasks.namespace),
            lambda page: name not in [job["metadata"]["name"] for job in page.items],
            seconds=20,
        )
    assert await machines[0].marks(name) == 0


async def test_stop_ends_every_slice(
    octans: Octans, machines: list[Machine], addresses: list[str]
) -> None:
    name = unique("slices")
    body = {"name": name, "nodes": addresses, "gather_facts": False, "tasks": [mark(name), LONG]}
    number = (await octans.content("parallel_run", body, {"Prefer": "respond-async"}))["id"]
    await wait_for(
        "all at work",
        lambda: total_marks(machines, name),
        lambda marks: marks == [1, 1, 1],
        seconds=40,
    )
    await octans.stop(number)
    seen = await octans.ended(number, seconds=40)
    assert seen["status"] == STOPPED
    for address in addresses:
        assert address in seen["message"], "hosts in flight are named"
    assert await total_marks(machines, name) == [1, 1, 1]


async def test_what_was_done_before_the_stop_is_kept(octans: Octans, addresses: list[str]) -> None:
    correlation = unique("kept")
    work = [{"name": "first", "shell": "echo done"}, LONG]
    number = await octans.run(
        unique("kept"), addresses[:1], work, headers={"X-CORRELATION-ID": correlation}
    )
    await wait_for(
        "the first result",
        lambda: octans.post("getlog", {}, {"X-CORRELATION-ID": correlation}),
        lambda answer: answer.status_code == 200 and "reuslt = ok" in answer.text,
        seconds=30,
    )
    assert (await octans.check(number))["status"] == RUNNING
    await octans.stop(number)
    seen = await octans.ended(number, seconds=40)
    assert seen["status"] == STOPPED
    assert '"done"' in seen["log"]
    assert seen["log_complete"] is True
    assert next(line.result for line in await octans.getlog(correlation)) == "ok"


async def test_a_stop_that_comes_with_the_end_changes_nothing(
    octans: Octans, addresses: list[str]
) -> None:
    number = await octans.run(unique("race"), addresses[:1], [{"raw": "sleep 1"}])
    await octans.reaches(number, {RUNNING, SUCCESS}, seconds=30)
    await octans.ended(number)
    await asyncio.gather(*(octans.stop(number) for _ in range(5)))
    assert (await octans.check(number))["status"] == SUCCESS


async def test_the_time_that_each_stop_takes_is_told_in_the_metrics(
    octans: Octans, controller: HostProcess, addresses: list[str]
) -> None:
    async def told() -> tuple[float, float]:
        """How many stops there were, and their seconds together."""
        lines = (await octans.http.get(f"{controller.url}/metrics")).text.splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        name = "octans_task_stop_seconds"
        return float(values[f"{name}_count"]), float(values[f"{name}_sum"])

    number = await octans.run(unique("measured"), addresses[:1], [LONG])
    await octans.reaches(number, {RUNNING})
    count, seconds = await told()
    began = monotonic()
    await octans.stop(number)
    await octans.ended(number)
    took = monotonic() - began
    more, longer = await wait_for("the stop is told", told, lambda now: now[0] > count, seconds=5)
    assert more == count + 1
    assert 0 < longer - seconds <= took
