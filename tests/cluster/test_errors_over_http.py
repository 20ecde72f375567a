"""Every row of the contract's error table that the documented dialect can reach, over HTTP."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from crds.client import TASKS
from tests.cluster.platform.calls import Octans, unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.programs import another_api
from tests.cluster.platform.tasks import Tasks

CALLS = ("run", "stop", "check", "getlog", "parallel_run")
RUNS = ("run", "parallel_run")
GOOD = {"name": "n", "nodes": ["192.0.2.1"], "tasks": [{"raw": "true"}]}
KIB = 1024


def refused(answer: httpx.Response, status: int, message: str, *, whole: bool = True) -> None:
    """Assert the shape, the status and the text of an error."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"code", "message"}, body
    assert body["code"] == -1
    found = body["message"] == message if whole else body["message"].startswith(message)
    assert found, body["message"]


NO_OBJECTS = {
    "empty": b"",
    "text": b"hello",
    "half an object": b'{"name": "x"',
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"1",
    "null": b"null",
    "not UTF-8": b'{"name": "\xff"}',
    "NaN": b'{"fork_num": NaN}',
    "nested 10,000 deep": b'{"tasks":' + b"[" * 10_000 + b"]" * 10_000 + b"}x",
}


@pytest.mark.parametrize("call", CALLS)
async def test_what_is_no_json_object(front: Octans, call: str) -> None:
    for body in NO_OBJECTS.values():
        refused(await front.http.post(f"/api/{call}", content=body), 400, "json encode error")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
async def test_the_content_type_does_not_matter(front: Octans, kind: str) -> None:
    answer = await front.http.post(
        "/api/check", content=json.dumps({"id": 1}), headers={"Content-Type": kind}
    )
    refused(answer, 404, "task not found...")


BAD_FIELDS: dict[str, tuple[str, Any]] = {
    "no name": ("name", None),
    "name empty": ("name", ""),
    "name a number": ("name", 7),
    "name of 254": ("name", "x" * 254),
    "name with NUL": ("name", "a\0b"),
    "name with a lone surrogate": ("name", "a\ud800b"),
    "no nodes": ("nodes", None),
    "nodes empty": ("nodes", []),
    "nodes a text": ("nodes", "192.0.2.1"),
    "a node a number": ("nodes", [1]),
    "a node blank": ("nodes", [" "]),
    "a node an option": ("nodes", ["-oProxyCommand=id"]),
    "a node with =": ("nodes", ["a=b"]),
    "a node with a line feed": ("nodes", ["a\nb"]),
    "a node is loopback": ("nodes", ["127.0.0.1"]),
    "a node is IPv6 loopback": ("nodes", ["[::1]:22"]),
    "a node is link-local": ("nodes", ["169.254.169.254"]),
    "a node is localhost": ("nodes", ["localhost"]),
    "a node with a bad port": ("nodes", ["192.0.2.1:70000"]),
    "10,001 nodes": ("nodes", [f"h{number}" for number in range(10_001)]),
    "user an option": ("user", "-l"),
    "user a list": ("user", ["root"]),
    "no tasks": ("tasks", None),
    "tasks empty": ("tasks", []),
    "tasks plain text": ("tasks", "do something"),
    "tasks a number": ("tasks", 5),
    "a task a number": ("tasks", [5]),
    "tasks with NUL": ("tasks", [{"raw": "a\0"}]),
    "tasks nested too deep": ("tasks", json.loads("[" * 200 + "]" * 200)),
    "tasktype": ("tasktype", "ansible_play"),
    "params a number": ("params", 5),
    "params a list": ("params", [1]),
    "params plain text": ("params", "hello there"),
    "params of the connection": ("params", {"ansible_connection": "local"}),
    "params with a magic name": ("params", {"hostvars": 1}),
    "fork_num 0": ("fork_num", 0),
    "fork_num 501": ("fork_num", "501"),
    "fork_num a word": ("fork_num", "many"),
    "fork_num a half": ("fork_num", 1.5),
    "timeout 0": ("timeout", 0),
    "timeout of more than a day": ("timeout", 86_401),
    "port 0": ("port", 0),
    "port true": ("port", True),
    "gather_facts a text": ("gather_facts", "no"),
    "become a number": ("become", 1),
    "check a list": ("check", []),
    "diff an object": ("diff", {}),
    "tags a number": ("tags", 5),
    "skip_tags with a space": ("skip_tags", ["a b"]),
    "limit from a file": ("limit", "@/etc/passwd"),
}


