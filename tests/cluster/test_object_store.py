"""Logs in an object store instead of ConfigMaps: kept, read, removed; and the store away."""

from crds import names
from crds.model import LogStatus
from tests.cluster.platform.calls import RUNNING, SUCCESS, Octans, log, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine, held, let_go
from tests.cluster.platform.output import much, overflow_is_whole
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.programs import restarted
from tests.cluster.platform.stores import Store
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for


async def gone(kubectl: Kubectl, name: str, *, seconds: float = 30) -> None:
    """Wait until a task's object is gone."""
    await wait_for(
        f"{name} is gone",
        lambda: kubectl.ask("get", "at", name, "-o", "jsonpath={.metadata}"),
        lambda answer: answer.code != 0,
        seconds=seconds,
    )


async def kept(tasks: Tasks, name: str, *, whole: bool, seconds: float = 30) -> LogStatus:
    """What status says of an ended task's log once that is whole, or once it is told not to be."""
    task = await wait_for(
        f"the log of {name} is {'whole' if whole else 'told as lacking'}",
        lambda: tasks.get(name),
        lambda task: task.finished and task.status.log is not None
        and task.status.log.complete is whole,
        seconds=seconds,
    )  # fmt: skip
    assert task.status.log is not None
    return task.status.log


async def test_logs_are_kept_in_the_store_and_read_from_it(
    store: Store, octans: Octans, tasks: Tasks, kubectl: Kubectl, addresses: list[str]
) -> None:
    label = unique("stored")
    work = [{"name": "say", "shell": "echo it was {{ inventory_hostname }}"}]
    number = await octans.run(label, addresses, work, headers={"X-CORRELATION-ID": label})
    split = unique("split")
    await tasks.create(manifest(split, addresses, slices=3, correlationId=label, tasks=work))
    seen = await octans.ended(number)
    await tasks.ended(split)
    for name in (names.object_name(number), split):
        found = await kept(tasks, name, whole=True)
        assert (found.archive, found.missing) == (store.url, ())
        task = await tasks.get(name)
        uid = task.metadata.uid
        slices = {name.partition("/")[0] for name in store.objects(uid)}
        assert slices == {str(part.index) for part in task.status.slices}
        chunks = await kubectl("get", "configmaps", f"--selector={names.LABEL_TASK_UID}={uid}")
        assert chunks.strip() == ""
        await kubectl("delete", "job", name, "--cascade=foreground", "--timeout=60s")
    assert await octans.check(number) == seen
    said = sorted(result["stdout"] for result in log(seen))
    assert said == sorted(f"it was {host}" for host in addresses)
    assert sorted(line.host for line in await octans.getlog(label)) == sorted(addresses * 2)
    assert len(log(await octans.check(split))) == 3


async def test_a_log_goes_with_its_task_and_with_no_other(
    store: Store, octans: Octans, tasks: Tasks, kubectl: Kubectl, addresses: list[str]
) -> None:
    """Deleted, expired, deleted while it runs; beside what another installation keeps there."""
    stranger = store.folder / "0b5f4d0e-0000-4000-8000-000000000000" / "0" / "1-1.gz"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"another installation's")
    deleted, expired, running = unique("deleted"), unique("expired"), unique("running")
    await tasks.create(manifest(deleted, addresses[:1]))
    await tasks.create(manifest(expired, addresses[:1], ttlSecondsAfterFinished=2))
    sleep = [{"raw": "echo begun"}, {"raw": "sleep 100"}]
    await tasks.create(manifest(running, addresses[:1], tasks=sleep))
    uids = [(await tasks.get(name)).metadata.uid for name in (deleted, expired, running)]
    await kept(tasks, deleted, whole=True)
    assert store.objects(uids[0])
    await wait_for(
        "something of the running task is kept",
        lambda: store.has_some(uids[2]),
        bool,
        seconds=40,
    )
    for name in (deleted, running):
        await kubectl("delete", "at", name, "--wait=false")
    for name in (deleted, expired, running):
        await gone(kubectl, name, seconds=60)
    assert [store.objects(uid) for uid in uids] == [[], [], []]
    assert stranger.exists()
    assert (await octans.post("check", {"name": deleted})).status_code == 404


