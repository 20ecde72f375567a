"""What keeps a pod from starting ends the task Failed with that reason, in seconds."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import pytest

from tests.cluster.platform import programs
from tests.cluster.platform.calls import FAILED, SUCCESS, Octans, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Keys, Machine, mark
from tests.cluster.platform.pods import (
    PODS_CREATED,
    bare_pod,
    bound,
    changing,
    mutating,
    refusing,
    rules,
)
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.quotas import quota
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for
from tests.cluster.test_want_of_room import waits

SECONDS = 30
"""Every one must have ended by then; the tasks' own deadline is 3600 s."""


LIMITS = {
    "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"},
    "spec": {"limits": [{"type": "Container", "maxLimitRequestRatio": {"cpu": "4"}}]},
}  # fmt: skip
VIP = "pods of this namespace need the PriorityClass vip"
POLICY: dict[str, Any] = {
    "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "octans-test-vip"},
    "spec": {
        "matchConstraints": PODS_CREATED,
        "validations": [{"expression": "has(object.spec.priorityClassName)", "message": VIP}],
    },
}  # fmt: skip
RULES = {
    "a LimitRange with a ratio that the runner breaks": (
        [LIMITS], "cpu max limit to request ratio per Container is 4"),
    "a policy that wants a PriorityClass": ([POLICY], VIP),
}  # fmt: skip


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


@asynccontextmanager
async def pods_stay(kubectl: Kubectl, prefix: str) -> AsyncIterator[None]:
    """While it lasts, the API server refuses to delete pods whose name starts so."""
    policy = {
        **POLICY, "metadata": {"name": prefix},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"],
                "resources": ["pods"]}]},
            "matchConditions": [
                {"name": "ours", "expression": f"request.name.startsWith('{prefix}')"}],
            "validations": [{"expression": "false", "message": "they stay"}],
        },
    }  # fmt: skip
    binding = bound(policy, kubectl.namespace)
    objects = {"apiVersion": "v1", "kind": "List", "items": [policy, binding]}
    probe = f"{prefix}-probe"
    await kubectl("create", "-f", "-", stdin=bare_pod(probe))
    await kubectl("create", "-f", "-", stdin=objects)
    try:
        await wait_for(
            "pods stay",
            lambda: kubectl.ask("delete", "pod", probe, "--dry-run=server"),
            lambda answer: answer.code != 0,
            seconds=30,
        )
        yield
    finally:
        await kubectl("delete", "-f", "-", stdin=objects)
        await wait_for(
            "pods go",
            lambda: kubectl.ask("delete", "pod", probe, "--grace-period=0", "--force"),
            lambda answer: answer.code == 0,
            seconds=30,
        )


async def test_a_pod_that_starts_just_when_it_is_given_up(
    kubectl: Kubectl, tasks: Tasks, controller: HostProcess, keys: Keys, machines: list[Machine]
) -> None:
    """The controller has noted why it deletes two pods, and dies before it can: one of them starts
    after all and is told as what it is, the other is still told why it did not."""
    prefix, host = unique("given-up"), machines[0].address
    late, never = f"{prefix}-late", f"{prefix}-never"
    secrets = {late: f"octans-{late}", never: f"octans-{never}"}
    async with pods_stay(kubectl, prefix):
        for name, secret in secrets.items():
            work = {"sshKeySecret": secret, "tasks": [mark(name)]}
            await tasks.create(manifest(name, [host], **work))
        for name, secret in secrets.items():
            noted = await wait_for(
                f"{name} is given up",
                lambda name=name: tasks.get(name),  # type: ignore[misc]  # bound in this round
                lambda task: task.status.slices and task.status.slices[0].message,
                seconds=SECONDS,
            )
            assert noted.status.phase == "Starting", "nobody has said yet that it never ran"
            assert secret in str(noted.status.slices[0].message)
        await controller.kill()
        await kubectl("create", "secret", "generic", secrets[late],
                      f"--from-literal=ssh-privatekey={keys.private}")  # fmt: skip
        await wait_for(
            "the one starts", lambda: machines[0].marks(late), lambda n: n == 1, seconds=40
        )
    await controller.start()
    missing, ran = await asyncio.gather(
        tasks.ended(never, seconds=SECONDS), tasks.ended(late, seconds=SECONDS)
    )
    assert (missing.status.phase, missing.status.reason) == ("Failed", "SecretMissing")
    assert secrets[never] in missing.status.message
    assert (ran.status.phase, ran.status.reason) == ("Succeeded", "Completed")
    assert [await machines[0].marks(name) for name in (late, never)] == [1, 0]


