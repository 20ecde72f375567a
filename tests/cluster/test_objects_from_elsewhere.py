"""Objects that carry what was written for others: exports, backups, moves, edits by hand."""

import asyncio
from typing import Any

import pytest

from crds import names, provenance
from crds.client import EVENTS, TASKS, Object
from crds.model import AnsibleTask
from tests.cluster.platform.calls import STOPPED, SUCCESS, Octans, unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for

pytestmark = pytest.mark.usefixtures("controller")


async def export(kubectl: Kubectl, name: str) -> Object:
    """What somebody keeps of an object: no uid, version and status, but everything else."""
    found = await kubectl.json("get", "at", name)
    for field in ("uid", "resourceVersion", "creationTimestamp", "generation"):
        del found["metadata"][field]
    del found["status"]
    return found


def renamed(body: Object, name: str) -> Object:
    return {**body, "metadata": {**body["metadata"], "name": name}}


async def done(tasks: Tasks, machine: Machine, name: str, **spec: Any) -> AnsibleTask:
    """A task that left one mark of its name, has ended and is let go."""
    await tasks.create(manifest(name, [machine.address], tasks=[mark(name)], **spec))
    task = await tasks.ended(name)
    assert task.status.phase == "Succeeded", task.status
    return await tasks.let_go(name)


async def deleted(kubectl: Kubectl, name: str) -> None:
    await kubectl("delete", "at", name, "--timeout=30s")


async def test_an_export_under_another_name_runs_as_a_task_of_its_own(
    octans: Octans, kubectl: Kubectl, tasks: Tasks, machines: list[Machine]
) -> None:
    name, copy = unique("exported"), unique("copy")
    before = await done(tasks, machines[0], name, ttlSecondsAfterFinished=7200)
    body = renamed(await export(kubectl, name), copy)
    assert body["metadata"]["labels"][names.LABEL_FINISHED] == before.metadata.uid
    body["metadata"]["annotations"][names.ANNOTATION_EXPIRES] = "1"
    await kubectl("create", "-f", "-", stdin=body)
    after = await tasks.ended(copy, seconds=25)
    assert (after.status.phase, after.status.uid) == ("Succeeded", after.metadata.uid)
    after = await tasks.let_go(copy)
    assert await machines[0].marks(name) == 2, "creating is running"
    assert after.status.id not in (None, before.status.id)
    assert after.metadata.labels[names.LABEL_TASK_ID] == str(after.status.id)
    ended, expires = (int(after.metadata.annotations[note])
                      for note in (names.ANNOTATION_ENDED, names.ANNOTATION_EXPIRES))  # fmt: skip
    assert expires - ended == 7200
    for number, task in ((before.status.id, before), (after.status.id, after)):
        assert number is not None
        answer = await octans.check(number)
        assert (answer["status"], answer["id"]) == (SUCCESS, number)
        assert (await octans.check(task.metadata.name))["id"] == number
    page = await tasks.client.list(
        EVENTS, tasks.namespace, fields=f"involvedObject.uid={after.metadata.uid}"
    )
    assert "Completed" in {event["reason"] for event in page.items}


async def test_a_restored_task_does_not_run_again(
    octans: Octans, kubectl: Kubectl, tasks: Tasks, machines: list[Machine]
) -> None:
    name = unique("restored")
    await done(tasks, machines[0], name)
    ttl = '{"spec":{"ttlSecondsAfterFinished":9999}}'
    await kubectl("patch", "at", name, "--type=merge", "-p", ttl)
    await wait_for("the new TTL is noted", lambda: tasks.get(name), provenance.filed, seconds=10)
    backup = await export(kubectl, name)
    await deleted(kubectl, name)

    await kubectl("create", "-f", "-", stdin=backup)
    task = await tasks.ended(name, seconds=20)
    assert (task.status.phase, task.status.reason) == ("Stopped", "Restored")
    assert "create it under another name or without the annotation" in task.status.message
    answer = await octans.check(name)
    assert (answer["status"], answer["reason"]) == (STOPPED, "Restored")
    assert answer["err"] is None
    assert task.status.job_name is None
    table = (await kubectl("get", "at", name)).splitlines()[1].split()
    assert table[1:3] == ["Stopped", "Restored"]
    assert await machines[0].marks(name) == 1

    await tasks.let_go(name)
    await deleted(kubectl, name)
    del backup["metadata"]["annotations"][names.ANNOTATION_BEGUN]
    await kubectl("create", "-f", "-", stdin=backup)
    assert (await tasks.ended(name)).status.phase == "Succeeded"
    assert await machines[0].marks(name) == 2, "as the sentence says"


