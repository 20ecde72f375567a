"""A namespace without room for ConfigMaps, events or Secrets: what only records holds up no end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from crds import names
from tests.cluster.platform.calls import SUCCESS, Octans, log, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine, held, let_go, mark
from tests.cluster.platform.pods import bound
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.quotas import quota
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for


async def test_an_archive_that_cannot_be_written_holds_up_no_end(
    octans: Octans, tasks: Tasks, controller: HostProcess, kubectl: Kubectl,
    machines: list[Machine], addresses: list[str],
) -> None:  # fmt: skip
    """Ends, a stop, and the log of both, once there is room for it again."""
    del controller
    label, full = unique("unkept"), unique("full")
    there = len((await kubectl.json("get", "configmaps"))["items"])
    async with quota(kubectl, full, "count/configmaps", there):
        work = [mark(label)]
        number = await octans.run(unique("http"), addresses[:1], work, headers={
            "X-CORRELATION-ID": label})  # fmt: skip
        name, stopped = unique("kubectl"), unique("stopped")
        await tasks.create(manifest(name, addresses, slices=3, tasks=work))
        await tasks.create(manifest(stopped, addresses[:1], tasks=held(label)))
        ended = await octans.ended(number, seconds=30)
        assert (ended["status"], ended["log_complete"]) == (SUCCESS, False), ended
        made = await tasks.ended(name, seconds=30)
        assert made.status.phase == "Succeeded", made.status
        for task in (await tasks.by_id(number), made):
            kept = task.status.log
            assert kept is not None
            assert not kept.complete
            slices = range(task.spec.slice_count)
            assert [(gap.slice, gap.first) for gap in kept.missing] == [(at, 1) for at in slices]
            assert all(gap.last > 1 for gap in kept.missing)
            assert f"exceeded quota: {full}" in (kept.message or ""), kept.message
        # The pods still have what the archive lacks.
        told = await octans.post("getlog", {}, {"X-CORRELATION-ID": label})
        assert "reuslt = ok" in told.text
        assert told.headers["Warning"] == f'299 - "the log of {number} is incomplete"'
        assert [result["status"] for result in log(ended)] == ["ok"]
        await tasks.reaches(stopped, {"Running"})
        await octans.stop(stopped)
        halted = await tasks.ended(stopped, seconds=15)
        assert halted.status.phase == "Stopped", halted.status
        assert halted.status.log is not None
        assert full in (halted.status.log.message or "")
    # As soon as there is room, what was read is archived after all.
    for before in (await tasks.by_id(number), made, halted):
        after = await wait_for(
            f"the log of {before.metadata.name} is archived",
            partial(tasks.get, before.metadata.name),
            lambda task: task.status.log is not None and not task.status.log.missing,
            seconds=30,
        )
        assert after.status.log is not None
        assert (after.status.log.complete, after.status.log.message) == (True, None)
        assert after.status.phase == before.status.phase
    told = await octans.post("getlog", {}, {"X-CORRELATION-ID": label})
    assert "reuslt = ok" in told.text
    assert "Warning" not in told.headers
    await let_go(machines[0], label)


NO_EVENTS: dict[str, Any] = {
    "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "octans-test-no-events"},
    "spec": {
        "matchConstraints": {"resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
             "resources": ["events"]}]},
        "validations": [{"expression": "false", "message": "no events here"}],
    },
}  # fmt: skip


@asynccontextmanager
async def events_refused(kubectl: Kubectl) -> AsyncIterator[None]:
    """A namespace in which nobody may write events. (No quota counts them.)"""
    items = [NO_EVENTS, bound(NO_EVENTS, kubectl.namespace)]
    objects = {"apiVersion": "v1", "kind": "List", "items": items}
    probe = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": unique("probe")},
        "involvedObject": {"namespace": kubectl.namespace}, "reason": "Probe",
    }  # fmt: skip

    async def told(what: str, *, refused: bool) -> None:
        await wait_for(
            what,
            lambda: kubectl.ask("create", "-f", "-", "--dry-run=server", stdin=probe),
            lambda answer: ("no events here" in answer.err) is refused,
            seconds=30,
        )

    await kubectl("create", "-f", "-", stdin=objects)
    try:
        await told("events are refused", refused=True)
        yield
    finally:
        await kubectl("delete", "-f", "-", stdin=objects)
        await told("events are taken again", refused=False)


async def test_events_that_cannot_be_written_hold_up_no_end(
    octans: Octans, tasks: Tasks, controller: HostProcess, kubectl: Kubectl, addresses: list[str]
) -> None:
    del controller
    async with events_refused(kubectl):
        number = await octans.run(unique("quiet"), addresses[:1], [{"raw": "true"}])
        stopped = unique("stopped")
        await tasks.create(manifest(stopped, addresses[:1], tasks=[{"raw": "sleep 60"}]))
        assert (await octans.ended(number, seconds=30))["status"] == SUCCESS
        await tasks.reaches(stopped, {"Running"})
        await octans.stop(stopped)
        assert (await tasks.ended(stopped, seconds=15)).status.phase == "Stopped"
        for name in (names.object_name(number), stopped):
            await tasks.let_go(name)
            events = await kubectl.json(
                "get", "events", f"--field-selector=involvedObject.name={name}"
            )
            assert events["items"] == []


async def test_params_that_find_no_room_are_told_so_and_can_be_sent_again(
    octans: Octans, controller: HostProcess, kubectl: Kubectl, addresses: list[str]
) -> None:
    del controller
    there = len((await kubectl.json("get", "secrets"))["items"])
    body = {
        "name": unique("params"), "nodes": addresses[:1], "gather_facts": False,
        "tasks": [{"raw": "true"}], "params": {"a": 1},
    }  # fmt: skip
    async with quota(kubectl, unique("full"), "count/secrets", there):
        answer = await octans.post("run", body)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "15"), answer.text
        assert answer.json() == {
            "code": -1, "message": "a quota of the tasks' namespace is used up, try again later"
        }  # fmt: skip
    number = (await octans.content("run", body))["id"]
    assert (await octans.ended(number))["status"] == SUCCESS
