"""One task a name, whatever dies between the API's writes (api/submit.py)."""

import asyncio
import json
import uuid
from time import monotonic
from typing import Any

import pytest

from api import submit
from api.elsewhere import Elsewhere
from api.request import canonical, read_headers, read_run
from api.settings import Settings
from crds import names
from crds.client import SECRETS, TASKS, Client, Kind, Object
from crds.tasks import TaskStore
from tests.cluster.platform.calls import Octans, unique
from tests.cluster.platform.tasks import Tasks
from tests.cluster.platform.waiting import wait_for

HEADERS = {"X-RESOURCE": "hubble", "X-CORRELATION-ID": "16-16"}


def asked(name: str, **more: Any) -> dict[str, Any]:
    """A request with params, for a machine that nobody has."""
    return {
        "name": name, "nodes": ["192.0.2.1"], "tasks": [{"raw": "true"}],
        "params": {"greeting": "hello", "password": "s3cret-of-the-test"}, **more,
    }  # fmt: skip


class _KilledError(Exception):
    """The process that made the request is no more."""


class _Mortal(Client):
    """A client whose process is killed before it writes the Secret, or the annotation."""

    def __init__(self, client: Client, before: str) -> None:
        super().__init__(client._api)
        self._before = before

    async def create(self, kind: Kind, namespace: str, body: Object) -> Object:
        if kind is SECRETS and self._before == "secret":
            raise _KilledError
        return await super().create(kind, namespace, body)

    async def patch(self, *_: Any, **__: Any) -> Object:
        raise _KilledError


async def killed(tasks: Tasks, body: dict[str, Any], before: str, key: str | None) -> None:
    """Leave behind what an API does that is killed before a write."""
    sent = {name.lower(): value for name, value in HEADERS.items()}
    headers = read_headers(sent | ({"idempotency-key": key} if key else {}))
    ask = read_run(body, ("tasks",), Settings(), parallel=False)
    origin = submit.Origin(
        request_id=uuid.uuid4().hex, source=headers.source, correlation="16-16",
        asked=canonical("run", headers, body), key=key,
    )  # fmt: skip
    store = TaskStore(_Mortal(tasks.client, before), tasks.namespace)
    with pytest.raises(_KilledError):
        await submit.submit(store, Elsewhere(store, monotonic), ask, origin, (names.FINALIZER,))


async def secrets_of(tasks: Tasks, number: int) -> list[dict[str, Any]]:
    """The Secrets that a task's request left."""
    label = f"{names.LABEL_TASK_ID}={number}"
    page = await tasks.client.list(SECRETS, tasks.namespace, labels=label)
    return [item for item in page.items if "params" in item["metadata"]["name"]]


@pytest.mark.parametrize("before", ["secret", "ready"])
@pytest.mark.parametrize("key", [None, "k"])
async def test_the_repeat_of_a_request_that_was_killed_in_the_middle_succeeds(
    front: Octans, tasks: Tasks, before: str, key: str | None
) -> None:
    name = unique("killed")
    await killed(tasks, asked(name), before, key)
    number = names.task_id(tasks.namespace, name)
    left = (await tasks.by_id(number)).metadata
    assert left.annotations[names.ANNOTATION_PARAMS] == "pending"

    headers = {**HEADERS, **({"Idempotency-Key": key} if key else {})}
    other = await front.post("run", asked(name, user="somebody"), headers)
    assert other.status_code == 400, other.text
    repeats = await asyncio.gather(*(front.post("run", asked(name), headers) for _ in range(10)))
    good = [answer.json() for answer in repeats if answer.status_code == 200]
    assert good == [{"code": 0, "content": {"id": number}}] * (10 if key else 1)
    for answer in repeats:
        assert answer.status_code == 200 or answer.json()["message"] == "task name is duplicate"

    made = await tasks.by_id(number)
    assert made.metadata.uid == left.uid
    assert made.metadata.annotations[names.ANNOTATION_PARAMS] == "ready"
    assert (names.ANNOTATION_FINGERPRINT in made.metadata.annotations) is (key is not None)
    (secret,) = await secrets_of(tasks, number)
    assert made.spec.vars_from is not None
    assert [wanted.name for wanted in made.spec.vars_from] == [secret["metadata"]["name"]]
    assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [left.uid]
    await front.stop(number)


