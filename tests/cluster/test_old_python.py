"""A machine whose only Python is 2.7: out of reach of today's Ansible, not of the second runner."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.cluster.platform import machines as machines_module
from tests.cluster.platform.calls import unique
from tests.cluster.platform.given import Given
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Keys, Machine
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.programs import OLD_RUNNER
from tests.cluster.platform.tasks import Tasks, manifest

KNOWN_HOSTS = "octans-known-hosts-of-old"
LITERAL = "{{ lookup('pipe', 'id') }}"


@pytest_asyncio.fixture(scope="module")
async def old_machine(
    given: Given, installation: Installation, keys: Keys
) -> AsyncIterator[Machine]:
    """A machine without Python 3, and the Secret by which tasks know its host key."""
    namespace = f"{given.name}-old"
    kubectl = Kubectl(given.kubectl, given.kubeconfig, namespace)
    await kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s")
    await kubectl("create", "namespace", namespace)
    try:
        (machine,) = await machines_module.start(kubectl, given.old_machine_image, keys, 1)
        known = f"--from-literal=known_hosts={keys.known_hosts([machine])}"
        await installation.kubectl("create", "secret", "generic", KNOWN_HOSTS, known)
        yield machine
    finally:
        await kubectl("delete", "namespace", namespace, "--timeout=120s")


WORK: list[dict[str, Any]] = [
    {"name": "facts", "assert": {"that": ["ansible_python_version.startswith('2.7.')"]}},
    {"name": "data stays data", "shell": "echo {{ text | quote }} > /root/text"},
    {"name": "copy", "copy": {"content": "hello\n", "dest": "/root/copied", "mode": "0600"}},
    {"name": "user", "user": {"name": "operator"}},
    {"name": "line", "lineinfile": {"path": "/root/copied", "line": "one more"}},
    {"name": "script", "longscript": {"content": "if [[ -f /root/copied ]]; then echo there; fi"}},
    {"name": "see", "stat": {"path": "/root/copied"}, "register": "seen"},
    {"name": "is it right", "assert": {"that": ["seen.stat.mode == '0600'", "seen.stat.size > 6"]}},
]


async def test_the_second_runner_works_on_python_2_7(
    old_machine: Machine, controller: HostProcess, tasks: Tasks
) -> None:
    assert controller.running
    assert await old_machine.run("ls /usr/bin/python*") == "/usr/bin/python2.7\n"
    body = manifest(
        unique("old"), [old_machine.address], tasks=WORK, runner=OLD_RUNNER, gatherFacts=True,
        knownHostsSecret=KNOWN_HOSTS, vars={"text": LITERAL},
    )  # fmt: skip
    await tasks.create(body)
    task = await tasks.ended(body["metadata"]["name"])
    assert task.status.log is not None
    assert task.status.reason == "Completed", f"{task.status.message}\n{task.status.log.tail}"
    assert task.status.hosts[0].ok == len(WORK) + 1
    assert await old_machine.run("cat /root/text") == f"{LITERAL}\n"
    assert await old_machine.run("cat /root/copied") == "hello\none more\n"


async def test_the_current_runner_says_why_it_can_not(
    old_machine: Machine, controller: HostProcess, tasks: Tasks
) -> None:
    assert controller.running
    body = manifest(
        unique("old"), [old_machine.address], tasks=[{"command": "true"}],
        knownHostsSecret=KNOWN_HOSTS,
    )  # fmt: skip
    await tasks.create(body)
    task = await tasks.ended(body["metadata"]["name"])
    assert task.status.reason == "HostsFailed"
    print(task.status.hosts[0].message)
    assert "ython" in (task.status.hosts[0].message or ""), "Ansible's own words"