@pytest.mark.parametrize("call", RUNS)
async def test_a_wrong_field_is_named(front: Octans, tasks: Tasks, call: str) -> None:
    name = unique("wrong")
    for what, (field, value) in BAD_FIELDS.items():
        body = {**GOOD, "name": name, field: value}
        answer = await front.http.post(f"/api/{call}", content=json.dumps(body))
        refused(answer, 400, "param error, error: ", whole=False)
        assert field in answer.json()["message"], (what, answer.text)
    page = await tasks.client.list(TASKS, tasks.namespace)
    assert name not in [item["spec"].get("taskName") for item in page.items]


BAD_TARGETS: list[dict[str, Any]] = [
    {}, {"id": None}, {"id": 0}, {"id": -1}, {"id": 2**31}, {"id": 1.5}, {"id": "one"},
    {"id": True}, {"id": []}, {"id": "0", "name": "n"}, {"name": ""}, {"name": 5},
    {"name": "x" * 254},
]  # fmt: skip


@pytest.mark.parametrize("call", ["stop", "check"])
async def test_a_wrong_target(front: Octans, call: str) -> None:
    for body in BAD_TARGETS:
        refused(await front.post(call, body), 400, "param error, error: ", whole=False)


async def test_wrong_fields_of_getlog(front: Octans) -> None:
    headers = {"X-CORRELATION-ID": "c"}
    for body in ({"host": 5}, {"host": ["a"]}, {"source": 5}, {"source": "a\0"}):
        answer = await front.http.post("/api/getlog", content=json.dumps(body), headers=headers)
        refused(answer, 400, "param error, error: ", whole=False)


@pytest.mark.parametrize("call", ["stop", "check"])
async def test_a_task_that_nobody_made(front: Octans, call: str) -> None:
    for body in ({"id": 2**31 - 1}, {"name": unique("nobody made")}, {"id": "7", "name": None}):
        refused(await front.post(call, body), 404, "task not found...")


async def test_getlog_of_nothing(front: Octans) -> None:
    refused(
        await front.post("getlog", {}, {"X-CORRELATION-ID": unique("none")}),
        404, "task not found...",
    )  # fmt: skip


async def test_a_name_in_use(octans: Octans, addresses: list[str]) -> None:
    name = unique("twice")
    body = {**GOOD, "name": name, "nodes": addresses[:1], "gather_facts": False}
    answers = await asyncio.gather(*(octans.post("run", body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    for answer in answers:
        if answer.status_code == 400:
            refused(answer, 400, "task name is duplicate")
    for call in RUNS:
        refused(await octans.post(call, body), 400, "task name is duplicate")
    await octans.ended(name)
    refused(await octans.post("run", body), 400, "task name is duplicate")


TOO_LARGE: dict[str, dict[str, Any]] = {
    "nodes of 129 KiB": {"nodes": [f"h{number:0128}" for number in range(KIB)]},
    "work of 257 KiB": {"tasks": [{"raw": "x" * 257 * KIB}]},
    "work of 257 KiB as text": {"tasks": json.dumps([{"raw": "x" * 257 * KIB}])},
    "params of 257 KiB": {"params": {"x": "y" * 257 * KIB}},
    "a body of 2 MiB": {"unlisted": "z" * 2 * KIB * KIB},
}


@pytest.mark.parametrize("what", TOO_LARGE)
async def test_too_large(front: Octans, what: str) -> None:
    for call in RUNS:
        answer = await front.post(call, {**GOOD, "name": unique("large"), **TOO_LARGE[what]})
        assert answer.status_code == 413, answer.text
        assert answer.json()["code"] == -1
        assert any(digit.isdigit() for digit in answer.json()["message"]), "the limit is named"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/nothing", 404),
        ("GET", "/api/nothing", 404),
        ("POST", "/", 405),
        ("GET", "/api/run", 405),
        ("PUT", "/api/check", 405),
        ("DELETE", "/api/stop", 405),
    ],
)
async def test_a_wrong_path_or_method(front: Octans, method: str, path: str, status: int) -> None:
    answer = await front.http.request(method, path)
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"code", "message"}
    assert answer.json()["code"] == -1


