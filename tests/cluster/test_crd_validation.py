"""The API server itself refuses nonsense: every bound and every rule of the resource, for real."""

import json
from collections.abc import AsyncIterator, Iterator
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio

from crds import errors
from crds.client import TASKS, Client, Object
from tests.cluster.platform.calls import unique
from tests.cluster.platform.given import Given
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.tasks import Tasks, manifest

HOSTS = ["10.0.0.1"]


@pytest_asyncio.fixture(scope="module")
async def idle(given: Given, admin: Client, installation: Installation) -> AsyncIterator[Tasks]:
    """A namespace in which no controller carries anything out."""
    name = f"{given.name}-idle"
    kubectl = installation.kubectl
    await kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=60s")
    await kubectl("create", "namespace", name)
    await kubectl("label", "namespace", name, "octans.io/tasks=true")
    yield Tasks(admin, name)
    await kubectl("delete", "namespace", name, "--timeout=60s")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no work": ({"tasks": None}, "exactly one of tasks, roles, playbook and work must be set"),
    "tasks and a playbook": (
        {"playbook": [{"hosts": "all"}]},
        "exactly one of tasks, roles, playbook and work must be set",
    ),
    "hosts empty": ({"hosts": []}, "spec.hosts: Invalid value: 0: spec.hosts in body should have"),
    "10,001 hosts": ({"hosts": [f"h{n}" for n in range(10_001)]}, "must have at most 10000 items"),
    "a host is blank": ({"hosts": [""]}, "spec.hosts[0]"),
    "a host is an option": ({"hosts": ["-oProxyCommand=x"]}, "spec.hosts[0]"),
    "a host with a space": ({"hosts": ["a b"]}, "spec.hosts[0]"),
    "a host with =": ({"hosts": ["a=b"]}, "spec.hosts[0]"),
    "a host with a line feed": ({"hosts": ["a\nb"]}, "spec.hosts[0]"),
    "a long host": ({"hosts": ["a" * 261]}, "spec.hosts[0]"),
    "hosts of 129 KiB": ({"hosts": [f"{n:0129}" for n in range(1024)]}, "128 KiB"),
    "taskName empty": ({"taskName": ""}, "spec.taskName"),
    "taskName of 254": ({"taskName": "x" * 254}, "spec.taskName"),
    "port 0": ({"port": 0}, "spec.port"),
    "port 65536": ({"port": 65536}, "spec.port"),
    "a port as text": ({"port": "22"}, "spec.port"),
    "user as an option": ({"user": "-l"}, "spec.user"),
    "user empty": ({"user": ""}, "spec.user"),
    "user with a space": ({"user": "a b"}, "spec.user"),
    "tasks empty": ({"tasks": []}, "spec.tasks"),
    "tasks and their text": (
        {"work": "[]"},
        "exactly one of tasks, roles, playbook and work must be set",
    ),
    "work empty": ({"tasks": None, "work": ""}, "spec.work"),
    "work too long": ({"tasks": None, "work": "x" * 262_145}, "spec.work"),
    "tasks of texts": ({"tasks": ["true"]}, "spec.tasks[0]"),
    "roles without role": ({"tasks": None, "roles": [{"name": "x"}]}, "role: Required value"),
    "a role as a path": ({"tasks": None, "roles": [{"role": "../x"}]}, "spec.roles[0].role"),
    "vars as a list": ({"vars": []}, "spec.vars"),
    "varsFrom without a name": ({"varsFrom": [{}]}, "name: Required value"),
    "varsFrom with a bad name": ({"varsFrom": [{"name": "A_b"}]}, "spec.varsFrom[0].name"),
    "17 varsFrom": ({"varsFrom": [{"name": f"octans-{n}"} for n in range(17)]}, "spec.varsFrom"),
    "forks 0": ({"forks": 0}, "spec.forks"),
    "forks 501": ({"forks": 501}, "spec.forks"),
    "slices 0": ({"slices": 0}, "spec.slices"),
    "slices 101": ({"slices": 101}, "spec.slices"),
    "timeout 0": ({"timeoutSeconds": 0}, "spec.timeoutSeconds"),
    "timeout of more than a day": ({"timeoutSeconds": 86_401}, "spec.timeoutSeconds"),
    "become as text": ({"become": "yes"}, "spec.become"),
    "pipelining as text": ({"pipelining": "no"}, "spec.pipelining"),
    "check as a number": ({"check": 1}, "spec.check"),
    "a tag with a comma": ({"tags": ["a,b"]}, "spec.tags[0]"),
    "a tag as an option": ({"skipTags": ["-x"]}, "spec.skipTags[0]"),
    "limit from a file": ({"limit": "@/etc/passwd"}, "spec.limit"),
    "verbosity 5": ({"verbosity": 5}, "spec.verbosity"),
    "sshKeySecret with a slash": ({"sshKeySecret": "a/b"}, "spec.sshKeySecret"),
    "knownHostsSecret empty": ({"knownHostsSecret": ""}, "spec.knownHostsSecret"),
    "becomePasswordSecret in capitals": ({"becomePasswordSecret": "A"}, "becomePasswordSecret"),
    "vaultPasswordSecret as a list": ({"vaultPasswordSecret": []}, "spec.vaultPasswordSecret"),
    "priority too high": ({"priority": 1_000_001}, "spec.priority"),
    "exclusiveHosts as text": ({"exclusiveHosts": "true"}, "spec.exclusiveHosts"),
    "a runner with a dot": ({"runner": "a.b"}, "spec.runner"),
    "a long source": ({"source": "x" * 1025}, "spec.source"),
    "a long correlationId": ({"correlationId": "x" * 1025}, "spec.correlationId"),
    "cancel as text": ({"cancel": "yes"}, "spec.cancel"),
    "a negative TTL": ({"ttlSecondsAfterFinished": -1}, "spec.ttlSecondsAfterFinished"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_refused(idle: Tasks, what: str) -> None:
    spec, sentence = REFUSED[what]
    body = manifest(unique("bad"), HOSTS)
    whole = body["spec"] | spec
    body["spec"] = {name: value for name, value in whole.items() if value is not None}
    with pytest.raises(errors.Invalid) as refused:
        await idle.create(body)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("name", ["a" * 53, "a.b"])
async def test_an_object_name_that_no_job_could_have_is_refused(idle: Tasks, name: str) -> None:
    with pytest.raises(errors.Invalid, match="DNS label of at most 52 characters"):
        await idle.create(manifest(name, HOSTS))


VALUES: dict[str, tuple[Any, Any]] = {
    "taskName": ("a", "b"),
    "hosts": (["a"], ["b"]),
    "port": (22, 23),
    "user": ("root", "me"),
    "tasks": ([{"raw": "a"}], [{"raw": "b"}]),
    "roles": ([{"role": "a"}], [{"role": "b"}]),
    "playbook": ([{"hosts": "a"}], [{"hosts": "b"}]),
    "work": ('[{"raw": "a"}]', '[{"raw": "b"}]'),
    "vars": ({"a": 1}, {"a": 2}),
    "varsFrom": ([{"name": "octans-a"}], [{"name": "octans-b"}]),
    "forks": (5, 6),
    "slices": (1, 2),
    "timeoutSeconds": (1, 2),
    "gatherFacts": (True, False),
    "become": (False, True),
    "pipelining": (False, True),
    "check": (False, True),
    "diff": (False, True),
    "tags": (["a"], ["b"]),
    "skipTags": (["a"], ["b"]),
    "limit": ("a", "b"),
    "verbosity": (0, 1),
    "sshKeySecret": ("octans-a", "octans-b"),
    "knownHostsSecret": ("octans-a", "octans-b"),
    "becomePasswordSecret": ("octans-a", "octans-b"),
    "vaultPasswordSecret": ("octans-a", "octans-b"),
    "exclusiveHosts": (False, True),
    "runner": ("a", "b"),
    "source": ("a", "b"),
    "correlationId": ("a", "b"),
}
MUTABLE = {"cancel", "priority", "ttlSecondsAfterFinished"}
WORK = {"tasks", "roles", "playbook", "work"}


async def _schema(admin: Client) -> dict[str, Any]:
    crd = await admin.read(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ansibletasks.octans.io"
    )
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


async def test_every_field_is_either_mutable_or_has_its_row_here(admin: Client) -> None:
    fields = (await _schema(admin))["properties"]["spec"]["properties"].keys()
    assert fields == VALUES.keys() | MUTABLE


@pytest.mark.parametrize("field", VALUES)
async def test_immutable(idle: Tasks, admin: Client, field: str) -> None:
    first, second = VALUES[field]
    name = unique("fixed")
    body = manifest(name, HOSTS)
    work = {} if field in WORK else {"tasks": [{"raw": "true"}]}
    body["spec"] = {"hosts": HOSTS, **work, field: first}
    stored = await idle.create(body)
    sentence = f"{field} is immutable: a task is one run; create a new task instead"

    async def change(value: Any, of: str = name) -> None:
        await admin.patch(TASKS, idle.namespace, of, {"spec": {field: value}})

    with pytest.raises(errors.Invalid, match=sentence):
        await change(second)
    await change(first)
    default = (await _schema(admin))["properties"]["spec"]["properties"][field].get("default")
    if default is None and field not in WORK | {"hosts"}:
        with pytest.raises(errors.Invalid, match=sentence):
            await change(None)
        bare = unique("bare")
        await idle.create(manifest(bare, HOSTS))
        with pytest.raises(errors.Invalid, match=sentence):
            await change(first, bare)
    assert (await idle.get(name)).metadata.generation == stored.metadata.generation


async def test_what_may_change_changes(idle: Tasks, admin: Client) -> None:
    name = unique("soft")
    await idle.create(manifest(name, HOSTS))
    for change in ({"priority": 5}, {"ttlSecondsAfterFinished": 9}, {"cancel": True}):
        await admin.patch(TASKS, idle.namespace, name, {"spec": change})
    assert (await idle.get(name)).spec.cancel
    for value in (False, None):
        with pytest.raises(errors.Invalid, match="cancel can't be taken back"):
            await admin.patch(TASKS, idle.namespace, name, {"spec": {"cancel": value}})


async def test_the_rules_bear_the_largest_task(idle: Tasks, admin: Client) -> None:
    """10,000 hosts and 128 KiB of their text, with work and variables: stored, changed, guarded."""
    name = unique("large")
    hosts = [f"h{number:012}" for number in range(10_000)]
    assert sum(map(len, hosts)) <= 128 * 1024
    work = [{"raw": "x" * 1000} for _ in range(200)]
    began = monotonic()
    await idle.create(manifest(name, hosts, tasks=work, vars={"text": "y" * 100_000}))
    created = monotonic()
    await admin.patch(TASKS, idle.namespace, name, {"spec": {"priority": 1}})
    changed = monotonic()
    print(f"10,000 hosts: created in {created - began:.2f} s, changed in {changed - created:.2f} s")
    with pytest.raises(errors.Invalid, match="hosts is immutable"):
        await admin.patch(TASKS, idle.namespace, name, {"spec": {"hosts": [*hosts[:-1], "other"]}})
    stored = await admin.get(TASKS, idle.namespace, name)
    assert len(json.dumps(stored)) < 512 * 1024
    assert changed - began < 10


async def test_hosts_of_exactly_128_kib_are_accepted(idle: Tasks) -> None:
    await idle.create(manifest(unique("full"), [f"{number:0128}" for number in range(1024)]))


async def test_every_field_has_a_description(admin: Client) -> None:
    schema = await _schema(admin)
    bare = [
        path
        for part in ("spec", "status")
        for path, field in _fields(part, schema["properties"][part])
        if not field.get("description")
    ]
    assert bare == []


def _fields(path: str, schema: Object) -> Iterator[tuple[str, Object]]:
    yield path, schema
    inner = schema.get("items", schema)
    for name, field in inner.get("properties", {}).items():
        yield from _fields(f"{path}.{name}", field)


async def test_explain_reads_like_a_manual_page(kubectl: Kubectl, admin: Client) -> None:
    page = await kubectl("explain", "ansibletask.spec")
    fields = (await _schema(admin))["properties"]["spec"]["properties"]
    for name, field in fields.items():
        assert f"  {name}\t<" in page, name
        assert field["description"].split()[0] in page, name
    assert "Everything but cancel, priority and" in page
    assert "<no description>" not in page
    assert "128 KiB" in await kubectl("explain", "at.spec.hosts")
