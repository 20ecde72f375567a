"""Machines to manage: pods of cluster/images/machine, whose SSH host keys are known."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.cluster.platform.kubectl import Kubectl, run

_KEYS: Final = "machine-keys"


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine; `address` is what tasks call it."""

    kubectl: Kubectl
    pod: str
    address: str

    async def run(self, command: str) -> str:
        """What a shell command on it writes, not through SSH."""
        return await self.kubectl("exec", self.pod, "--", "/bin/sh", "-c", command)

    async def marks(self, name: str) -> int:
        """How many start markers of that name plays have left on it."""
        return int(await self.run(f"cat {mark_file(name)} 2>/dev/null | wc -l"))


def mark_file(name: str) -> str:
    """Where the start markers of a name stand on a machine."""
    return f"/tmp/mark-{name}"


def mark(name: str) -> dict[str, Any]:
    """The Ansible task that leaves a start marker; raw, so it costs one SSH command."""
    return {"name": f"mark {name}", "raw": f"echo started >> {mark_file(name)}"}


@dataclass(frozen=True, slots=True)
class Keys:
    """One session's SSH keys: the private one of the tasks, and the machines' host key."""

    private: str
    public: str
    host_private: str
    host_public: str

    @classmethod
    async def make(cls, folder: Path) -> "Keys":
        """New ones, made by ssh-keygen."""
        for name in ("task", "host"):
            await run(
                "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)
            )

        def text(name: str) -> str:
            return (folder / name).read_text()

        return cls(text("task"), text("task.pub"), text("host"), text("host.pub"))

    def known_hosts(self, machines: list[Machine]) -> str:
        """The known_hosts lines of some machines."""
        kind, key = self.host_public.split()[:2]
        return "".join(f"{machine.address} {kind} {key}\n" for machine in machines)


async def start(kubectl: Kubectl, image: str, keys: Keys, count: int) -> list[Machine]:
    """That many machines in kubectl's namespace, with SSH servers that answer."""
    objects = [_secret(keys), *(_pod(f"machine-{number}", image) for number in range(count))]
    await kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": objects})
    return await ready(kubectl)


async def ready(kubectl: Kubectl) -> list[Machine]:
    """The machines of kubectl's namespace, once their SSH servers answer."""
    waited = await kubectl.ask("wait", "pod", "--all", "--for=condition=Ready", "--timeout=90s")
    assert waited.code == 0, waited.err + kubectl.now("describe", "pods")
    pods = (await kubectl.json("get", "pods"))["items"]
    return [
        Machine(kubectl, pod["metadata"]["name"], pod["status"]["podIP"])
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
    ]


def _secret(keys: Keys) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _KEYS},
        "stringData": {"ssh_host_ed25519_key": keys.host_private, "authorized_keys": keys.public},
    }


def _pod(name: str, image: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "machine"}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "sshd",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "ports": [{"containerPort": 22}],
                    "readinessProbe": {"tcpSocket": {"port": 22}, "periodSeconds": 1},
                    "volumeMounts": [
                        {"name": "keys", "mountPath": "/etc/ssh/authorized/root", "readOnly": True},
                        {"name": "keys", "mountPath": "/etc/ssh/host", "readOnly": True},
                    ],
                }
            ],
            "volumes": [{"name": "keys", "secret": {"secretName": _KEYS, "defaultMode": 0o400}}],
        },
    }


def held(label: str) -> list[dict[str, Any]]:
    """Work that lasts until it is let go."""
    return [
        mark(label),
        {"name": "wait", "raw": f"until [ -e /tmp/go-{label} ]; do sleep 0.1; done"},
    ]


async def let_go(machine: Machine, label: str) -> None:
    await machine.run(f"touch /tmp/go-{label}")


async def total_marks(machines: list[Machine], name: str) -> list[int]:
    """The start markers of a name on each machine, in order."""
    return list(await asyncio.gather(*(machine.marks(name) for machine in machines)))
