"""Planted secrets are in no object, log, event, answer or metric: only where they were put."""

import asyncio
import secrets
from base64 import b64decode
from typing import Any

from crds import names
from crds.client import SECRETS, TASKS
from crds.configmaps import ConfigMapArchive
from tests.cluster.platform.calls import SUCCESS, Octans, Work, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Keys, Machine, mark_file
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for

READABLE = "ansibletasks,jobs,pods,configmaps,events,leases"


async def test_params_arrive_on_the_machine_and_nowhere_else(
    octans: Octans,
    tasks: Tasks,
    kubectl: Kubectl,
    api: HostProcess,
    controller: HostProcess,
    machines: list[Machine],
) -> None:
    canary = f"canary-{secrets.token_hex(12)}"
    name = unique("canary")
    file = mark_file(name)
    params = {"db_password": canary, "greeting": "hello"}
    work: Work = [
        {
            "name": "use",
            "shell": f"echo {{{{ db_password }}}} > {file}; echo {{{{ db_password }}}}",
        },
        {"name": "show", "debug": {"var": "db_password"}},
        {"name": "break", "shell": "echo {{ db_password }} >&2; exit 1", "ignore_errors": True},
        {"name": "quiet", "shell": "echo {{ db_password }}", "no_log": True},
        {"name": "pause", "raw": "sleep 3"},
    ]
    headers = {"X-CORRELATION-ID": name}
    answers: list[str] = []
    number = await octans.run(name, [machines[0].address], work, params=params, headers=headers)
    pod_log = await wait_for(
        "the last task's frame in the pod's log",
        lambda: _pod_logs(kubectl, number),
        lambda text: text.count('"kind":"task"') >= 4,
        seconds=40,
    )
    holders = await _holders(tasks, canary)
    assert len(holders) == 1
    assert names.is_params_secret(_object(number), holders[0])
    seen = await octans.ended(number)
    assert seen["status"] == SUCCESS
    assert (await machines[0].run(f"cat {file}")).strip() == canary, "the play did get it"
    answers += [str(seen), str(await octans.getlog(name))]
    twice = {"name": name, "nodes": ["192.0.2.1"], "tasks": work, "params": params}
    answers.append((await octans.post("run", twice)).text)
    answers.append((await octans.post("run", {**twice, "params": {"ansible_x": canary}})).text)
    answers.append((await octans.http.get("/metrics")).text)

    places = {
        "objects": await kubectl("get", READABLE, "-o", "yaml", "--show-managed-fields"),
        "descriptions": await kubectl("describe", "pods,jobs,ansibletasks"),
        "archive": await _archive(tasks, number),
        "the pod's log": pod_log + await _pod_logs(kubectl, number),
        "the API's log": api.log.read_text(),
        "the controller's log": controller.log.read_text(),
        "answers": "\n".join(answers),
    }
    assert [place for place, text in places.items() if canary in text] == []
    assert "hello" not in places["objects"], "params stand in no task object at all"
    await tasks.let_go(_object(number))
    assert await _holders(tasks, canary) == [], "at the end the Secret itself goes"


async def _holders(tasks: Tasks, text: str) -> list[str]:
    """Names of the namespace's Secrets that hold a text."""
    page = await tasks.client.list(SECRETS, tasks.namespace)
    return sorted(item["metadata"]["name"] for item in page.items if _holds(item, text))


def _object(number: int) -> str:
    return names.object_name(number)


async def _pod_logs(kubectl: Kubectl, number: int) -> str:
    answer = await kubectl.ask("logs", f"--selector=job-name={_object(number)}", "--tail=-1")
    return answer.out


async def _archive(tasks: Tasks, number: int) -> str:
    """The archive's chunks, unpacked."""
    archive = ConfigMapArchive(tasks.client, tasks.namespace)
    chunks = [chunk async for chunk in archive.read(await tasks.by_id(number))]
    assert chunks, "there must be an archive to search"
    return b"\n".join(line for chunk in chunks for line in chunk.lines()).decode()


def _holds(secret: dict[str, Any], text: str) -> bool:
    return any(text.encode() in b64decode(value) for value in secret.get("data", {}).values())


async def test_the_ssh_key_and_a_named_secret_stay_where_they_are(
    tasks: Tasks,
    kubectl: Kubectl,
    controller: HostProcess,
    keys: Keys,
    machines: list[Machine],
) -> None:
    canary = f"canary-{secrets.token_hex(12)}"
    name = unique("named")
    secret = f"octans-{name}"
    key_line = keys.private.splitlines()[2]
    holders_of_the_key = await _holders(tasks, key_line)
    assert "octans-ssh" in holders_of_the_key
    await kubectl("create", "secret", "generic", secret, f"--from-literal=api_token={canary}")
    file = mark_file(name)
    work = [{"name": "use", "shell": f"echo {{{{ api_token }}}} | tee {file}"}]
    body = manifest(name, [machines[0].address], tasks=work, varsFrom=[{"name": secret}])
    await tasks.create(body)
    assert (await tasks.ended(name)).status.phase == "Succeeded"
    assert (await machines[0].run(f"cat {file}")).strip() == canary
    texts = await asyncio.gather(
        kubectl("get", READABLE, "-o", "yaml"),
        kubectl("logs", f"--selector=job-name={name}", "--tail=-1"),
    )
    everything = "\n".join([*texts, controller.log.read_text()])
    assert canary not in everything
    assert key_line not in everything
    assert await _holders(tasks, canary) == [secret]
    assert await _holders(tasks, key_line) == holders_of_the_key, "no further copy"


async def test_a_task_may_not_read_other_secrets_of_the_namespace(
    tasks: Tasks, controller: HostProcess, addresses: list[str]
) -> None:
    assert controller.running
    victim = unique("victim")
    await tasks.create(manifest(victim, addresses[:1]))
    await tasks.ended(victim)
    fields: tuple[dict[str, Any], ...] = (
        {"varsFrom": [{"name": f"{victim}-input"}]},
        {"becomePasswordSecret": "root-password"},
        {"varsFrom": [{"name": "thief-2-password"}]},
    )
    for number, field in enumerate(fields):
        # The third one is called as the Secret begins that it is after.
        name = f"thief-{number}" if number == 2 else unique(f"thief-{number}")
        await tasks.create(manifest(name, addresses[:1], **field))
        task = await tasks.ended(name, seconds=20)
        assert (task.status.phase, task.status.reason) == ("Failed", "SecretNotAllowed")
    page = await tasks.client.list(TASKS, tasks.namespace)
    assert victim in [item["metadata"]["name"] for item in page.items]
