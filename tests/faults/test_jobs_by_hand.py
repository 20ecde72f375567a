"""People with kubectl change what the controller has made: Jobs, their pods, the input."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from crds import names
from crds.client import JOBS, PODS, SECRETS, Object
from tests.cluster.platform import programs
from tests.cluster.platform.calls import unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.leftovers import leftovers
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.waiting import wait_for
from tests.faults import phases
from tests.faults.phases import Phase
from tests.faults.trials import GRACE, Ground, Told, Trial, gated

pytestmark = pytest.mark.faults


PHASES: Final[dict[str, Phase]] = {
    "without a pod": phases.podless, "gated": phases.shut, "starting": phases.starting,
    "running": phases.running,
}  # fmt: skip


def delete(cascade: str) -> Callable[[Trial], Awaitable[object]]:
    """What deletes a trial's Job, and its pods with it, before it, or not at all."""

    async def act(trial: Trial) -> None:
        kubectl = trial.ground.kubectl
        await kubectl("delete", "job", trial.name, f"--cascade={cascade}", "--wait=false")

    return act


async def suspend(trial: Trial, *, value: bool = True) -> None:
    tasks = trial.ground.tasks
    await tasks.client.patch(JOBS, tasks.namespace, trial.name, {"spec": {"suspend": value}})


async def suspend_and_resume(trial: Trial) -> None:
    """So fast that the suspension may be seen by nobody but the Job controller."""
    await suspend(trial)
    await suspend(trial, value=False)


DELETED, SUSPENDED = Told("Failed", "JobDeleted"), Told("Failed", "JobSuspended")
ACTS: Final = {
    "deleted": (delete("background"), [DELETED]),
    "deleted, pods first": (delete("foreground"), [DELETED]),
    "deleted without its pods": (delete("orphan"), [DELETED]),
    "suspended": (suspend, [SUSPENDED]),
    "suspended and resumed": (suspend_and_resume, [SUSPENDED, Told("Failed", "PodDeleted")]),
}


BY_PHASE: Final = [
    (phase, row) for phase in PHASES for row in ACTS
    # Nobody can tell afterwards that a Job without pods was suspended: it goes on.
    if (phase, row) != ("without a pod", "suspended and resumed")
]  # fmt: skip


@pytest.mark.parametrize(("phase", "row"), BY_PHASE)
async def test_a_job_by_hand(trials: Ground, phase: str, row: str) -> None:
    act, told = ACTS[row]
    async with PHASES[phase](trials) as trial:
        await act(trial)
        await trial.ends(*told)
        await trial.remove()


@pytest.mark.seconds(50)
async def test_a_job_that_makes_one_more_pod(trials: Ground, controller: HostProcess) -> None:
    """It was resumed, and its task has ended: the pod never starts, and goes with the Job."""
    async with programs.restarted(controller, OCTANS_JOB_KEEP_SECONDS="1"):
        async with phases.running(trials) as trial:
            await suspend_and_resume(trial)
            await wait_for(
                "one more pod", trial.pods, lambda pods: any(map(gated, pods)), seconds=40
            )
            await trial.ends(*ACTS["suspended and resumed"][1])
        await wait_for(
            "Job and pods are gone",
            lambda: leftovers(trials.tasks.client, trials.tasks.namespace, trial.uid),
            lambda left: not any(each.startswith(("jobs/", "pods/")) for each in left),
            seconds=GRACE + 30,
        )


async def test_the_input_deleted_before_the_pod_starts(trials: Ground) -> None:
    tasks = trials.tasks
    async with phases.shut(trials) as trial:
        secret = names.input_secret(trial.name, trial.uid)
        await tasks.client.delete(SECRETS, tasks.namespace, secret)
    await trial.ends(Told("Failed", "SecretMissing", log="none", says=secret))


Change = Callable[[Object], None]


def opened(pod: Object) -> None:
    """It may start at once."""
    del pod["spec"]["schedulingGates"]


def unowned(pod: Object) -> None:
    """It has the Job's labels only."""
    del pod["metadata"]["ownerReferences"]


def as_it_is(pod: Object) -> None:
    del pod


BY_HAND: Final[dict[str, Change]] = {"gated": as_it_is, "unowned": unowned, "open": opened}


async def second_pod(trial: Trial, change: Change) -> str:
    """The uid of a further pod of the trial's one slice, made as the Job controller makes one."""
    tasks = trial.ground.tasks
    job = await tasks.client.get(JOBS, tasks.namespace, trial.name)
    index = {"batch.kubernetes.io/job-completion-index": "0"}
    template = job["spec"]["template"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": trial.name,
             "uid": job["metadata"]["uid"], "controller": True}  # fmt: skip
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": unique(f"{trial.name}-by-hand"),
            "labels": {**template["metadata"]["labels"], **index},
            "annotations": {**template["metadata"]["annotations"], **index},
            "ownerReferences": [owner],
        },
        "spec": {**template["spec"]},
    }
    change(pod)
    return str((await tasks.client.create(PODS, tasks.namespace, pod))["metadata"]["uid"])


@pytest.mark.seconds(12)
@pytest.mark.parametrize("row", BY_HAND)
async def test_a_second_pod_while_one_runs(trials: Ground, row: str) -> None:
    """The Job controller may end both for it; no machine sees a second start."""
    trial = await trials.begin("second", [{"raw": "sleep 8"}])
    await trial.at_work()
    uid = await second_pod(trial, BY_HAND[row])
    await trial.ends(
        Told("Succeeded", "Completed", "ok", "whole"), Told("Failed", "PodDeleted"), strangers={uid}
    )
    await trial.remove()


@pytest.mark.seconds(20)
@pytest.mark.parametrize("row", BY_HAND)
async def test_a_second_pod_before_one_is_claimed(
    trials: Ground, controller: HostProcess, installation: Installation, tmp_path: Path, row: str
) -> None:
    """The controller has ended just before the claim, and comes back."""
    await controller.stop()
    other = await programs.controller(installation, tmp_path / "log", "tests.faults.crashing")
    (point := tmp_path / "point").write_text(CLAIM)
    await other.launch(OCTANS_TEST_MODULE="controller", OCTANS_TEST_CRASH=str(point))
    try:
        trial = await trials.begin("unclaimed", [{"raw": "sleep 3"}])
        await wait_for("it has ended", has_died(other), lambda died: died, seconds=30, every=0.05)
    finally:
        await other.stop()
    uid = await second_pod(trial, BY_HAND[row])
    await controller.start()
    await trial.ends(
        Told("Succeeded", "Completed", "ok", "whole"), Told("Failed", "PodDeleted"), strangers={uid}
    )
    await trial.remove()


CLAIM: Final = "before PATCH ansibletasks/status Queued, 1 claimed"


def has_died(process: HostProcess) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return process.has_died()

    return look
