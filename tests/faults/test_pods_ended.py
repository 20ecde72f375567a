"""A run's pod is ended by others: deleted, evicted, out of memory, out of disk."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.cluster.platform import programs
from tests.cluster.platform.calls import Work, unique
from tests.cluster.platform.pods import gates_stay_shut
from tests.cluster.platform.processes import HostProcess
from tests.faults.phases import local
from tests.faults.schedule import timed
from tests.faults.trials import LONG, Ground, Told, Trial, gated

pytestmark = pytest.mark.faults

End = Callable[[Trial, str], Awaitable[object]]
"""What ends a trial's pod of that name."""


async def delete(trial: Trial, pod: str) -> None:
    await trial.ground.kubectl("delete", "pod", pod, "--wait=false")


async def delete_at_once(trial: Trial, pod: str) -> None:
    """The object is gone before the node has ended anything."""
    await trial.ground.kubectl("delete", "pod", pod, "--grace-period=0", "--force")


async def evict(trial: Trial, pod: str) -> None:
    """As a drain does."""
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": trial.ground.kubectl.namespace},
    }
    path = f"/api/v1/namespaces/{trial.ground.kubectl.namespace}/pods/{pod}/eviction"
    await trial.ground.tasks.client.post(path, body)


RUNNING: dict[str, tuple[End, Told]] = {
    "deleted": (delete, Told("Failed", "PodDeleted", log="whole", says="Hosts in flight: ")),
    "deleted without grace": (
        delete_at_once, Told("Failed", "PodDeleted")),
    "evicted": (evict, Told("Failed", "Evicted", log="whole", says="Hosts in flight: ")),
}  # fmt: skip


@pytest.mark.parametrize("row", RUNNING)
async def test_while_it_runs(trials: Ground, row: str) -> None:
    end, told = RUNNING[row]
    trial = await trials.begin("ended")
    pod = await trial.at_work()
    await end(trial, pod["metadata"]["name"])
    await trial.ends(told)


HOG = "python3 -c 'bytearray(b\"x\") * (4 << 30)'"
WORKER_HOG = {"name": "hog", "set_fact": {"hog": "{{ 'x' * (4000000000 | int) }}"}}
HIDDEN_HOG = """python3 -c '
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        if b"controller.runner" in file.read().split(bytes(1)):
            os.kill(int(pid), signal.SIGSTOP)
hog = os.memfd_create("hog")
while True:
    os.write(hog, bytes(1 << 20))
'"""
"""Fills memory that counts as no process's own, so that the largest processes are killed first:
Ansible's, then the runner's, which can't react meanwhile."""

TOO_MUCH: dict[str, tuple[Work, float, Told]] = {
    "a command's memory": (
        [local("hog", HOG)], 60, Told("Failed", "HostsFailed", "failed", "whole", "hog: Killed")),
    "an Ansible worker's memory": ([WORKER_HOG], 60, Told("Failed", "OOMKilled")),
    "the runner's memory": ([local("hog", HIDDEN_HOG), *LONG], 60, Told("Failed", "OOMKilled")),
    "the pod's disk": (
        [local("fill", "head -c 400M /dev/zero > /tmp/fill; sleep 300")], 150,
        Told("Failed", "Evicted", says="exceeds the limit")),
}  # fmt: skip


@pytest.mark.parametrize("row", timed(TOO_MUCH, {"the pod's disk": 55}))
async def test_a_play_takes_too_much(trials: Ground, row: str) -> None:
    work, seconds, told = TOO_MUCH[row]
    trial = await trials.begin("takes", work)
    await trial.at_work()
    await trial.ends(told, seconds=seconds)


@pytest.mark.seconds(20)
async def test_no_memory_to_start_in(trials: Ground, controller: HostProcess) -> None:
    """The runner is killed before it can say a word."""
    little = '{"limits": {"memory": "16Mi"}}'
    async with programs.restarted(controller, OCTANS_RUNNER_RESOURCES=little):
        trial = await trials.begin("little")
        await trial.ends(Told("Failed", "OOMKilled"))
        assert await trial.machine.marks(trial.name) == 0


async def test_behind_its_gate(trials: Ground) -> None:
    name = unique("gated")
    async with gates_stay_shut(trials.kubectl, name):
        trial = await trials.begin("gated", name=name)
        await trial.status_when("claimed", lambda task: task.status.slices)
        pod = await trial.pod_when("gated", gated)
        await delete(trial, pod["metadata"]["name"])
        await trial.ends(Told("Failed", "PodDeleted", log="none", says="It never ran."))


async def test_just_after_its_gate_was_opened(trials: Ground) -> None:
    """Its container may or may not have started; what is said of it is true."""

    async def one(after: float, end: End) -> None:
        trial = await trials.begin("opened")
        pod = await trial.pod_when("open", lambda pod: not gated(pod))
        await asyncio.sleep(after)
        await end(trial, pod["metadata"]["name"])
        await trial.ends(Told("Failed", "PodDeleted"))

    rows = [(after, end) for after in (0, 0.5, 1.5) for end in (delete, delete_at_once)]
    await asyncio.gather(*(one(*row) for row in rows))
