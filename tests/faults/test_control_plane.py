"""Parts of Kubernetes itself end, stand still, or lose their power while tasks run."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

import pytest
import pytest_asyncio

from tests.cluster.platform import machines as machines_module
from tests.cluster.platform.calls import unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Keys, Machine, mark
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for
from tests.faults.components import Components
from tests.faults.judge import Judge
from tests.faults.schedule import timed

pytestmark = pytest.mark.faults

Fault = Callable[[Components], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _api_server_killed(components: Components) -> AsyncIterator[None]:
    await components.kill("kube-apiserver")
    yield
    await components.up()


@asynccontextmanager
async def _etcd_stands_still(components: Components) -> AsyncIterator[None]:
    async with components.stopped("etcd"):
        yield
        await asyncio.sleep(30)  # that is the fault


@asynccontextmanager
async def _managers_killed(components: Components) -> AsyncIterator[None]:
    await components.kill("kube-controller-manager", "kube-scheduler")
    yield
    await asyncio.sleep(10)  # that is the fault
    await components.up()


@asynccontextmanager
async def _kubelet_stands_still(components: Components) -> AsyncIterator[None]:
    async with components.stopped("kubelet"):
        yield
        await asyncio.sleep(90)  # that is the fault: longer than a node may be silent


SECONDS: Final = {
    "the API server is killed": 65,
    "etcd stands still for 30 s": 40,
    "controller manager and scheduler are killed": 25,
    "the kubelet stands still for 90 s": 100,
}
FAULTS: Final[dict[str, tuple[Fault, int, bool]]] = {
    # The fault, tasks that run, and whether more can be created meanwhile.
    "the API server is killed": (_api_server_killed, 20, False),
    "etcd stands still for 30 s": (_etcd_stands_still, 5, False),
    "controller manager and scheduler are killed": (_managers_killed, 5, True),
    "the kubelet stands still for 90 s": (_kubelet_stands_still, 3, True),
}


async def begun(tasks: Tasks, machine: Machine, count: int, seconds: int) -> dict[str, str]:
    """So many tasks of some seconds, each at work on a machine; uids by name."""
    uids = await created(tasks, machine, count, seconds)
    for name in uids:
        await wait_for(
            f"{name} at work", partial(machine.marks, name), lambda it: it == 1, seconds=120
        )
    return uids


async def created(tasks: Tasks, machine: Machine, count: int, seconds: int) -> dict[str, str]:
    """So many tasks of some seconds; uids by name."""
    uids = {}
    for _ in range(count):
        name = unique("amid")
        work = [mark(name), {"raw": f"sleep {seconds}"}, {"raw": "echo done"}]
        body = manifest(name, [machine.address], tasks=work)
        uids[name] = (await tasks.create(body)).metadata.uid
    return uids


@pytest.mark.parametrize("row", timed(FAULTS, SECONDS))
async def test_nothing_is_lost_or_done_twice(
    row: str, components: Components, tasks: Tasks, machines: list[Machine],
    controller: HostProcess, judge: Judge,
) -> None:  # fmt: skip
    fault, count, reachable = FAULTS[row]
    uids = await begun(tasks, machines[0], count, 15)
    async with fault(components):
        if reachable:
            uids |= await created(tasks, machines[0], 2, 1)
    over = time.time()
    async with asyncio.TaskGroup() as group:
        for name in uids:
            group.create_task(tasks.ended(name, seconds=120))
    print(f"{row}: {time.time() - over:.1f} s from its end until all {len(uids)} had ended")
    assert controller.running
    assert await sound(judge, tasks, uids, due=over + 60) == []


async def sound(judge: Judge, tasks: Tasks, uids: dict[str, str], *, due: float) -> list[str]:
    """What is wrong with tasks that have to have ended well."""
    wrong = []
    for name, uid in uids.items():
        await tasks.let_go(name)
        wrong += await judge.found(name, uid, due=due, ends="Succeeded")
    return wrong


@pytest_asyncio.fixture
async def moved(
    installation: Installation, keys: Keys, machines: list[Machine]
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Finds the machines again, which have other addresses after a power cut."""
    home = machines[0].kubectl
    begun = await _starts(home)

    async def find() -> None:
        # For a while the API server goes on telling of the containers of before.
        await wait_for(
            "the machines have started again",
            lambda: _starts(home),
            lambda now: all(now[name] > begun[name] for name in begun),
            seconds=120,
        )
        machines[:] = await machines_module.ready(home)
        await installation.provide_secrets(keys.private, keys.known_hosts(machines))

    yield find
    if await _starts(home) != begun:
        await find()


@pytest.mark.seconds(35)
async def test_the_power_is_cut_in_the_middle_of_ten_runs(
    components: Components, tasks: Tasks, machines: list[Machine],
    controller: HostProcess, judge: Judge, moved: Callable[[], Awaitable[None]],
) -> None:  # fmt: skip
    uids = await begun(tasks, machines[0], 10, 30)
    await components.power_cut()
    over = time.time()
    await moved()
    wrong = []
    for name, uid in uids.items():
        task = await tasks.ended(name, seconds=120)
        print(f"{name}: {task.status.phase}, {task.status.reason}, {task.status.message}")
        await tasks.let_go(name)
        # What stood on the machines went with them: any marker now is a second run.
        marked = {machine.address: 1 + await machine.marks(name) for machine in machines}
        wrong += [f"{name} ran again on {at}" for at, count in marked.items() if count > 1]
        wrong += await judge.found(name, uid, due=over + 90)
    assert wrong == []
    assert controller.running
    after = await created(tasks, machines[0], 2, 1)
    await wait_for("two more run", lambda: _phases(tasks, after), _succeeded, seconds=60)


async def _starts(kubectl: Kubectl) -> dict[str, str]:
    """When the container of each machine started, by pod; empty where it does not run."""
    found = {}
    for pod in (await kubectl.json("get", "pods"))["items"]:
        [container] = pod["status"].get("containerStatuses") or [{}]
        running = container.get("state", {}).get("running", {})
        found[pod["metadata"]["name"]] = running.get("startedAt", "")
    return found


async def _phases(tasks: Tasks, uids: dict[str, str]) -> set[str]:
    return {(await tasks.get(name)).status.phase.value for name in uids}


def _succeeded(phases: set[str]) -> bool:
    return phases == {"Succeeded"}
