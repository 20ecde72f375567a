"""Tasks brought to a point of their lives, and kept there."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from tests.cluster.platform import programs
from tests.cluster.platform.calls import unique
from tests.cluster.platform.pods import bare_pod, gates_stay_shut
from tests.cluster.platform.quotas import quota
from tests.cluster.platform.waiting import wait_for
from tests.faults.trials import Ground, Trial, scheduled

Phase = Callable[[Ground], AbstractAsyncContextManager[Trial]]
HOLDING: Final = {"Pending", "Running"}
"""Phases of pods that a quota counts."""


def local(name: str, command: str) -> dict[str, Any]:
    """A task of the play that runs in the pod itself."""
    return {"name": name, "delegate_to": "localhost", "connection": "local", "raw": command}


@asynccontextmanager
async def queued(trials: Ground) -> AsyncIterator[Trial]:
    """A task that waits for another one's machine."""
    holder = await trials.begin("holder", exclusiveHosts=True)
    await holder.at_work()
    trial = await trials.begin("queued", exclusiveHosts=True)
    await trial.status_when("waits", lambda task: task.status.reason == "WaitingForHosts")
    yield trial
    await holder.stop()


@asynccontextmanager
async def podless(trials: Ground) -> AsyncIterator[Trial]:
    """A task whose Job gets no pod, since a stranger's uses up a quota."""
    await wait_for(
        "no pod counts", lambda: trials.kubectl.json("get", "pods"),
        lambda found: not [pod for pod in found["items"] if pod["status"]["phase"] in HOLDING],
        seconds=40,
    )  # fmt: skip
    stranger = unique("stranger")
    await trials.kubectl("create", "-f", "-", stdin=bare_pod(stranger))
    try:
        async with quota(trials.kubectl, stranger, "pods", 1):
            trial = await trials.begin("podless")
            await trial.status_when("waits", lambda task: task.status.reason == "WaitingForQuota")
            yield trial
    finally:
        await trials.kubectl("delete", "pod", stranger, "--grace-period=0", "--force")


@asynccontextmanager
async def shut(trials: Ground) -> AsyncIterator[Trial]:
    """A task whose pod is claimed and stays behind its gate."""
    name = unique("gated")
    async with gates_stay_shut(trials.kubectl, name):
        trial = await trials.begin("gated", name=name)
        await trial.status_when("claimed", lambda task: task.status.slices)
        yield trial


@asynccontextmanager
async def starting(trials: Ground) -> AsyncIterator[Trial]:
    """A task whose pod has just got a node."""
    trial = await trials.begin("starting")
    await trial.pod_when("on a node", scheduled)
    yield trial


@asynccontextmanager
async def running(trials: Ground) -> AsyncIterator[Trial]:
    """A task that is at work."""
    trial = await trials.begin("running")
    await trial.at_work()
    yield trial


@asynccontextmanager
async def unscheduled(trials: Ground) -> AsyncIterator[Trial]:
    """A task whose pod finds no node."""
    nodes = (await trials.kubectl("get", "nodes", "-o", "name")).split()
    await trials.kubectl("cordon", *nodes)
    try:
        trial = await trials.begin("unscheduled")
        await trial.status_when("waits", lambda task: task.status.reason == "WaitingForCapacity")
        yield trial
    finally:
        await trials.kubectl("uncordon", *nodes)


@asynccontextmanager
async def imageless(trials: Ground) -> AsyncIterator[Trial]:
    """A task whose pod waits for an image that there is not."""
    trial = await trials.begin("imageless", runner=programs.NO_SUCH_RUNNER)
    await trial.pod_when("pulling failed", lambda pod: "ImagePull" in str(pod["status"]))
    yield trial


@asynccontextmanager
async def mounting(trials: Ground) -> AsyncIterator[Trial]:
    """A task whose pod waits for a Secret that there is not."""
    trial = await trials.begin("mounting", sshKeySecret="octans-no-such-key")
    await trial.pod_when("mounting", lambda pod: "ContainerCreating" in str(pod["status"]))
    yield trial


UP: Final = (
    """up() { cut -d" " -f4 /proc/$1/stat; }; ansible=$(up $(up $$)); runner=$(up $ansible);"""
)
"""In a shell of a local task: process ids of Ansible, its worker's parent, and of the runner."""


async def _deaf(trials: Ground, word: str, command: str) -> Trial:
    """A task at work whose command has stopped a process of its pod."""
    trial = await trials.begin(word, [local("long", f"{UP} {command}")])
    await trial.at_work()
    await wait_for(
        f"{trial.name}: a process is stopped",
        lambda: trial.in_pod("cut -d' ' -f1-4 /proc/[0-9]*/stat"),
        lambda states: ") T " in states,
        seconds=20,
    )
    return trial


@asynccontextmanager
async def stubborn(trials: Ground) -> AsyncIterator[Trial]:
    """A task that is at work, and neither its command nor Ansible hears SIGTERM."""
    yield await _deaf(trials, "stubborn", "trap '' TERM; kill -STOP $ansible; setsid sleep 300")


@asynccontextmanager
async def hung(trials: Ground) -> AsyncIterator[Trial]:
    """A task whose runner itself was stopped by its play, and hears nothing."""
    yield await _deaf(trials, "hung", "kill -STOP $runner; sleep 300")
