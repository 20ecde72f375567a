"""Every phase a task can be in, as HTTP and as kubectl show it."""

import asyncio
from typing import Any

from crds import names
from tests.cluster.platform.calls import (
    FAILED,
    INIT,
    PARTLY,
    RUNNING,
    STOPPED,
    SUCCESS,
    Octans,
    unique,
)
from tests.cluster.platform.machines import Machine, mark, total_marks
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.programs import restarted
from tests.cluster.platform.tasks import TERMINAL, Tasks, manifest
from tests.cluster.platform.waiting import wait_for

BREAK = {"name": "break", "fail": {"msg": "it broke"}}


async def test_a_good_run_goes_through_queued_and_running_to_succeeded(
    tasks: Tasks, controller: HostProcess, addresses: list[str]
) -> None:
    assert controller.running
    name = unique("good")
    seen: list[str] = []
    await tasks.create(manifest(name, addresses[:1], tasks=[{"raw": "sleep 3"}]))
    while not seen or seen[-1] not in TERMINAL:
        phase = (await tasks.get(name)).status.phase.value
        if not seen or seen[-1] != phase:
            seen.append(phase)
        await asyncio.sleep(0.05)
    # Starting is told where it lasts: a pod with a node whose container is long in coming.
    assert [phase for phase in seen if phase != "Starting"] == ["Queued", "Running", "Succeeded"]
    assert seen.index("Running") == len(seen) - 2
    task = await tasks.let_go(name)
    conditions = {found.type: (found.status, found.reason) for found in task.status.conditions}
    assert conditions == {"Succeeded": ("True", "Completed"), "Finished": ("True", "Completed")}
    assert task.status.host_outcomes == "1o"
    assert task.status.log is not None
    assert task.status.log.complete
    assert task.status.log.missing == ()
    assert task.status.start_time is not None
    assert task.status.completion_time is not None
    assert task.status.start_time <= task.status.completion_time


ENDS: dict[str, tuple[dict[str, Any], int, str, str, str]] = {
    "every host fails": (BREAK, FAILED, "Failed", "HostsFailed", "2f"),
    "one host fails": (
        {**BREAK, "when": "inventory_hostname == groups['all'][1]"},
        PARTLY, "PartlySucceeded", "HostsFailed", "1o1f",
    ),
    "a failure is ignored": (
        {**BREAK, "ignore_errors": True}, SUCCESS, "Succeeded", "Completed", "2o",
    ),
    "a failure is rescued": (
        {"block": [BREAK], "rescue": [{"raw": "true"}]}, SUCCESS, "Succeeded", "Completed", "2o",
    ),
    "an unknown module": (
        {"no_such_module_at_all": {}}, FAILED, "Failed", "PlaybookInvalid", "2n",
    ),
}  # fmt: skip


async def test_how_runs_end(octans: Octans, tasks: Tasks, addresses: list[str]) -> None:
    hosts = addresses[:2]
    numbers = [await octans.run(unique(what), hosts, [row[0]]) for what, row in ENDS.items()]
    answers = await asyncio.gather(*map(octans.ended, numbers))
    for (what, row), number, seen in zip(ENDS.items(), numbers, answers, strict=True):
        _, status, phase, reason, outcomes = row
        assert (seen["status"], seen["phase"], seen["reason"]) == (status, phase, reason), what
        assert (await tasks.by_id(number)).status.host_outcomes == outcomes, what
        if status == SUCCESS:
            assert seen["err"] is None, what
        elif reason == "HostsFailed":
            assert "it broke" in seen["err"], what
        else:
            assert "no_such_module_at_all" in seen["err"], what


async def test_work_that_ansible_gives_up_half_way(
    tasks: Tasks, controller: HostProcess, addresses: list[str]
) -> None:
    assert controller.running
    name, usual = unique("half"), {"gather_facts": False, "tasks": [{"raw": "true"}]}
    plays = [{"hosts": "all", **usual}, {"hosts": "{{ nowhere }}", **usual}]
    await tasks.create(manifest(name, addresses[:1], playbook=plays))
    status = (await tasks.ended(name)).status
    assert (status.phase, status.reason) == ("Failed", "PlaybookAborted")
    assert "nowhere" in status.message


