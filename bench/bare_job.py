"""The play as a bare Job: `ansible-playbook` in the very pod that Octans would make.

The pod is taken from a Job of the installation: same image, resources, security context, SSH key
and known_hosts. Only the scheduling gate, the input and the command differ.
"""

import json
from copy import deepcopy
from typing import Any

from bench.work import TASKS, FailedError, unique
from crds import runinput
from crds.client import CONFIG_MAPS, JOBS, Client, Object

_FOLDER = "/bench"
_LABEL = "octans.io/bench"


class BareJob:
    """Runs as Jobs of our own making in one namespace."""

    def __init__(self, client: Client, namespace: str, octans_job: Object) -> None:
        self._client = client
        self._namespace = namespace
        self._pod = octans_job["spec"]["template"]["spec"]
        self._label = unique()
        self._inventories: dict[str, str] = {}

    async def provide(self, hosts: list[str]) -> None:
        """Put inventory and play where the pods find them, once for each host."""
        play = [{"hosts": "all", "gather_facts": False, "tasks": TASKS}]
        for number, host in enumerate(dict.fromkeys(hosts)):
            name = f"{self._label}-{number}"
            body: Object = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": name, "labels": {_LABEL: self._label}},
                "data": {"play.json": json.dumps(play), "inventory.ini": _inventory(host)},
            }
            await self._client.create(CONFIG_MAPS, self._namespace, body)
            self._inventories[host] = name

    async def start(self, name: str, host: str) -> None:
        """Create the Job."""
        await self._client.create(JOBS, self._namespace, self._job(name, self._inventories[host]))

    async def done(self, name: str) -> bool:
        """Whether its `Complete` condition is visible."""
        job = await self._client.get(JOBS, self._namespace, name)
        return complete(job)

    async def remove(self) -> None:
        """Everything that was made."""
        for kind in (JOBS, CONFIG_MAPS):
            page = await self._client.list(kind, self._namespace, labels=f"{_LABEL}={self._label}")
            for item in page.items:
                await self._client.delete(kind, self._namespace, item["metadata"]["name"])

    def _job(self, name: str, inventory: str) -> Object:
        pod = deepcopy(self._pod)
        pod.pop("schedulingGates", None)
        pod["volumes"] = [volume for volume in pod["volumes"] if not _is_input(volume, pod)]
        pod["volumes"].append({"name": "bench", "configMap": {"name": inventory}})
        (container,) = pod["containers"]
        container["volumeMounts"] = [
            mount for mount in container["volumeMounts"] if not _holds_input(mount)
        ] + [{"name": "bench", "mountPath": _FOLDER, "readOnly": True}]
        container["command"] = ["ansible-playbook"]
        container["args"] = ["-i", f"{_FOLDER}/inventory.ini", f"{_FOLDER}/play.json"]
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "labels": {_LABEL: self._label}},
            "spec": {
                "backoffLimit": 0,
                "template": {"metadata": {"labels": {_LABEL: self._label}}, "spec": pod},
            },
        }


def complete(job: Object) -> bool:
    """Whether a Job's `Complete` condition stands; FailedError where it failed."""
    for condition in job.get("status", {}).get("conditions") or []:
        if condition["status"] == "True" and condition["type"] == "Complete":
            return True
        if condition["status"] == "True" and condition["type"] == "Failed":
            raise FailedError(f"Job {job['metadata']['name']}: {condition.get('message')}")
    return False


def _inventory(host: str) -> str:
    ssh = f"-o UserKnownHostsFile={runinput.KNOWN_HOSTS_FILE} -o StrictHostKeyChecking=yes"
    return (
        f"{host} ansible_user=root ansible_ssh_private_key_file={runinput.SSH_KEY_FILE}"
        f" ansible_ssh_common_args='{ssh}'\n"
    )


def _holds_input(mount: dict[str, Any]) -> bool:
    return runinput.INPUT_FILE.startswith(str(mount["mountPath"]).rstrip("/") + "/")


def _is_input(volume: dict[str, Any], pod: dict[str, Any]) -> bool:
    mounts = [mount for mount in pod["containers"][0]["volumeMounts"] if _holds_input(mount)]
    return volume["name"] in [mount["name"] for mount in mounts]
