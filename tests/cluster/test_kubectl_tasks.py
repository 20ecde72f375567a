"""What a person with kubectl does: create, look, wait, cancel, delete; no HTTP involved."""

import json
from typing import Any

import pytest

from crds import environment
from tests.cluster.platform.calls import SUCCESS, Octans, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.leftovers import leftovers
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for

pytestmark = pytest.mark.usefixtures("controller")

LONG = {"name": "long", "raw": "sleep 120"}


async def test_create_wait_and_look(kubectl: Kubectl, machines: list[Machine]) -> None:
    name = unique("by-hand")
    task = manifest(
        name, [machines[0].address], tasks=[mark(name)], source="me", taskName="My task"
    )
    assert "created" in await kubectl("create", "-f", "-", stdin=task)
    waited = await kubectl("wait", f"at/{name}", "--for=condition=Finished", "--timeout=60s")
    assert "condition met" in waited
    table = [row.split("  ") for row in (await kubectl("get", "at", name)).splitlines()]
    assert [cell.strip() for cell in table[0] if cell] == [
        "NAME", "TASK", "PHASE", "REASON", "HOSTS", "FAILED", "UNREACHABLE", "AGE",
    ]  # fmt: skip
    cells = [cell.strip() for cell in table[1] if cell.strip()]
    assert cells[:-1] == [name, "My task", "Succeeded", "Completed", "1", "0", "0"]
    wide = (await kubectl("get", "at", name, "-o", "wide")).splitlines()
    assert wide[0].split()[-3:] == ["SOURCE", "JOB", "DURATION"]
    assert wide[1].split()[-3:-1] == ["me", name]
    described = await kubectl("describe", "at", name)
    assert "Completed" in described
    assert await machines[0].marks(name) == 1


STRANGE = r"printf 'a\177b\302\200c\357\273\277d\357\277\276e\007'; exit 1"
"""Of what a play prints, what JSON holds as it is and YAML does not."""


async def test_objects_can_be_shown_as_yaml_whatever_a_play_prints(
    kubectl: Kubectl, tasks: Tasks, addresses: list[str]
) -> None:
    """For one such character `kubectl get -o yaml` refuses the whole list."""
    name = unique("strange")
    added = {"add_host": {"name": "{{ said.stdout }}"}}
    said = {"raw": STRANGE, "register": "said"}
    work = [said | {"ignore_errors": True}, added, said]
    body = manifest(name, addresses[:1], tasks=work, verbosity=1)
    await kubectl("create", "-f", "-", stdin=body)
    task = await tasks.ended(name)
    assert task.status.log is not None
    assert "\N{REPLACEMENT CHARACTER}" in task.status.log.tail
    assert "\N{REPLACEMENT CHARACTER}" in task.status.message
    shown = await kubectl("get", "ansibletasks,pods,jobs,configmaps,events", "-o", "yaml")
    assert f"name: {name}" in shown


async def test_wait_ends_for_a_bad_run_too(kubectl: Kubectl, addresses: list[str]) -> None:
    name = unique("bad")
    await kubectl("create", "-f", "-", stdin=manifest(name, addresses[:1], tasks=[{"fail": {}}]))
    await kubectl("wait", f"at/{name}", "--for=condition=Finished", "--timeout=60s")
    answer = await kubectl.ask("wait", f"at/{name}", "--for=condition=Succeeded", "--timeout=1s")
    assert answer.code != 0
    assert "Failed" in await kubectl("get", "at", name)


async def test_one_that_nests_without_end_is_refused_and_ends_nobody_elses(
    octans: Octans, tasks: Tasks, kubectl: Kubectl, addresses: list[str]
) -> None:
    """Kubernetes takes 10,000 levels of JSON, and gives them back in each list of the tasks."""
    environment.allow_deep_json()
    name = unique("deep")
    deep: Any = 1
    for _ in range(9000):
        deep = [deep]
    await kubectl("create", "-f", "-", stdin=manifest(name, addresses[:1], vars={"x": deep}))
    task = await tasks.ended(name, seconds=20)
    assert task.status.reason == "PlaybookInvalid", task.status
    assert task.status.message.startswith("spec.vars nests deeper than 200 levels."), task.status
    assert (await octans.check(name))["err"] == task.status.message
    number = await octans.run(unique("beside"), addresses[:1], [{"raw": "true"}])
    assert (await octans.ended(number))["status"] == SUCCESS
    await kubectl("delete", "at", name, "--timeout=20s")


async def test_a_change_after_the_end_does_not_make_wait_hang(
    kubectl: Kubectl, addresses: list[str]
) -> None:
    """kubectl wait ignores conditions of an older generation, so that must be kept current."""
    name = unique("kept")
    await kubectl("create", "-f", "-", stdin=manifest(name, addresses[:1]))
    await kubectl("wait", f"at/{name}", "--for=condition=Finished", "--timeout=60s")
    before = await kubectl.json("get", "at", name)
    await kubectl("patch", "at", name, "--type=merge", "-p", '{"spec":{"priority":7}}')
    # Ended tasks are not watched: the sweep every 30 s sees the change.
    await kubectl("wait", f"at/{name}", "--for=condition=Finished", "--timeout=50s")
    after = await wait_for(
        "the status speaks of the new generation",
        lambda: kubectl.json("get", "at", name),
        lambda seen: seen["status"]["observedGeneration"] == seen["metadata"]["generation"],
        seconds=20,
    )
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert after["status"]["phase"] == "Succeeded"
    assert after["status"]["completionTime"] == before["status"]["completionTime"]


