"""Secrets that are there, but wrong: told by name and key before any machine is tried."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster.platform import programs
from tests.cluster.platform.calls import FAILED, Octans, unique
from tests.cluster.platform.kubectl import Kubectl, run
from tests.cluster.platform.machines import Keys
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest


@pytest_asyncio.fixture
async def secrets(kubectl: Kubectl, keys: Keys, tmp_path: Path) -> AsyncIterator[None]:
    """One Secret for each row, and one with a key that lacks its last line feed."""
    locked = tmp_path / "locked"
    await run("ssh-keygen", "-q", "-t", "ed25519", "-N", "planted", "-f", str(locked))
    values = {
        "octans-other-name": {"id_ed25519": keys.private},
        "octans-locked": {"ssh-privatekey": locked.read_text()},
        "octans-public": {"ssh-privatekey": keys.public},
        "octans-words": {"ssh-privatekey": "planted"},
        "octans-hosts": {"hosts": "planted"},
        "octans-pass": {"pass": "planted"},
        "octans-pasted": {"ssh-privatekey": keys.private.replace("\n", "\r\n").rstrip()},
    }
    items = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
        for name, data in values.items()
    ]
    await kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": items})
    yield
    await kubectl("delete", "secret", *values)


SAID = {
    # field of the spec, Secret, what the message says
    "another key": (
        "sshKeySecret",
        "octans-other-name",
        "no key ssh-privatekey; it has id_ed25519",
    ),
    "a passphrase": ("sshKeySecret", "octans-locked", "ssh-privatekey of the Secret octans-locked"),
    "a public key": ("sshKeySecret", "octans-public", "holds a public key"),
    "no key": ("sshKeySecret", "octans-words", "holds no private key"),
    "hosts": ("knownHostsSecret", "octans-hosts", "no key known_hosts; it has hosts"),
    "pass": ("becomePasswordSecret", "octans-pass", "no key password; it has pass"),
}


@pytest.mark.usefixtures("controller", "secrets")
async def test_secrets_of_a_task(tasks: Tasks, addresses: list[str]) -> None:
    async def told(field: str, secret: str, said: str) -> None:
        name = unique("secret")
        await tasks.create(manifest(name, addresses[:1], **{field: secret}))
        task = await tasks.ended(name)
        assert (task.status.phase, task.status.reason) == ("Failed", "SecretInvalid"), task.status
        assert said in task.status.message
        assert secret in task.status.message
        assert "planted" not in json.dumps(task.status.wire())

    async def works() -> None:
        name = unique("pasted")
        await tasks.create(manifest(name, addresses[:1], sshKeySecret="octans-pasted"))
        task = await tasks.ended(name)
        assert task.status.phase == "Succeeded", task.status

    await asyncio.gather(works(), *(told(*row) for row in SAID.values()))


@pytest.mark.usefixtures("secrets")
async def test_secrets_of_the_installation(
    octans: Octans, controller: HostProcess, addresses: list[str]
) -> None:
    """Over HTTP, where no task names a Secret."""
    wrong = {"OCTANS_SSH_KEY_SECRET": "octans-other-name"}
    async with programs.restarted(controller, **wrong):
        number = await octans.run(unique("secret"), addresses[:1], [{"raw": "true"}])
        seen = await octans.ended(number)
    assert (seen["status"], seen["reason"]) == (FAILED, "SecretInvalid")
    assert (
        "the Secret octans-other-name has no key ssh-privatekey; it has id_ed25519" in seen["err"]
    )