async def test_a_backup_with_its_status_claims_no_success(
    octans: Octans, kubectl: Kubectl, tasks: Tasks, machines: list[Machine]
) -> None:
    """Of a task made over HTTP. The status comes after ours, as from a tool that does not look.
    With other work it runs."""
    called = unique("velero")
    number = await octans.run(called, [machines[0].address], [mark(called)])
    assert (await octans.ended(number))["status"] == SUCCESS
    name = names.object_name(number)
    await tasks.let_go(name)
    backup = await export(kubectl, name)
    status = (await tasks.client.get(TASKS, tasks.namespace, name))["status"]
    await deleted(kubectl, name)
    await kubectl("create", "-f", "-", stdin=backup)
    await tasks.ended(name, seconds=20)
    await tasks.let_go(name)
    await tasks.client.patch(
        TASKS, tasks.namespace, name, {"status": {**status}}, subresource="status"
    )
    task = await wait_for(
        "its own status is there again",
        lambda: tasks.get(name),
        lambda task: task.status.uid == task.metadata.uid and task.finished,
        seconds=15,
    )
    assert task.status.reason == "Restored"
    assert "The copied status said Succeeded (Completed)." in task.status.message
    assert (await octans.check(number))["status"] == STOPPED
    assert await octans.check(called) == await octans.check(number)
    assert await machines[0].marks(called) == 1

    await tasks.let_go(name)
    await deleted(kubectl, name)
    backup["spec"]["tasks"].append({"raw": "true"})
    await kubectl("create", "-f", "-", stdin=backup)
    assert (await octans.ended(number))["status"] == SUCCESS
    assert await machines[0].marks(called) == 2, "other work is a new task"


async def test_copies_made_while_the_original_runs(
    octans: Octans, kubectl: Kubectl, tasks: Tasks, machines: list[Machine]
) -> None:
    """Of a task made with kubectl, and of one made over HTTP, whose task name is in use."""
    name, copy, twin = unique("running"), unique("copy"), unique("twin")
    work = [mark(name), {"raw": "sleep 8"}]
    number = await octans.run(twin, [machines[1].address], work)
    await tasks.create(manifest(name, [machines[0].address], tasks=work))
    await tasks.reaches(name, {"Running"})
    body = await export(kubectl, name)
    made = await tasks.by_id(number)
    second = renamed(await export(kubectl, made.metadata.name), twin)
    for one in (renamed(body, copy), second):
        await kubectl("create", "-f", "-", stdin=one)
    refused = await tasks.ended(twin, seconds=20)
    assert (refused.status.phase, refused.status.reason) == ("Failed", "NameConflict")
    ends = await asyncio.gather(*(tasks.ended(each) for each in (name, copy)))
    assert [task.status.phase for task in ends] == ["Succeeded", "Succeeded"]
    assert await machines[0].marks(name) == 2
    assert (await octans.ended(number))["status"] == SUCCESS
    assert (await octans.check(twin))["id"] == number, "the older one is found"
    kept = (await tasks.let_go(twin)).metadata
    assert names.ANNOTATION_CALLER not in kept.annotations
    assert names.LABEL_SLOT not in kept.labels


async def test_labels_that_somebody_wrote_hide_nothing(
    octans: Octans, kubectl: Kubectl, tasks: Tasks, machines: list[Machine]
) -> None:
    name = unique("edited")
    body = manifest(name, [machines[0].address], tasks=[mark(name)])
    body["metadata"]["labels"] = {
        names.LABEL_FINISHED: "true", names.LABEL_TASK_ID: "1", names.LABEL_TASK_NAME: "other",
        names.LABEL_SLOT: "0", "team": "infra",
    }  # fmt: skip
    body["metadata"]["annotations"] = {names.ANNOTATION_EXPIRES: "1", names.ANNOTATION_ENDED: "1"}
    await kubectl("create", "-f", "-", stdin=body)
    task = await tasks.ended(name, seconds=25)
    assert task.status.phase == "Succeeded"
    assert (await octans.post("check", {"id": 1})).status_code == 404
    assert (await octans.check(name))["id"] == task.status.id
    assert task.metadata.labels["team"] == "infra"
    assert await machines[0].marks(name) == 1


async def test_tasks_elsewhere_are_refused(
    installation: Installation, kubectl: Kubectl, machines: list[Machine]
) -> None:
    """As a dry run, which admission policies see as well."""
    body, dry = manifest(unique("lost"), [machines[0].address]), "--dry-run=server"
    elsewhere = kubectl.within("default")
    answer = await wait_for(
        "the policy is at work",
        lambda: elsewhere.ask("create", dry, "-f", "-", stdin=body),
        lambda answer: answer.code != 0,
        seconds=30,
    )
    sentence = f"AnsibleTasks belong in {installation.tasks_namespace}, or in a namespace labelled"
    assert sentence in answer.err
    await kubectl("create", dry, "-f", "-", stdin=body)
    other = unique("elsewhere")
    space = {"kind": "Namespace", "apiVersion": "v1",
             "metadata": {"name": other, "labels": {"octans.io/tasks": "true"}}}  # fmt: skip
    await kubectl("create", "-f", "-", stdin=space)
    try:
        await kubectl.within(other)("create", dry, "-f", "-", stdin=body)
    finally:
        await kubectl("delete", "namespace", other, "--wait=false")
    off = await installation.helm(
        "template", "x", installation.chart, "--set", "tasksNamespace.policy=false"
    )
    assert "ValidatingAdmissionPolicy" not in off
