"""Containers that admission adds to a task's pod: a mesh's proxy, an agent that brings secrets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.cluster.platform.calls import FAILED, SUCCESS, Octans, log, unique
from tests.cluster.platform.given import Given
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.pods import bound, changing, mutating, rules
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for


def container(kind: str, image: str, name: str, command: list[str], more: str = "") -> str:
    """A CEL expression: a container of the list `kind` as Pod Security `restricted` allows it."""
    drop = f"Object.spec.{kind}.securityContext.capabilities{{drop: ['ALL']}}"
    context = (
        f"Object.spec.{kind}.securityContext"
        f"{{allowPrivilegeEscalation: false, capabilities: {drop}}}"
    )
    return (
        f"Object.spec.{kind}{{name: '{name}', image: '{image}', command: {command},"
        f" securityContext: {context}{more}}}"
    )


@asynccontextmanager
async def injected(kubectl: Kubectl, path: str, value: str) -> AsyncIterator[None]:
    """Every pod of the tasks' namespace gets one more container: at a JSON patch's path, in CEL."""
    expression = f"[JSONPatch{{op: 'add', path: '/spec/{path}', value: {value}}}]"
    policy = mutating("octans-test-containers", expression)
    added = changing(lambda spec: len(spec["containers"] + spec.get("initContainers", [])) > 1)
    async with rules(kubectl, [policy, bound(policy, kubectl.namespace)], added):
        yield


SLEEP = ["sleep", "600"]
PLACES = {
    "a container before ours": ("containers/0", "containers", "mesh-proxy", ""),
    "a container behind ours": ("containers/-", "containers", "vault-agent", ""),
    "a sidecar that Kubernetes itself ends": (
        "initContainers", "initContainers", "mesh-proxy", ", restartPolicy: 'Always'"),
}  # fmt: skip


@pytest.mark.parametrize("row", PLACES)
async def test_only_the_runner_counts(
    octans: Octans, tasks: Tasks, controller: HostProcess, kubectl: Kubectl, given: Given,
    machines: list[Machine], row: str,
) -> None:  # fmt: skip
    """It ends when the play does, its log is whole, and what goes on beside it is ended."""
    assert controller.running
    http, made = unique("http"), unique("object")
    path, kind, name, more = PLACES[row]
    value = container(kind, given.runner_image, name, SLEEP, more)
    async with injected(kubectl, path, value if "/" in path else f"[{value}]"):
        number, _ = await asyncio.gather(
            octans.run(http, [machines[0].address], [mark(http), {"raw": "echo done"}]),
            tasks.create(manifest(made, [machines[0].address], tasks=[mark(made)])),
        )
        seen, task = await asyncio.gather(octans.ended(number, seconds=40), tasks.ended(made))
    assert (seen["status"], seen["log_complete"]) == (SUCCESS, True)
    assert [result["status"] for result in log(seen)] == ["ok", "ok"]
    assert task.status.phase == "Succeeded"
    assert task.status.log is not None
    assert task.status.log.complete
    assert [await machines[0].marks(mark) for mark in (http, made)] == [1, 1]
    pod = str(task.status.slices[0].pod)
    await wait_for(
        "nothing goes on beside it",
        lambda: kubectl.json("get", "pod", pod),
        lambda found: found["status"]["phase"] != "Running",
        seconds=60,
    )
    job = await wait_for(
        "the Job is finished, and so will be removed",
        lambda: kubectl.json("get", "job", made),
        lambda found: any(each["type"] in ("Complete", "Failed") and each["status"] == "True"
                          for each in found["status"].get("conditions", [])),
        seconds=30,
    )  # fmt: skip
    assert json.dumps(job["spec"]["template"]).count('"name": "runner"') == 1


async def test_an_init_container_that_fails_is_named(
    octans: Octans, tasks: Tasks, controller: HostProcess, kubectl: Kubectl, given: Given,
    machines: list[Machine],
) -> None:  # fmt: skip
    assert controller.running
    http, made = unique("http"), unique("object")
    fails = container("initContainers", given.runner_image, "mesh-init", ["false"])
    async with injected(kubectl, "initContainers", f"[{fails}]"):
        number, _ = await asyncio.gather(
            octans.run(http, [machines[0].address], [mark(http)]),
            tasks.create(manifest(made, [machines[0].address], tasks=[mark(made)])),
        )
        seen, task = await asyncio.gather(octans.ended(number, seconds=40), tasks.ended(made))
    said = "Its init container mesh-init ended with exit code 1."
    assert (seen["status"], seen["reason"]) == (FAILED, "NeverStarted")
    assert task.status.reason == "NeverStarted"
    for message in (seen["err"], task.status.message):
        assert message.startswith(said), message
    assert [await machines[0].marks(mark) for mark in (http, made)] == [0, 0]
