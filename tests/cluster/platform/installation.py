"""One installation of the chart, whose service accounts the host processes use."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crds import names
from tests.cluster.platform.given import CHART, Given
from tests.cluster.platform.kubectl import Kubectl, run
from tests.cluster.platform.processes import HostProcess


@dataclass(frozen=True, slots=True)
class Installation:
    """A release of the chart and its two namespaces."""

    given: Given
    release: str
    namespace: str
    tasks_namespace: str
    folder: Path
    """For files made on the way, such as kubeconfigs."""
    processes: list[HostProcess] = field(default_factory=list)
    """Programs that were made with its accounts, whose logs a failed test shows."""

    @property
    def chart(self) -> str:
        """The chart's folder."""
        return str(CHART)

    @property
    def kubectl(self) -> Kubectl:
        """In the tasks' namespace."""
        return Kubectl(self.given.kubectl, self.given.kubeconfig, self.tasks_namespace)

    async def helm(self, *arguments: str) -> str:
        """What helm writes; its own folders stand in ours."""
        return await run(
            self.given.helm, *arguments,
            f"--namespace={self.namespace}", f"--kubeconfig={self.given.kubeconfig}",
            environment={f"HELM_{what}_HOME": str(self.folder / f"helm-{what.lower()}")
                         for what in ("CACHE", "CONFIG", "DATA")},
        )  # fmt: skip

    async def install(self, values: dict[str, Any]) -> None:
        """Install or upgrade, and wait until everything is ready."""
        file = self.folder / f"{self.release}-values.json"
        file.write_text(json.dumps(values))
        await self.helm(
            "upgrade", "--install", self.release, self.chart, "--create-namespace",
            "--values", str(file), "--wait", "--timeout=120s",
        )  # fmt: skip

    async def kubeconfig_of(self, service_account: str) -> Path:
        """A kubeconfig with a token of one of the release's service accounts, good for 2 h."""
        home = self.kubectl.within(self.namespace)
        token, config = await asyncio.gather(
            home("create", "token", service_account, "--duration=2h"),
            home("config", "view", "--raw", "--minify", "--flatten", "-o", "json"),
        )
        value = json.loads(config)
        value["users"] = [{"name": value["users"][0]["name"], "user": {"token": token.strip()}}]
        path = self.folder / f"{service_account}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(value))
        return path

    async def caller(self) -> dict[str, str]:
        """The header of somebody who may call the API, as docs/security.md makes one."""
        home = self.kubectl.within(self.namespace)
        await home("create", "serviceaccount", "deployer")
        role = f"--role={self.release}{'' if self.release == 'octans' else '-octans'}-caller"
        account = f"--serviceaccount={self.namespace}:deployer"
        await self.kubectl("create", "rolebinding", "deployer", role, account)
        token = await home("create", "token", "deployer", "--audience=octans")
        return {"Authorization": f"Bearer {token.strip()}"}

    def values(self, *, replicas: int, crds: bool = True) -> dict[str, Any]:
        """The chart's values for this cluster and its images."""
        return {
            "image": _image(self.given.image),
            "runner": {"image": _image(self.given.runner_image)},
            "api": {"replicas": replicas},
            "controller": {"replicas": replicas},
            "tasksNamespace": {"name": self.tasks_namespace},
            "crds": {"enabled": crds},
        }

    async def provide_secrets(self, private_key: str, known_hosts: str) -> None:
        """The Secrets that tasks use where they name none."""
        items = [
            _secret("octans-ssh", {"ssh-privatekey": private_key}, "kubernetes.io/ssh-auth"),
            _secret("octans-known-hosts", {"known_hosts": known_hosts}),
        ]
        await self.kubectl("apply", "-f", "-", stdin=_list(items))

    async def owns_crd(self) -> bool:
        """Whether the resource is this release's, or nobody's yet."""
        answer = await self.kubectl.ask("get", *_CRD, "-o", "json")
        if answer.code != 0:
            return True
        head = json.loads(answer.out)["metadata"].get("annotations", {})
        owner = [head.get(f"meta.helm.sh/release-{what}") for what in ("name", "namespace")]
        return owner == [self.release, self.namespace]

    async def remove_crd(self) -> None:
        """What `helm uninstall` leaves: the resource and with it every task of the cluster."""
        await self.kubectl("delete", *_CRD, "--ignore-not-found", "--timeout=60s")

    async def remove(self) -> None:
        """Uninstall, and delete both namespaces with everything in them."""
        await self._drop_finalizers()
        await self.helm("uninstall", self.release, "--ignore-not-found", "--wait")
        await self.kubectl(
            "delete", "namespace", self.namespace, self.tasks_namespace,
            "--ignore-not-found", "--timeout=120s",
        )  # fmt: skip

    async def _drop_finalizers(self) -> None:
        """Let go of tasks that a failed test left running, now that no controller is there."""
        answer = await self.kubectl.ask("get", "ansibletasks", "-o", "name")
        if answer.code != 0:  # no such resource yet
            return
        for name in answer.out.split():
            await self.kubectl.ask("patch", name, "--type=merge", "-p", _NO_FINALIZERS)


_CRD = ("customresourcedefinition", f"{names.PLURAL}.{names.GROUP}")
_NO_FINALIZERS = json.dumps({"metadata": {"finalizers": None}})


def _image(name: str) -> dict[str, str]:
    repository, _, tag = name.rpartition(":")
    return {"repository": repository, "tag": tag}


def _secret(name: str, data: dict[str, str], kind: str = "Opaque") -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {"name": name}, "stringData": data,
    }  # fmt: skip


def _list(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": items}