async def test_a_machine_that_does_not_answer_is_unreachable(
    octans: Octans, tasks: Tasks, addresses: list[str]
) -> None:
    alone, partly = await asyncio.gather(
        octans.run(unique("away"), [f"{addresses[0]}:2"], [{"raw": "true"}]),
        octans.run(unique("partly-away"), [f"{addresses[0]}:2", addresses[1]], [{"raw": "true"}]),
    )
    seen, seen_partly = await asyncio.gather(octans.ended(alone), octans.ended(partly))
    assert (seen["status"], seen["reason"]) == (FAILED, "HostsUnreachable")
    assert f"{addresses[0]}:2" in seen["err"]
    assert seen_partly["status"] == PARTLY
    assert (await tasks.by_id(partly)).status.host_outcomes == "1u1o"


async def test_a_play_that_takes_too_long_is_ended(octans: Octans, addresses: list[str]) -> None:
    number = await octans.run(unique("slow"), addresses[:1], [{"raw": "sleep 60"}], timeout=3)
    seen = await octans.ended(number, seconds=40)
    assert (seen["status"], seen["reason"]) == (FAILED, "TimedOut")


async def test_tasks_beyond_max_running_wait_in_the_queue(
    octans: Octans, controller: HostProcess, machines: list[Machine], addresses: list[str],
    tasks: Tasks,
) -> None:  # fmt: skip
    label = unique("waits")
    async with restarted(controller, OCTANS_MAX_RUNNING="1"):
        first = await octans.run(unique("first"), addresses[:1], [{"raw": "sleep 60"}])
        await octans.reaches(first, {RUNNING}, seconds=30)
        behind, front = unique("behind"), unique("front")
        await octans.run(behind, addresses[:1], [mark(label)])
        await _positions(octans, [behind], [1])
        urgent = {"tasks": [mark(label)], "priority": 5}
        await tasks.create(manifest(front, addresses[:1], **urgent))
        await octans.appears(front)
        seen = await _positions(octans, [front, behind], [1, 2])
        assert [(one["status"], one["phase"], one["reason"]) for one in seen] == [
            (INIT, "Queued", "Queued")
        ] * 2
        await octans.stop(front)
        stopped = await octans.ended(front, seconds=10)
        assert (stopped["status"], stopped["phase"]) == (STOPPED, "Stopped")
        await _positions(octans, [behind], [1])
        await octans.stop(first)
        assert (await octans.ended(first, seconds=35))["status"] == STOPPED
        assert (await octans.ended(behind))["status"] == SUCCESS
    assert await total_marks(machines, label) == [1, 0, 0], "one of them was stopped before it ran"


async def _positions(octans: Octans, waiting: list[str], expected: list[int]) -> list[Any]:
    """What check says of tasks once their places in the queue are the expected ones."""
    return await wait_for(
        f"places {expected} in the queue",
        lambda: asyncio.gather(*map(octans.check, waiting)),
        lambda seen: [one["queue_position"] for one in seen] == expected,
        seconds=20,  # the next look at every task may be 30 s away
    )


async def test_exclusive_hosts_wait_for_hosts_in_use(
    octans: Octans, tasks: Tasks, addresses: list[str]
) -> None:
    first = await octans.run(unique("holds"), addresses[:1], [{"raw": "sleep 8"}])
    await octans.reaches(first, {RUNNING}, seconds=30)
    exclusive, plain = unique("wants"), unique("shares")
    await tasks.create(manifest(exclusive, addresses[:2], exclusiveHosts=True))
    await tasks.create(manifest(plain, addresses[:2]))
    waits = await wait_for(
        "a reason to wait",
        lambda: tasks.get(exclusive),
        lambda task: task.status.reason == "WaitingForHosts",
        seconds=10,
    )
    assert waits.status.phase.value == "Queued"
    assert names.object_name(first) in waits.status.message, "by whom"
    assert (await tasks.ended(plain)).status.phase.value == "Succeeded"
    assert (await tasks.get(exclusive)).status.phase.value == "Queued"
    assert (await octans.ended(first))["status"] == SUCCESS
    assert (await tasks.ended(exclusive)).status.phase.value == "Succeeded"