async def test_kubernetes_away(installation: Installation, tmp_path: Path) -> None:
    given = json.loads((await installation.kubeconfig_of("octans-api")).read_text())
    given["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    away = tmp_path / "away.kubeconfig"
    away.write_text(json.dumps(given))
    async with another_api(installation, tmp_path / "log", KUBECONFIG=str(away)) as octans:
        bodies = {
            "run": {**GOOD, "name": unique("away")},
            "parallel_run": {**GOOD, "name": unique("away")},
            "stop": {"id": 1},
            "check": {"name": "x"},
            "getlog": {},
        }
        headers = {"X-CORRELATION-ID": "c"}
        answers = await asyncio.gather(
            *(octans.post(call, body, headers) for call, body in bodies.items())
        )
        for answer in answers:
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == -1
            assert int(answer.headers["retry-after"]) > 0
            assert answer.elapsed.total_seconds() < 4, "up to 2 s of trying"
        assert (await octans.http.get("/healthz")).status_code == 200
        assert (await octans.http.get("/readyz")).status_code == 503


async def test_an_api_that_may_do_nothing_answers_500_with_an_error_id(
    installation: Installation, tmp_path: Path
) -> None:
    """What is no fault of the caller's: here the installation's RBAC is missing."""
    log = tmp_path / "log"
    nobody = str(await installation.kubeconfig_of("default"))
    async with another_api(installation, log, KUBECONFIG=nobody) as octans:
        for call, body in (("run", {**GOOD, "name": unique("mute")}), ("check", {"id": 1})):
            answer = await octans.post(call, body)
            assert answer.status_code == 500, answer.text
            body_text = answer.json()["message"]
            assert answer.json()["code"] == -1
            assert "Traceback" not in answer.text
            assert "forbidden" not in answer.text, "the API server's words are for the log"
            assert any(len(word) >= 6 and word in log.read_text() for word in body_text.split())


async def test_too_many_requests(installation: Installation, tmp_path: Path) -> None:
    few = {"OCTANS_OTHER_RATE": "1", "OCTANS_OTHER_BURST": "3"}
    async with another_api(installation, tmp_path / "log", **few) as octans:
        headers = {"X-RESOURCE": "one"}
        answers = await asyncio.gather(
            *(octans.post("check", {"id": 1}, headers) for _ in range(10))
        )
        assert {answer.status_code for answer in answers} == {404, 429}
        for answer in answers:
            if answer.status_code == 429:
                assert answer.json()["code"] == -1
                assert int(answer.headers["retry-after"]) > 0
        other = await octans.post("check", {"id": 1}, {"X-RESOURCE": "other"})
        assert other.status_code == 404, "each source has its own"


async def test_the_pages_beside_the_calls(front: Octans) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/docs"):
        assert (await front.http.get(path)).status_code == 200, path
    home = (await front.http.get("/")).json()
    assert home["name"] == "octans"
    assert home["version"]
    document = (await front.http.get("/openapi.json")).json()
    assert {f"/api/{call}" for call in CALLS} <= document["paths"].keys()
