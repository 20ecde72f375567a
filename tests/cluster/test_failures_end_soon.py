"""What keeps a pod from starting ends the task Failed with that reason, in seconds."""

import asyncio
import json
from time import monotonic

from tests.cluster.platform import programs
from tests.cluster.platform.calls import FAILED, SUCCESS, Octans, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for

SECONDS = 30
"""Every one must have ended by then; the tasks' own deadline is 3600 s."""


async def fails(tasks: Tasks, host: str, reason: str, **spec: object) -> str:
    """The message of a task that must end Failed for a reason, soon."""
    name = unique(reason.lower())
    began = monotonic()
    await tasks.create(manifest(name, [host], **spec))
    task = await tasks.ended(name, seconds=SECONDS)
    print(f"{reason} after {monotonic() - began:.1f} s: {task.status.message}")
    assert (task.status.phase, task.status.reason) == ("Failed", reason), task.status
    await tasks.let_go(name)
    return task.status.message


async def test_a_missing_secret_and_image_each_with_its_name(
    tasks: Tasks, controller: HostProcess, addresses: list[str]
) -> None:
    assert controller.running
    key, variables, image, forbidden = await asyncio.gather(
        fails(tasks, addresses[0], "SecretMissing", sshKeySecret="octans-no-such-key"),
        fails(tasks, addresses[0], "SecretMissing", varsFrom=[{"name": "octans-no-such-vars"}]),
        fails(tasks, addresses[0], "ImagePullFailed", runner=programs.NO_SUCH_RUNNER),
        fails(tasks, addresses[0], "SecretNotAllowed", sshKeySecret="somebody-elses"),
    )
    assert "octans-no-such-key" in key
    assert "octans-no-such-vars" in variables
    assert "octans-no-such-image" in image
    assert "somebody-elses" in forbidden


async def test_a_quota_that_is_used_up(
    octans: Octans, tasks: Tasks, kubectl: Kubectl, addresses: list[str]
) -> None:
    await kubectl("create", "quota", "none-left", "--hard=pods=0")
    try:
        await wait_for(
            "the quota counts",
            lambda: kubectl.json("get", "quota", "none-left"),
            lambda quota: quota["status"].get("hard"),
            seconds=20,
        )
        number, message = await asyncio.gather(
            octans.run(unique("no-quota"), addresses[:1], [{"raw": "true"}]),
            fails(tasks, addresses[0], "QuotaExceeded"),
        )
        assert "none-left" in message
        seen = await octans.ended(number, seconds=SECONDS)
        assert (seen["status"], seen["reason"]) == (FAILED, "QuotaExceeded")
        assert "none-left" in seen["err"]
        assert json.loads(seen["nodes"]) == addresses[:1]
    finally:
        await kubectl("delete", "quota", "none-left")
    number = await octans.run(unique("after-quota"), addresses[:1], [{"raw": "true"}])
    assert (await octans.ended(number))["status"] == SUCCESS


async def test_pod_security_refuses_the_pod(
    tasks: Tasks, controller: HostProcess, addresses: list[str]
) -> None:
    """A volume of the node is what the namespace's level, restricted, forbids."""
    volume = json.dumps({"hostPath": {"path": "/tmp"}})
    async with programs.restarted(controller, OCTANS_PROJECT_VOLUME=volume):
        message = await fails(tasks, addresses[0], "PodSecurityRejected")
    assert "hostPath" in message


async def test_no_node_fits(tasks: Tasks, controller: HostProcess, addresses: list[str]) -> None:
    """Where no autoscaler is, an installation waits shorter than by default."""
    resources = json.dumps({"requests": {"cpu": "1000"}, "limits": {"cpu": "1000"}})
    settings = {"OCTANS_RUNNER_RESOURCES": resources, "OCTANS_UNSCHEDULABLE_SECONDS": "3"}
    async with programs.restarted(controller, **settings):
        message = await fails(tasks, addresses[0], "Unschedulable")
    assert "cpu" in message
