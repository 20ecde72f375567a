"""Containers that admission adds to a task's pod: a mesh's proxy, an agent that brings secrets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.cluster.platform.calls import SUCCESS, Octans, log, unique
from tests.cluster.platform.given import Given
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.pods import are_changed, bound, mutating
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for


def added(image: str, place: str, name: str) -> str:
    """A CEL expression: one more container, which sleeps, where a JSON patch's path says."""
    drop = "Object.spec.containers.securityContext.capabilities{drop: ['ALL']}"
    context = (
        "Object.spec.containers.securityContext"
        f"{{allowPrivilegeEscalation: false, capabilities: {drop}}}"
    )
    container = (
        f"Object.spec.containers{{name: '{name}', image: '{image}',"
        f" command: ['sleep', '600'], securityContext: {context}}}"
    )
    return f"[JSONPatch{{op: 'add', path: '/spec/containers/{place}', value: {container}}}]"


@asynccontextmanager
async def injected(kubectl: Kubectl, given: Given, place: str, name: str) -> AsyncIterator[None]:
    """Every pod of the tasks' namespace gets one more container."""
    policy = mutating("octans-test-containers", added(given.runner_image, place, name))
    items = [policy, bound(policy, kubectl.namespace)]
    objects = {"apiVersion": "v1", "kind": "List", "items": items}
    await kubectl("create", "-f", "-", stdin=objects)
    try:
        await are_changed(
            kubectl, lambda spec: name in [each["name"] for each in spec["containers"]]
        )
        yield
    finally:
        await kubectl("delete", "-f", "-", stdin=objects)


@pytest.mark.parametrize(("place", "name"), [("0", "mesh-proxy"), ("-", "vault-agent")])
async def test_only_the_runner_counts(
    octans: Octans, tasks: Tasks, controller: HostProcess, kubectl: Kubectl, given: Given,
    machines: list[Machine], place: str, name: str,
) -> None:  # fmt: skip
    """It ends when the play does, its log is whole, and what goes on beside it is ended."""
    assert controller.running
    http, made = unique("http"), unique("object")
    async with injected(kubectl, given, place, name):
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
