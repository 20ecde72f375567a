"""The controller dies; the runs go on, nothing is lost, nothing runs twice."""

import asyncio
from functools import partial

import pytest

from crds import names
from crds.client import LEASES, PODS
from tests.cluster.platform.calls import RUNNING, SUCCESS, Octans, log, unique
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks
from tests.cluster.platform.waiting import wait_for


async def test_killed_in_the_middle_of_a_run_which_ends_while_it_is_away(
    octans: Octans, tasks: Tasks, controller: HostProcess, machines: list[Machine]
) -> None:
    short, long = unique("short"), unique("long")
    address = machines[0].address
    say = {"name": "say", "shell": "echo said"}
    numbers = await asyncio.gather(
        octans.run(short, [address], [mark(short), {"raw": "sleep 3"}, say]),
        octans.run(long, [address], [mark(long), {"raw": "sleep 12"}, say]),
    )
    for name in (short, long):
        await wait_for(
            f"{name} at work",
            partial(machines[0].marks, name),
            lambda marks: marks == 1,
            seconds=30,
        )
    await controller.kill()
    job = names.object_name(numbers[0])
    await wait_for(
        "the short run's pod has ended",
        lambda: tasks.client.list(PODS, tasks.namespace, labels=f"job-name={job}"),
        lambda page: [pod["status"]["phase"] for pod in page.items] == ["Succeeded"],
        seconds=30,
    )
    assert (await octans.check(numbers[0]))["status"] in (0, RUNNING), "nobody there to see it"
    await controller.start()
    for number, name in zip(numbers, (short, long), strict=True):
        seen = await octans.ended(number, seconds=60)
        assert seen["status"] == SUCCESS, seen
        assert seen["log_complete"] is True
        assert [r["stdout"] for r in log(seen) if r["task"] == "say"] == ["said"]
        assert await machines[0].marks(name) == 1
        status = (await tasks.by_id(number)).status
        assert status.log is not None
        assert status.log.missing == ()


@pytest.mark.parametrize("after", [0.0, 0.4])
async def test_killed_while_tasks_start(
    octans: Octans, controller: HostProcess, machines: list[Machine], after: float
) -> None:
    labels = [unique(f"start-{after}") for _ in range(3)]
    numbers = await asyncio.gather(
        *(octans.run(label, [machines[0].address], [mark(label)]) for label in labels)
    )
    await asyncio.sleep(after)
    await controller.kill()
    await controller.start()
    for label, number in zip(labels, numbers, strict=True):
        assert (await octans.ended(number))["status"] == SUCCESS
        assert await machines[0].marks(label) == 1


async def test_sigterm_gives_the_lease_back(
    octans: Octans, tasks: Tasks, controller: HostProcess, machines: list[Machine]
) -> None:
    """So the next controller need not wait until it runs out."""
    name = unique("handed-over")
    number = await octans.run(name, [machines[0].address], [mark(name), {"raw": "sleep 4"}])
    await octans.reaches(number, {RUNNING}, seconds=30)
    held = await tasks.client.get(LEASES, tasks.namespace, "octans-controller")
    assert held["spec"]["holderIdentity"]
    await controller.stop()
    free = await tasks.client.get(LEASES, tasks.namespace, "octans-controller")
    assert not free["spec"].get("holderIdentity")
    await controller.start()
    seen = await octans.ended(number)
    assert (seen["status"], seen["log_complete"]) == (SUCCESS, True)
    assert await machines[0].marks(name) == 1