async def test_cancel_by_patch(kubectl: Kubectl, tasks: Tasks, machines: list[Machine]) -> None:
    name = unique("cancel")
    work = [mark(name), LONG]
    await tasks.create(manifest(name, [machines[0].address], tasks=work))
    await wait_for("it runs", lambda: machines[0].marks(name), lambda marks: marks == 1, seconds=30)
    await kubectl("patch", "at", name, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    await kubectl("wait", f"at/{name}", "--for=condition=Finished", "--timeout=40s")
    task = await tasks.get(name)
    assert (task.status.phase, task.status.reason) == ("Stopped", "Stopped")
    taken_back = await kubectl.ask(
        "patch", "at", name, "--type=merge", "-p", '{"spec":{"cancel":false}}'
    )
    assert "cancel can't be taken back" in taken_back.err
    assert await machines[0].marks(name) == 1


async def test_deleting_a_running_task_stops_it_and_leaves_nothing(
    kubectl: Kubectl, tasks: Tasks, machines: list[Machine]
) -> None:
    name = unique("delete")
    end = f"/tmp/end-{name}"
    # The local end of SSH is killed; the shell on the machine sees a hangup at its next write.
    work = [mark(name), LONG, {"raw": f"touch {end}"}]
    await tasks.create(manifest(name, [machines[0].address], tasks=work))
    await wait_for("it runs", lambda: machines[0].marks(name), lambda marks: marks == 1, seconds=30)
    uid = (await tasks.get(name)).metadata.uid
    await kubectl("delete", "at", name, "--wait=false")
    await wait_for(
        "the object is gone",
        lambda: kubectl.ask("get", "at", name),
        lambda answer: "NotFound" in answer.err,
        seconds=45,
    )
    await wait_for(
        "nothing is left",
        lambda: leftovers(tasks.client, tasks.namespace, uid),
        lambda found: found == [],
        seconds=45,
        every=1,
    )
    assert (await machines[0].run(f"ls {end} 2>/dev/null | wc -l")).strip() == "0"


async def test_two_tasks_of_one_name(
    kubectl: Kubectl, tasks: Tasks, machines: list[Machine]
) -> None:
    older, younger = unique("older"), unique("younger")
    same = {"taskName": unique("the same "), "tasks": [mark(younger)]}
    await tasks.create(manifest(older, [machines[0].address], **same))
    await tasks.ended(older)
    await tasks.create(manifest(younger, [machines[0].address], **same))
    task = await tasks.ended(younger, seconds=20)
    assert (task.status.phase, task.status.reason) == ("Failed", "NameConflict")
    assert older in task.status.message
    assert (await tasks.get(older)).status.phase == "Succeeded"
    assert await machines[0].marks(younger) == 1, "only the older one ran"
    await tasks.let_go(younger)
    await kubectl("delete", "at", younger, "--timeout=20s")


async def test_a_job_of_that_name_that_is_not_ours_is_never_adopted(
    kubectl: Kubectl, tasks: Tasks, machines: list[Machine]
) -> None:
    name = unique("theirs")
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "suspend": True,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "c", "image": "none", "command": ["true"]}],
                }
            },
        },
    }
    await kubectl("create", "-f", "-", stdin=job)
    await tasks.create(manifest(name, [machines[0].address], tasks=[mark(name)]))
    task = await tasks.ended(name, seconds=20)
    assert (task.status.phase, task.status.reason) == ("Failed", "NameConflict")
    found = await kubectl.json("get", "job", name)
    assert "ownerReferences" not in found["metadata"]
    assert await machines[0].marks(name) == 0


async def test_invalid_objects_are_refused_with_a_sentence(
    kubectl: Kubectl, addresses: list[str]
) -> None:
    refused = {
        "no hosts": (manifest("x", []), "should have at least 1 items"),
        "two kinds of work": (
            manifest("x", addresses, tasks=[{}], roles=[{"role": "r"}]),
            "exactly one of tasks, roles, playbook and work must be set",
        ),
        "an unknown field": (
            {**manifest("x", addresses), "spec": {"hosts": ["a"], "tasks": [{}], "host": 1}},
            'unknown field "spec.host"',
        ),
        "a long name": (manifest("x" * 53, addresses), "at most 52 characters"),
    }
    for what, (body, sentence) in refused.items():
        answer = await kubectl.ask("create", "-f", "-", stdin=body)
        assert answer.code != 0, what
        assert sentence in answer.err, what


async def test_the_object_stays_small_and_carries_no_last_applied_surprise(
    kubectl: Kubectl, addresses: list[str], controller: HostProcess
) -> None:
    assert controller.running
    name = unique("size")
    await kubectl("apply", "--server-side", "-f", "-", stdin=manifest(name, addresses))
    await kubectl("wait", f"at/{name}", "--for=condition=Finished", "--timeout=60s")
    stored = await kubectl.json("get", "at", name, "--show-managed-fields")
    assert len(json.dumps(stored)) < 16 * 1024
