"""Nodes that are full and quotas that are used up: a task waits as Queued and says for what."""

import json
from time import monotonic
from typing import Any

import pytest

from tests.cluster.platform import programs
from tests.cluster.platform.calls import INIT, RUNNING, STOPPED, SUCCESS, Octans, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine, held, let_go, mark, total_marks
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.quotas import quota
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for

FULL = "Insufficient cpu"
"""The scheduler's words for it."""
HOLDING = {"Pending", "Running"}
"""Phases of pods that may take room."""


async def large_requests(kubectl: Kubectl, fit: int) -> dict[str, str]:
    """Settings with which `fit` runners, and no more, find room on the one node."""
    await wait_for(
        "no pod of the tasks before holds room",
        lambda: kubectl.json("get", "pods"),
        lambda found: not [pod for pod in found["items"] if pod["status"]["phase"] in HOLDING],
        seconds=40,
    )
    node = (await kubectl.json("get", "nodes"))["items"][0]
    pods = (await kubectl.json("get", "pods", "--all-namespaces"))["items"]
    used = sum(
        _milli(container.get("resources", {}).get("requests", {}).get("cpu", "0"))
        for pod in pods
        if pod["status"]["phase"] in HOLDING
        for container in pod["spec"]["containers"]
    )
    free = _milli(node["status"]["allocatable"]["cpu"]) - used
    resources = {"requests": {"cpu": f"{free // fit}m"}, "limits": {"memory": "1Gi"}}
    return {"OCTANS_RUNNER_RESOURCES": json.dumps(resources)}


def _milli(cpu: str) -> int:
    return int(cpu[:-1]) if cpu.endswith("m") else int(float(cpu) * 1000)


async def waits(octans: Octans, task: int | str, reason: str) -> dict[str, Any]:
    """What check says once the task waits for a reason."""
    if isinstance(task, str):
        await octans.appears(task)
    seen = await wait_for(
        f"{task} waits with {reason}",
        lambda: octans.check(task),
        lambda seen: seen["reason"] == reason,
        seconds=20,
    )
    assert (seen["status"], seen["phase"]) == (INIT, "Queued"), seen
    return seen


async def test_tasks_wait_for_room_on_full_nodes(
    octans: Octans, tasks: Tasks, controller: HostProcess, kubectl: Kubectl,
    machines: list[Machine], addresses: list[str],
) -> None:  # fmt: skip
    """Plays last longer than a pod may find no node, so nothing but the queue keeps them alive."""
    label = unique("room")
    settings = await large_requests(kubectl, 3)
    async with programs.restarted(controller, OCTANS_UNSCHEDULABLE_SECONDS="2", **settings):
        first = [await octans.run(unique("fits"), addresses[:1], held(label)) for _ in range(3)]
        for number in first:
            await octans.reaches(number, {RUNNING}, seconds=30)
        # Each of the two knows nothing of room yet: they have pods, and no node has a place.
        began = monotonic()
        over, stopped = [
            await octans.run(unique("over"), addresses[:1], [mark(label)]) for _ in range(2)
        ]
        for number in (over, stopped):
            assert FULL in (await waits(octans, number, "WaitingForCapacity"))["message"]
        behind = unique("behind")
        await tasks.create(manifest(behind, addresses[:1], tasks=[mark(label)]))
        late = await octans.run(unique("late"), addresses[:1], [mark(label)])
        for task in (behind, late):
            seen = await waits(octans, task, "WaitingForCapacity")
            assert FULL in seen["message"], "in the scheduler's words"
            assert seen["queue_position"] is not None
        assert (await tasks.get(behind)).status.job_name is None, "no Job that does not fit"
        await octans.stop(stopped)
        ended = await octans.ended(stopped, seconds=10)
        assert (ended["status"], ended["message"]) == (STOPPED, "It never ran.")
        await wait_for(
            "it waits for longer than a pod may find no node",
            lambda: octans.check(over),
            lambda seen: seen["reason"] != "WaitingForCapacity" or monotonic() - began > 5,
            seconds=10,
        )
        await let_go(machines[0], label)
        everything: list[int | str] = [*first, over, behind, late]
        for one in everything:
            ended = await octans.ended(one)
            assert (ended["status"], ended["reason"]) == (SUCCESS, "Completed"), ended
    assert await total_marks(machines, label) == [6, 0, 0]


async def test_tasks_and_slices_wait_for_a_quota_on_pods(
    octans: Octans, tasks: Tasks, kubectl: Kubectl, machines: list[Machine], addresses: list[str]
) -> None:
    label, name = unique("quota"), unique("pods")
    async with quota(kubectl, name, "pods", 1):
        first = await octans.run(unique("first"), addresses[:1], held(label))
        await octans.reaches(first, {RUNNING}, seconds=30)
        second = await octans.run(unique("second"), addresses[:1], [mark(label)])
        assert name in (await waits(octans, second, "WaitingForQuota"))["message"]
        sliced = unique("sliced")
        await tasks.create(manifest(sliced, addresses[:2], slices=2, tasks=[mark(label)]))
        assert name in (await waits(octans, sliced, "WaitingForQuota"))["message"]
        await let_go(machines[0], label)
        for task in (first, second, sliced):
            assert (await octans.ended(task))["status"] == SUCCESS, await octans.check(task)
    assert await total_marks(machines, label) == [3, 1, 0]


@pytest.mark.parametrize("kind", ["jobs.batch", "secrets"])
async def test_tasks_wait_for_a_quota_on_what_a_start_makes(
    octans: Octans, kubectl: Kubectl, machines: list[Machine], addresses: list[str], kind: str
) -> None:
    """Ended Jobs count as long as they are kept, so they are not while others wait."""
    label, name = unique("made"), unique("made")
    there = len((await kubectl.json("get", kind))["items"])
    async with quota(kubectl, name, f"count/{kind}", there + 1):
        first = await octans.run(unique("first"), addresses[:1], held(label))
        await octans.reaches(first, {RUNNING}, seconds=30)
        second, third = [
            await octans.run(unique("more"), addresses[:1], [mark(label)]) for _ in range(2)
        ]
        for task in (second, third):
            assert name in (await waits(octans, task, "WaitingForQuota"))["message"]
        await octans.stop(third)
        assert (await octans.ended(third, seconds=10))["status"] == STOPPED
        await let_go(machines[0], label)
        for task in (first, second):
            assert (await octans.ended(task))["status"] == SUCCESS
    assert await machines[0].marks(label) == 2
