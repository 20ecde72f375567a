"""Results and logs outlive the pod, and nothing outlives the task."""

from tests.cluster.platform.calls import RUNNING, SUCCESS, Octans, log, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.leftovers import leftovers
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.programs import restarted
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for


async def test_check_and_getlog_answer_the_same_after_job_and_pod_are_gone(
    octans: Octans, kubectl: Kubectl, tasks: Tasks, addresses: list[str]
) -> None:
    correlation = unique("archive")
    work = [{"name": "say", "shell": "echo it was {{ inventory_hostname }}"}]
    number = await octans.run(
        unique("archive"), addresses, work, headers={"X-CORRELATION-ID": correlation}
    )
    seen = await octans.ended(number)
    lines = await octans.getlog(correlation)
    assert len(log(seen)) == len(lines) == 3
    job = (await tasks.by_id(number)).status.job_name
    assert job is not None
    await kubectl("delete", "job", job, "--cascade=foreground", "--timeout=60s")
    assert (await kubectl("get", "pods", f"--selector=job-name={job}")).strip() == ""
    assert await octans.check(number) == seen
    assert await octans.getlog(correlation) == lines
    assert (await tasks.by_id(number)).status.phase == "Succeeded"


async def test_a_large_log_is_kept_whole(
    octans: Octans, tasks: Tasks, addresses: list[str]
) -> None:
    """18 results of 12,000 characters that hardly compress, each in several frames."""
    work = [
        {"name": f"much {number}", "shell": "head -c 9000 /dev/urandom | base64 -w0"}
        for number in range(6)
    ]
    number = await octans.run(unique("large"), addresses, work, fork_num=3)
    seen = await octans.ended(number, seconds=90)
    assert seen["status"] == SUCCESS
    task = await tasks.by_id(number)
    assert task.status.log is not None
    assert task.status.log.complete, task.status.log
    assert task.status.log.records >= 18
    texts = {(result["host"], result["task"]): result["stdout"] for result in log(seen)}
    assert all(len(text) == 12_000 for text in texts.values())
    assert len(texts) == 18
    assert len(set(texts.values())) == 18


async def test_after_its_ttl_nothing_of_a_task_is_left(
    octans: Octans, controller: HostProcess, kubectl: Kubectl, tasks: Tasks, addresses: list[str]
) -> None:
    """One that went well, one that failed and one that was stopped."""
    async with restarted(controller, OCTANS_RESYNC_SECONDS="3"):
        await _live_and_go(octans, kubectl, tasks, addresses)


async def _live_and_go(
    octans: Octans, kubectl: Kubectl, tasks: Tasks, addresses: list[str]
) -> None:
    short = {"ttlSecondsAfterFinished": 1}
    failed = manifest(unique("failed"), addresses[:1], sshKeySecret="octans-none", **short)
    stopped = manifest(unique("stopped"), addresses[:1], cancel=True, **short)
    uids = [(await tasks.create(body)).metadata.uid for body in (failed, stopped)]

    name, params = unique("ttl"), {"a_password": "not-for-long"}
    number = await octans.run(name, addresses[:1], [{"raw": "sleep 2"}], params=params)
    await octans.reaches(number, {RUNNING}, seconds=30)
    task = await tasks.by_id(number)
    uid = task.metadata.uid
    assert await _kinds(tasks, uid) == {"ansibletasks", "jobs", "pods", "secrets"}
    patch = '{"spec":{"ttlSecondsAfterFinished":5}}'
    await kubectl("patch", "at", task.metadata.name, "--type=merge", "-p", patch)
    await octans.ended(number)
    await tasks.let_go(task.metadata.name)
    kept = {"ansibletasks", "configmaps", "jobs", "pods"}
    assert await _kinds(tasks, uid) == kept, "Secrets go at the end"

    async def left() -> set[str]:
        return set().union(*[await _kinds(tasks, of) for of in (uid, *uids)])

    # Old tasks are looked for with every resync.
    await wait_for("nothing is left", left, lambda found: not found, seconds=40, every=0.5)
    answer = await octans.post("check", {"id": number})
    assert (answer.status_code, answer.json()["message"]) == (404, "task not found...")
    again = await octans.run(name, addresses[:1], [{"raw": "true"}])
    assert again == number, "the name is free again"
    assert (await octans.ended(again))["status"] == SUCCESS


async def _kinds(tasks: Tasks, uid: str) -> set[str]:
    """Of which kinds a task of a uid still has objects."""
    found = await leftovers(tasks.client, tasks.namespace, uid)
    return {title.split("/")[0] for title in found}


async def test_the_name_of_a_deleted_task_is_free_again(
    octans: Octans, kubectl: Kubectl, tasks: Tasks, addresses: list[str]
) -> None:
    name = unique("reused")
    number = await octans.run(name, addresses[:1], [{"raw": "sleep 60"}])
    await octans.reaches(number, {RUNNING}, seconds=30)
    task = await tasks.by_id(number)
    await kubectl("delete", "at", task.metadata.name, "--wait=false")
    body = {"name": name, "nodes": addresses[:1], "tasks": [{"raw": "true"}], "gather_facts": False}
    early = await octans.post("run", body)
    assert (early.status_code, early.json()["message"]) == (400, "task name is duplicate")
    await wait_for(
        "the name is free",
        lambda: octans.post("run", body),
        lambda answer: answer.status_code == 200,
        seconds=50,
        every=0.5,
    )
    seen = await octans.ended(number)
    assert seen["status"] == SUCCESS, "the new task's result, not the old one's"