async def test_a_store_that_is_away_holds_up_no_end(
    store: Store, octans: Octans, tasks: Tasks, addresses: list[str]
) -> None:
    label = unique("away")
    async with store.server.away():
        number = await octans.run(
            label, addresses[:1], [{"raw": "echo hi"}], headers={"X-CORRELATION-ID": label}
        )
        ended = await octans.ended(number, seconds=40)
        assert (ended["status"], ended["log_complete"]) == (SUCCESS, False), ended
        lacking = await kept(tasks, names.object_name(number), whole=False)
        assert lacking.missing
        assert f"{store.url} did not answer." in (lacking.message or ""), lacking
        told = await octans.post("check", {"id": number})
        assert told.headers["Warning"] == '''299 - "the log can't be read, or not all of it"'''
        lines = await octans.post("getlog", {}, {"X-CORRELATION-ID": label})
        assert (lines.status_code, lines.headers["Retry-After"]) == (503, "15")
        assert "archive of the logs" in lines.text
    found = await kept(tasks, names.object_name(number), whole=True, seconds=60)
    assert (found.missing, found.message) == ((), None)
    told = await wait_for(
        "the log can be read again",
        lambda: octans.post("check", {"id": number}),
        lambda answer: "Warning" not in answer.headers,
        seconds=5,
    )
    assert [result["stdout"] for result in log(told.json()["content"])] == ["hi\r\n"]
    assert [line.result for line in await octans.getlog(label)] == ["ok"]


async def test_a_silent_store_holds_up_no_end_and_no_stop(
    store: Store, octans: Octans, tasks: Tasks, addresses: list[str]
) -> None:
    name = unique("silent")
    with store.server.silent():
        number = await octans.run(name, addresses[:1], [{"raw": "sleep 100"}])
        await octans.reaches(number, {RUNNING}, seconds=30)
        await octans.stop(number)
        ended = await octans.ended(number, seconds=40)
        assert (ended["phase"], ended["log_complete"]) == ("Stopped", False), ended
    await kept(tasks, names.object_name(number), whole=True, seconds=60)


async def test_a_controller_that_was_killed_goes_on_with_what_the_store_has(
    store: Store, octans: Octans, tasks: Tasks, controller: HostProcess,
    machines: list[Machine], addresses: list[str],
) -> None:  # fmt: skip
    name = unique("killed")
    number = await octans.run(name, addresses[:1], [{"raw": "echo before"}, *held(name)])
    uid = (await tasks.by_id(number)).metadata.uid
    await wait_for("a chunk", lambda: store.has_some(uid), bool, seconds=40)
    await controller.kill()
    await let_go(machines[0], name)
    await controller.start(**store.environment)
    ended = await octans.ended(number)
    assert (ended["status"], ended["log_complete"]) == (SUCCESS, True), ended
    assert len(store.objects(uid)) > 1
    assert len({result["task"] for result in log(ended)}) == len(log(ended))


async def test_a_deletion_is_never_stuck(
    store: Store, tasks: Tasks, kubectl: Kubectl, controller: HostProcess, addresses: list[str]
) -> None:
    name = unique("stuck")
    task = await tasks.create(manifest(name, addresses[:1]))
    await kept(tasks, name, whole=True)
    async with restarted(controller, **store.environment, OCTANS_ARCHIVE_GIVE_UP="4"):
        async with store.server.away():
            await kubectl("delete", "at", name, "--wait=false")
            await gone(kubectl, name, seconds=60)
        said = await kubectl.json(
            "get", "events", f"--field-selector=reason=LogLeft,involvedObject.name={name}"
        )
        (event,) = said["items"]
        assert task.metadata.uid in event["message"], event
        assert event["message"].startswith(f"{store.url} did not answer")
    assert store.objects(task.metadata.uid), "what could not be removed is left"


async def test_output_beyond_the_limit_of_a_pod_is_kept_whole(
    store: Store, octans: Octans, tasks: Tasks, kubectl: Kubectl, addresses: list[str]
) -> None:
    """30 MB; a whole fault test has 200 MB of it (faults/test_log_content.py)."""
    label, results = unique("much"), 2300
    work = much(results)
    number = await octans.run(
        label, addresses[:1], work, headers={"X-CORRELATION-ID": label}, verbosity=1
    )
    ended = await octans.ended(number, seconds=240)
    assert ended["log_complete"], ended["message"]
    task = await tasks.by_id(number)
    await overflow_is_whole(store, task, results)
    await kubectl("delete", "job", task.metadata.name, "--cascade=foreground", "--timeout=60s")
    told = await octans.check(number)
    assert len(told["log"]) < 1100 * 1024
    assert log(told)[-1]["task"] == "last"
    lines = await octans.getlog(label)
    assert {line.result for line in lines} == {"ok"}
    assert [line.host for line in lines] == addresses[:1] * len(work)
