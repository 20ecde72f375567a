"""What an installation chooses: a project folder for all tasks, host keys that nobody checks."""

import json

from tests.cluster.platform.calls import SUCCESS, Octans, log, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Keys, Machine
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.programs import restarted

PROJECT = {
    "roles/greet/tasks/main.yml": "- name: greet\n  shell: echo {{ word }} > /root/greeted\n",
    "templates/motd.j2": "Welcome to {{ place }}.\n",
}


async def test_roles_and_templates_of_a_project_volume_and_unknown_host_keys(
    octans: Octans, controller: HostProcess, kubectl: Kubectl, keys: Keys, machines: list[Machine]
) -> None:
    volume = unique("project")
    files = {path.replace("/", "."): text for path, text in PROJECT.items()}
    await kubectl(
        "create", "configmap", volume, *(f"--from-literal={k}={v}" for k, v in files.items())
    )
    items = [{"key": path.replace("/", "."), "path": path} for path in PROJECT]
    source = {"configMap": {"name": volume, "items": items}}
    await kubectl("create", "secret", "generic", volume,
                  f"--from-literal=known_hosts=192.0.2.1 {keys.host_public}")  # fmt: skip
    chosen = {
        "OCTANS_PROJECT_VOLUME": json.dumps(source),
        # Nobody is known there: only a task that asks nobody gets through.
        "OCTANS_KNOWN_HOSTS_SECRET": volume,
        "OCTANS_HOST_KEYS": "off",
    }
    machine = machines[2]
    async with restarted(controller, **chosen):
        shared = {"nodes": [machine.address], "gather_facts": False}
        role = {
            "name": unique("role"), "tasktype": "ansible_role", "tasks": "greet",
            "params": "word=hello", **shared,
        }  # fmt: skip
        template = {
            "name": unique("template"), "params": {"place": "{{ nowhere }}"},
            "tasks": [{"action": {"module": "template", "args": "src=motd.j2 dest=/root/motd"}}],
            **shared,
        }  # fmt: skip
        for body in (role, template):
            number = (await octans.content("run", body))["id"]
            seen = await octans.ended(number)
            assert seen["status"] == SUCCESS, seen
    assert [result["task"] for result in log(await octans.check(str(role["name"])))] == [
        "greet : greet"
    ]
    assert await machine.run("cat /root/greeted") == "hello\n"
    assert await machine.run("cat /root/motd") == "Welcome to {{ nowhere }}.\n"
    # As the installation chooses by default, the same machine is refused: nobody knows it there.
    strict = unique("strict")
    async with restarted(controller, OCTANS_KNOWN_HOSTS_SECRET=volume):
        number = await octans.run(strict, [machine.address], [{"raw": "true"}])
        seen = await octans.ended(number)
        assert seen["reason"] == "HostsUnreachable"
        assert "Host key verification failed" in seen["err"]