async def test_a_quota_that_could_never_let_a_pod_in(
    octans: Octans, tasks: Tasks, kubectl: Kubectl, addresses: list[str]
) -> None:
    async with quota(kubectl, "none-left", "pods", 0):
        number, message = await asyncio.gather(
            octans.run(unique("no-quota"), addresses[:1], [{"raw": "true"}]),
            fails(tasks, addresses[0], "QuotaExceeded"),
        )
        assert "none-left" in message
        seen = await octans.ended(number, seconds=SECONDS)
        assert (seen["status"], seen["reason"]) == (FAILED, "QuotaExceeded")
        assert "none-left" in seen["err"]
        assert json.loads(seen["nodes"]) == addresses[:1]
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


@pytest.mark.parametrize(("made", "sentence"), RULES.values(), ids=RULES)
async def test_a_rule_that_the_runner_pod_breaks(
    octans: Octans, tasks: Tasks, kubectl: Kubectl, addresses: list[str],
    made: list[dict[str, Any]], sentence: str,
) -> None:  # fmt: skip
    bindings = [bound(rule, kubectl.namespace) for rule in made if "Policy" in rule["kind"]]
    async with rules(kubectl, [*made, *bindings], refusing(sentence)):
        number = await octans.run(unique("breaks"), addresses[:1], [{"raw": "true"}])
        message = await fails(tasks, addresses[0], "PodRefused")
        assert sentence in message, "in the API server's words"
        seen = await octans.ended(number, seconds=SECONDS)
        assert (seen["status"], seen["reason"]) == (FAILED, "PodRefused")
        assert sentence in seen["err"]


async def test_what_rules_add_to_the_pod_does_no_harm(
    octans: Octans, tasks: Tasks, kubectl: Kubectl, addresses: list[str]
) -> None:
    """A default PriorityClass, limits for containers that have none, and tolerations."""
    limits = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "defaults"},
        "spec": {"limits": [{"type": "Container", "default": {"memory": "512Mi"}}]},
    }
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "octans-test-default"},
        "value": 7,
        "globalDefault": True,
        "preemptionPolicy": "Never",
    }
    toleration = {"key": "example.org/tasks", "operator": "Exists", "effect": "NoSchedule"}
    added = "key: 'example.org/tasks', operator: 'Exists', effect: 'NoSchedule'"
    policy = mutating(
        "octans-test-tolerations",
        "[JSONPatch{op: 'add', path: '/spec/tolerations/-', "
        f"value: Object.spec.tolerations{{{added}}}}}]",
    )
    binding = bound(policy, kubectl.namespace)
    tolerates = changing(lambda spec: toleration in spec.get("tolerations", []))
    preferred = changing(lambda spec: spec.get("priority") == 7)
    async with rules(kubectl, [limits, priority, policy, binding], tolerates, preferred):
        number = await octans.run(unique("added-to"), addresses[:1], [{"raw": "true"}])
        assert (await octans.ended(number))["status"] == SUCCESS
        claim = (await tasks.by_id(number)).status.slices[0]
        pod = await kubectl.json("get", "pod", str(claim.pod))
        assert pod["spec"]["priorityClassName"] == "octans-test-default"
        assert toleration in pod["spec"]["tolerations"]


async def test_no_node_fits_and_a_quota_that_others_use_up(
    octans: Octans, tasks: Tasks, controller: HostProcess, kubectl: Kubectl, addresses: list[str]
) -> None:
    """Where no autoscaler is, an installation waits shorter than by default. A stranger's pod holds
    all of the quota, and nothing of ours will free any of it."""
    resources = json.dumps({"requests": {"cpu": "1000"}, "limits": {"cpu": "1000"}})
    settings = {"OCTANS_RUNNER_RESOURCES": resources, "OCTANS_UNSCHEDULABLE_SECONDS": "3"}
    name, stranger = unique("others"), unique("stranger")
    await kubectl("create", "-f", "-", stdin=bare_pod(stranger))
    try:
        async with programs.restarted(controller, OCTANS_QUOTA_SECONDS="3", **settings):
            async with quota(kubectl, name, "pods", 1):
                task = await octans.run(unique("waits"), addresses[:1], [{"raw": "true"}])
                await waits(octans, task, "WaitingForQuota")
                ended = await octans.ended(task, seconds=20)
                assert (ended["status"], ended["reason"]) == (FAILED, "QuotaExceeded")
                assert name in ended["err"]
            message = await fails(tasks, addresses[0], "Unschedulable")
        assert "cpu" in message
    finally:
        await kubectl("delete", "pod", stranger, "--grace-period=0", "--force")
