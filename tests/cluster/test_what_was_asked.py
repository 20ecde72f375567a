"""What was asked is what runs, over HTTP and as an object."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from ansible.parsing.vault import VaultLib, VaultSecret

from crds.client import TASKS
from tests.cluster.platform.calls import FAILED, SUCCESS, Octans, Work, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine, mark, mark_file
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for

pytestmark = pytest.mark.usefixtures("controller")

SECONDS = 120


def prompt(label: str, **more: Any) -> Work:
    """A play that asks for a release and writes it into the marker file."""
    write = {"raw": f"echo '{{{{ release }}}}' > {mark_file(label)}"}
    ask = {"name": "release", **more}
    return [{"hosts": "all", "gather_facts": False, "vars_prompt": [ask], "tasks": [write]}]


def script(label: str) -> Work:
    lines = ["if true; then", f"  echo done > {mark_file(label)}", "fi"]
    return [{"longscript": {"content": "\r\n".join(lines)}}]


ROWS: dict[str, tuple[Callable[[str], Work], dict[str, Any], str]] = {
    # work, variables, what is in the marker file; or else what the message says
    "a prompt is answered": (
        lambda label: prompt(label, default="1.0"), {"release": "2.4.1"}, "2.4.1\n",
    ),
    "nobody answers": (prompt, {}, "vars_prompt asks for 'release'"),
    "a browser's line ends": (script, {}, "done\n"),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
async def test_rows(octans: Octans, tasks: Tasks, machines: list[Machine], row: str) -> None:
    work, variables, expected = ROWS[row]
    host, http, made = machines[0].address, unique("http"), unique("object")
    form = "playbook" if "hosts" in work("x")[0] else "tasks"
    number, _ = await asyncio.gather(
        octans.run(http, [host], work(http), params=variables or None),
        tasks.create(manifest(made, [host], vars=variables, **{form: work(made)})),
    )
    seen, task = await asyncio.gather(
        octans.ended(number, seconds=SECONDS), tasks.ended(made, seconds=SECONDS)
    )
    files = [
        await machines[0].run(f"cat {mark_file(name)} 2>/dev/null || true") for name in (http, made)
    ]
    if expected.endswith("\n"):
        assert files == [expected, expected]
        assert (seen["status"], task.status.phase) == (SUCCESS, "Succeeded")
        return
    assert files == ["", ""]
    assert (seen["status"], task.status.reason) == (FAILED, "PlaybookInvalid")
    assert expected in seen["err"]
    assert expected in task.status.message


PASSWORD, PLANTED = "open sesame", "planted plain text"


@pytest_asyncio.fixture
async def vault(kubectl: Kubectl) -> AsyncIterator[str]:
    """A Secret with a vault password."""
    name = unique("octans-vault")
    await kubectl("create", "secret", "generic", name, f"--from-literal=password={PASSWORD}")
    yield name
    await kubectl("delete", "secret", name)


async def test_vaulted_text(
    octans: Octans, tasks: Tasks, kubectl: Kubectl, machines: list[Machine], vault: str
) -> None:
    """As kubectl leaves it of `!vault`: HTTP callers have no vault, and are told so."""
    cipher = VaultLib([("default", VaultSecret(PASSWORD.encode()))]).encrypt(PLANTED).decode()
    host, http, made = machines[0].address, unique("http"), unique("vault")

    def work(label: str) -> Work:
        copy = {"dest": mark_file(label), "content": "{{ word }}"}
        return [{"copy": copy, "vars": {"word": cipher}}]

    body = manifest(made, [host], tasks=work(made), vaultPasswordSecret=vault)
    number, _ = await asyncio.gather(
        octans.run(http, [host], work(http)), kubectl("create", "-f", "-", stdin=body)
    )
    seen, task = await asyncio.gather(
        octans.ended(number, seconds=SECONDS), tasks.ended(made, seconds=SECONDS)
    )
    assert task.status.phase == "Succeeded", task.status
    assert await machines[0].run(f"cat {mark_file(made)}") == PLANTED
    assert (seen["status"], seen["reason"]) == (FAILED, "PlaybookInvalid")
    assert "no vaultPasswordSecret is given" in seen["err"]


async def test_two_spellings_of_one_machine(
    octans: Octans, tasks: Tasks, machines: list[Machine]
) -> None:
    machine, http, made = machines[0], unique("http"), unique("object")
    nodes = [machine.address, f"{machine.address}:22"]
    number, _ = await asyncio.gather(
        octans.run(http, nodes, [mark(http)]),
        tasks.create(manifest(made, nodes, tasks=[mark(made)])),
    )
    seen, task = await asyncio.gather(octans.ended(number), tasks.ended(made))
    assert [await machine.marks(name) for name in (http, made)] == [1, 1]
    assert seen["nodes"] == f'["{machine.address}"]'
    assert [host.name for host in task.status.hosts] == nodes[:1]
    assert task.status.host_counts is not None
    assert (task.status.host_counts.total, task.status.host_counts.ok) == (1, 1)


async def test_machines_are_exclusive_however_they_are_written(
    tasks: Tasks, machines: list[Machine]
) -> None:
    machine, holder, second = machines[0], unique("holder"), unique("second")
    long = [mark(holder), {"raw": "sleep 120"}]
    await tasks.create(manifest(holder, [machine.address], tasks=long))
    await wait_for("it runs", lambda: machine.marks(holder), lambda n: n == 1, seconds=SECONDS)
    hosts = [f"{machine.address}:22"]
    await tasks.create(manifest(second, hosts, tasks=[mark(second)], exclusiveHosts=True))
    waits = await wait_for(
        "the other waits",
        lambda: tasks.get(second),
        lambda task: task.status.reason == "WaitingForHosts",
        seconds=30,
    )
    assert holder in waits.status.message
    await tasks.client.patch(TASKS, tasks.namespace, holder, {"spec": {"cancel": True}})
    assert (await tasks.ended(second, seconds=SECONDS)).status.phase == "Succeeded"


async def test_what_holds_in_each_slice_alone_is_said(
    octans: Octans, tasks: Tasks, machines: list[Machine]
) -> None:
    hosts = [machine.address for machine in machines[:2]]
    name, http, made = unique("once"), unique("http"), unique("object")
    work = [{**mark(name), "run_once": True}]
    body = {"name": http, "nodes": hosts, "tasks": work, "gather_facts": False}
    asked, _ = await asyncio.gather(
        octans.post("parallel_run", body, {"X-SOURCE": "deployer", "X-CORRELATION-ID": http}),
        tasks.create(manifest(made, hosts, tasks=work, slices=2)),
    )
    sentence = "The hosts are spread over 2 slices; run_once holds in each alone."
    assert asked.json()["message"] == sentence
    assert asked.headers["Warning"] == f'299 - "{sentence}"'
    seen, task = await asyncio.gather(
        octans.ended(asked.json()["content"]["id"]), tasks.ended(made)
    )
    assert seen["message"].endswith(sentence)
    assert task.status.message.endswith(sentence)
    assert [await machine.marks(name) for machine in machines[:2]] == [2, 2]


async def test_sudo_that_wants_a_terminal(
    octans: Octans, tasks: Tasks, machines: list[Machine]
) -> None:
    machine, rules = machines[1], "/etc/sudoers.d/terminal"
    await machine.run(f"echo 'Defaults requiretty' > {rules} && chmod 0440 {rules}")
    play = {
        "hosts": "all", "gather_facts": False, "become": True, "become_user": "nobody",
        "vars": {"ansible_remote_tmp": "/tmp/ansible-of-nobody"},
        "tasks": [{"command": "id -un"}],
    }  # fmt: skip
    try:
        made = unique("object")
        numbers = await asyncio.gather(
            octans.run(unique("piped"), [machine.address], [play]),
            octans.run(unique("terminal"), [machine.address], [play], pipelining=False),
        )
        await tasks.create(manifest(made, [machine.address], playbook=[play], pipelining=False))
        piped, terminal = await asyncio.gather(*map(octans.ended, numbers))
        task = await tasks.ended(made)
    finally:
        await machine.run(f"rm {rules}")
    assert piped["status"] == FAILED
    assert "tty" in piped["err"]
    assert (terminal["status"], task.status.phase) == (SUCCESS, "Succeeded"), terminal["err"]