@pytest.mark.parametrize("params", [{"a": 1}, None])
async def test_fifty_identical_requests_make_one_task(
    front: Octans, tasks: Tasks, params: object
) -> None:
    name = unique("fifty")
    body = asked(name, params=params)
    answers = await asyncio.gather(*(front.post("run", body, HEADERS) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert {answer.json()["message"] for answer in answers if answer.status_code == 400} == {
        "task name is duplicate"
    }
    page = await tasks.client.list(TASKS, tasks.namespace)
    assert len([item for item in page.items if item["spec"].get("taskName") == name]) == 1
    number = names.task_id(tasks.namespace, name)
    assert len(await secrets_of(tasks, number)) == (1 if params else 0)
    await front.stop(number)


async def test_an_idempotency_key_makes_fifty_requests_one_answer(front: Octans) -> None:
    name = unique("keyed")
    headers = {**HEADERS, "Idempotency-Key": "k"}
    answers = await asyncio.gather(*(front.post("run", asked(name), headers) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    other = await front.post("run", asked(name), {**headers, "Idempotency-Key": "l"})
    assert (other.status_code, other.json()["message"]) == (400, "task name is duplicate")
    changed = await front.post("run", asked(name, port=23), headers)
    assert changed.json()["message"].startswith("param error, error: Idempotency-Key")
    await front.stop(name)


async def test_params_stand_in_their_secret_alone(front: Octans, tasks: Tasks) -> None:
    name = unique("secret")
    number = (await front.content("run", asked(name), {"Idempotency-Key": "k"}))["id"]
    task = await tasks.client.get(TASKS, tasks.namespace, names.object_name(number))
    assert "s3cret-of-the-test" not in json.dumps(task)
    await front.stop(name)


async def test_a_name_is_free_again_when_its_task_is_deleted(front: Octans, tasks: Tasks) -> None:
    name = unique("again")
    number = (await front.content("run", asked(name)))["id"]
    unfinished = {"metadata": {"finalizers": None}}
    await tasks.client.patch(TASKS, tasks.namespace, names.object_name(number), unfinished)
    await tasks.client.delete(TASKS, tasks.namespace, names.object_name(number))
    store = TaskStore(tasks.client, tasks.namespace)
    await wait_for(
        "the object's end",
        lambda: store.get(names.object_name(number)),
        lambda task: task is None,
        seconds=40,
    )
    assert (await front.content("run", asked(name)))["id"] == number
    await front.stop(name)


EXTREMES: dict[str, dict[str, Any]] = {
    "the longest name": {"name": "安" * 200},
    "a name of controls": {"name": "a\tb\nc\x01"},
    "the longest user": {"user": "a" + "$" * 63},
    "10,000 nodes": {"nodes": [f"host-{at}" for at in range(10_000)]},
    "128 KiB of nodes": {"nodes": [f"{at:04d}.{'x' * 240}" for at in range(534)]},
    "every form of node": {
        "nodes": ["10.0.0.7:65535", "[fd00::7]", "[fd00::7]:1", "fd00::8", "a_b.c-d.", "x" * 253]
    },
    "10,000 tasks": {"tasks": [{"raw": "true"}] * 10_000},
    "10,000 plays": {"tasks": [{"hosts": "a"}] * 10_000},
    "1,000 roles": {"tasktype": "ansible_role", "tasks": ["r"] * 1_000},
    "the longest role": {"tasktype": "ansible_role", "tasks": "r" * 253},
    "256 KiB of work": {"tasks": [{"raw": "x" * (256 * 1024 - 12)}]},
    "work that grows when stored": {"tasks": [{"raw": "<" * 150_000}]},
    "nulls and floats": {"tasks": [{"a": None, "b": 1.5, "c": [{"d": None}]}]},
    "deep work": {"tasks": [{"a": json.loads("[" * 60 + "]" * 60)}]},
    "whole numbers of 64 bits": {"tasks": [{"a": 2**63 - 1, "b": -(2**63)}]},
    "params of 256 KiB": {"params": {"a": "x" * (256 * 1024 - 10)}},
    "the most of each number": {"fork_num": 500, "timeout": 86_400, "port": 65_535},
    "the longest words": {"tags": ["x" * 253] * 100, "skip_tags": "a,b", "limit": "x" * 4096},
    "words of other letters": {"tags": ["安", "a|b&!c"], "limit": "all:!web[1:3]"},
}  # fmt: skip


@pytest.mark.parametrize("what", EXTREMES)
async def test_what_the_api_lets_through_the_resource_takes(
    front: Octans, tasks: Tasks, what: str
) -> None:
    body = asked(unique("extreme"), params=None) | EXTREMES[what]
    body["name"] += unique("") if what.endswith("name") else ""
    correlation = "c" * 1024
    number = (await front.content("run", body, {"X-CORRELATION-ID": correlation}))["id"]
    stored = (await tasks.by_id(number)).spec
    assert stored.task_name == body["name"]
    assert stored.hosts == tuple(body["nodes"])
    if "tasks" in EXTREMES[what] and stored.tasks:
        assert stored.tasks == body["tasks"]
    await front.stop(number)
