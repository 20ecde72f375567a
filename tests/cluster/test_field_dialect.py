"""The dialect of the clients in the field: recognised by X-SOURCE, answered in their shapes."""

import json
from typing import Any

from tests.cluster.platform.calls import FAILED, PARTLY, STOPPED, SUCCESS, Octans, unique
from tests.cluster.platform.waiting import wait_for

ENDED = {SUCCESS, FAILED, STOPPED, PARTLY}


def headers(correlation: str) -> dict[str, str]:
    """What such a client sends; the form type is one client's."""
    return {
        "X-SOURCE": "hubble",
        "X-CORRELATION-ID": correlation,
        "Content-Type": "application/x-www-form-urlencoded",
    }


async def call(octans: Octans, name: str, body: object, head: dict[str, str]) -> dict[str, Any]:
    """The whole answer of a call that must succeed."""
    answer = await octans.http.post(f"/api/{name}", content=json.dumps(body), headers=head)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["code"] == 0, found
    return found


async def ended(octans: Octans, target: dict[str, object], head: dict[str, str]) -> dict[str, Any]:
    """The content of check once the task has ended; nodes are there in every answer before."""

    async def look() -> dict[str, Any]:
        content: dict[str, Any] = (await call(octans, "check", target, head))["content"]
        assert content.keys() == {"task", "nodes"}
        for node in content["nodes"]:
            assert isinstance(json.loads(node["log"]), list)
        return content

    return await wait_for(
        "the end", look, lambda content: content["task"]["status"] in ENDED, seconds=60
    )


async def test_a_field_client_from_run_to_getlog(octans: Octans, addresses: list[str]) -> None:
    name, correlation = unique("field"), unique("16-16")
    head = headers(correlation)
    body = {
        "name": name, "nodes": addresses, "user": "root", "fork_num": 1, "params": [],
        "tasks": [{"action": {"module": "shell", "args": "FOO=bar sh -c 'echo $FOO'"}}],
        "gather_facts": False,
    }  # fmt: skip
    number = (await call(octans, "run", body, head))["content"]["id"]
    content = await ended(octans, {"id": str(number)}, head)
    task = content["task"]
    assert (task["id"], task["status"], task["err"]) == (number, SUCCESS, "")
    assert (task["phase"], task["log_complete"]) == ("Succeeded", True)
    assert [(node["ip"], node["status"]) for node in content["nodes"]] == [
        (address, SUCCESS) for address in addresses
    ]
    for node in content["nodes"]:
        (result,) = json.loads(node["log"])
        assert (result["host"], result["stdout"], result["rc"]) == (node["ip"], "bar", 0)

    got = (await call(octans, "getlog", {"host": addresses[0], "source": "hubble"}, head))[
        "content"
    ]
    (line,) = got["log"]
    assert line.startswith(f"global_id = {correlation}, source = hubble, create_time = ")
    assert line.endswith(f", host = {addresses[0]}, reuslt = ok ")
    nothing = await call(octans, "getlog", {"source": "hubble"}, headers(unique("none")))
    assert nothing == {"code": 0, "content": {"log": []}}


async def test_failures_are_told_as_field_clients_show_them(
    octans: Octans, addresses: list[str]
) -> None:
    name, head = unique("field-fails"), headers(unique("c"))
    body = {
        "name": name, "nodes": addresses[:2], "gather_facts": False,
        "tasks": [
            {"name": "break", "shell": "echo no space left >&2; exit 3",
             "when": f"inventory_hostname == '{addresses[0]}'"},
        ],
    }  # fmt: skip
    await call(octans, "run", body, head)
    content = await ended(octans, {"name": name}, head)
    assert content["task"]["status"] == PARTLY
    assert content["task"]["err"].startswith(f"{addresses[0]}: break: no space left")
    assert [node["status"] for node in content["nodes"]] == [FAILED, SUCCESS]
    log = (await call(octans, "getlog", {"host": addresses[0]}, head))["content"]["log"]
    assert len(log) == 1
    assert log[0].endswith("reuslt = failed \n\tmessage: no space left\n\t")


async def test_parallel_run_answers_a_field_client_at_once(
    octans: Octans, addresses: list[str]
) -> None:
    head = headers(unique("c"))
    body = {
        "name": unique("field-parallel"), "nodes": addresses, "gather_facts": False,
        "tasks": [{"name": "slow", "raw": "sleep 3"}],
    }  # fmt: skip
    answer = await octans.http.post("/api/parallel_run", content=json.dumps(body), headers=head)
    assert answer.elapsed.total_seconds() < 3
    number = answer.json()["content"]["id"]
    content = await ended(octans, {"id": number}, head)
    assert [node["status"] for node in content["nodes"]] == [SUCCESS] * len(addresses)


async def test_what_is_unknown_to_a_field_client(front: Octans) -> None:
    head = {"X-SOURCE": ""}
    texts = {
        ("check", "id", 2**31 - 1): f"no task found for specified id:{2**31 - 1}",
        ("check", "name", "nobody's"): "no task found for specified name:nobody's",
        ("stop", "id", 2**31 - 1): "task not found",
        ("stop", "name", "nobody's"): "task not found",
    }
    for (name, field, value), text in texts.items():
        answer = await front.post(name, {field: value}, head)
        assert (answer.status_code, answer.json()) == (404, {"code": -1, "message": text})
    for name in ("run", "parallel_run"):
        answer = await front.post(name, {}, head)
        assert (answer.status_code, answer.json()["message"]) == (400, "X-CORRELATION-ID is empyt")
