"""Work in every form that callers write it, over HTTP, on real machines."""

import asyncio
import json

from tests.cluster.platform.calls import FAILED, SUCCESS, Octans, Work, log, unique
from tests.cluster.platform.machines import Machine


async def test_the_historic_service(octans: Octans, machines: list[Machine]) -> None:
    """The other modules' historic forms stand in runner/test_historic_forms.py."""
    pid = await machines[0].run("cat /run/greeter.pid")
    body = {
        "name": unique("service"), "nodes": [machines[0].address],
        "tasks": [{"action": {"module": "service", "args": "name=greeter state=restarted"}}],
    }  # fmt: skip
    number = (await octans.content("run", body))["id"]
    seen = await octans.ended(number)
    assert seen["status"] == SUCCESS, seen
    assert await machines[0].run("cat /run/greeter.pid") != pid


async def test_work_in_its_other_forms(octans: Octans, machines: list[Machine]) -> None:
    address = machines[0].address
    forms: dict[str, object] = {
        "the historic form": [{"action": {"module": "shell", "args": "echo {{ name }}"}}],
        "one object": {"shell": "echo {{ name }}"},
        "JSON text": '[{"shell": "echo {{ name }}"}]',
        "YAML text": "- shell: echo {{ name }}\n",
        "YAML text with a tag of Ansible's": "- shell: !unsafe \"echo '{{ 6 * 7 }}'\"\n",
        "a list of plays": [
            {"hosts": "all", "gather_facts": False, "tasks": [{"shell": "echo {{ name }}"}]}
        ],
    }
    bodies = [
        {
            "name": unique(form), "nodes": [address], "tasks": work, "gather_facts": False,
            "params": {"name": "{{ 6 * 7 }}"},
        }
        for form, work in forms.items()
    ]  # fmt: skip
    numbers = [(await octans.content("run", body))["id"] for body in bodies]
    for form, seen in zip(forms, await asyncio.gather(*map(octans.ended, numbers)), strict=True):
        assert seen["status"] == SUCCESS, (form, seen)
        assert [result["stdout"] for result in log(seen)] == ["{{ 6 * 7 }}"], form


async def test_an_unknown_role_is_a_failed_task_that_names_it(
    octans: Octans, addresses: list[str]
) -> None:
    body = {
        "name": unique("role"), "nodes": addresses[:1],
        "tasktype": "ansible_role", "tasks": ["no_such_role"],
    }  # fmt: skip
    number = (await octans.content("run", body))["id"]
    seen = await octans.ended(number)
    assert seen["status"] == FAILED
    assert seen["reason"] == "PlaybookInvalid"
    assert "no_such_role" in seen["err"]


async def test_work_reaches_the_machine_as_it_was_written(
    octans: Octans, machines: list[Machine]
) -> None:
    """The API server would give 2.0 back as 2, and the keys of objects in order."""
    written = {"zone": 1, "area": {"y": 2.0, "x": [1e3, 2**64]}}
    tasks: Work = [
        {"copy": {"dest": "/root/written", "content": written}},
        {"shell": "echo {{ version }}", "vars": {"version": 2.0}},
    ]
    plays: Work = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    for work in (tasks, plays):
        await machines[0].run("rm -f /root/written")
        number = await octans.run(unique("written"), [machines[0].address], work)
        seen = await octans.ended(number)
        assert seen["status"] == SUCCESS, seen
        assert log(seen)[1]["stdout"] == "2.0"
        found = json.loads(await machines[0].run("cat /root/written"))
        assert json.dumps(found) == json.dumps(written)
