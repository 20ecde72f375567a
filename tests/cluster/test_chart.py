"""The chart with real pods from the images: install, run a play, upgrade, uninstall."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from crds import names
from crds.client import TASKS, Client
from tests.cluster.platform.calls import RUNNING, SUCCESS, Octans, log, unique
from tests.cluster.platform.given import Given
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.machines import Keys, Machine, held, let_go
from tests.cluster.platform.tunnel import tunnel
from tests.cluster.platform.waiting import wait_for


@pytest_asyncio.fixture(scope="module")
async def second(
    given: Given,
    installation: Installation,
    keys: Keys,
    machines: list[Machine],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Installation]:
    """A release beside the tests' own, in a namespace pair of its own; the CRD is there."""
    assert installation.release, "its CRD is used"
    here = Installation(
        given=given,
        release="second",
        namespace=f"{given.name}-second",
        tasks_namespace=f"{given.name}-second-tasks",
        folder=tmp_path_factory.mktemp("second"),
    )
    await here.remove()
    await here.install(here.values(replicas=1, crds=False))
    await here.provide_secrets(keys.private, keys.known_hosts(machines))
    yield here
    await here.remove()


@pytest_asyncio.fixture(scope="module")
async def caller(second: Installation) -> dict[str, str]:
    """Headers of somebody who may call the second release."""
    return await second.caller()


@asynccontextmanager
async def reached(installation: Installation, headers: dict[str, str]) -> AsyncIterator[Octans]:
    """A release's own API."""
    async with (
        tunnel(installation, "service/second-octans-api", 8080) as url,
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as http,
    ):
        yield Octans(http)


async def play(
    installation: Installation, headers: dict[str, str], machine: Machine, name: str
) -> None:
    """Run one play through a release's own API, which must succeed."""
    async with reached(installation, headers) as octans:
        number = await octans.run(name, [machine.address], [{"name": "say", "shell": "echo hi"}])
        seen = await octans.ended(number)
        assert seen["status"] == SUCCESS, seen
        assert [result["stdout"] for result in log(seen)] == ["hi"]


async def test_install_upgrade_uninstall(
    second: Installation, caller: dict[str, str], admin: Client, machines: list[Machine]
) -> None:
    first, during, after = unique("installed"), unique("upgraded-under"), unique("upgraded")
    async with reached(second, {}) as stranger:
        assert (await stranger.post("check", {"id": 1})).status_code == 401
    await play(second, caller, machines[0], first)
    async with reached(second, caller) as octans:
        under_way = await octans.run(during, [machines[0].address], held(during))
        await octans.reaches(under_way, {RUNNING})

    values = second.values(replicas=1, crds=False)
    values["api"]["replicas"] = values["controller"]["replicas"] = 2
    values["logLevel"] = "DEBUG"
    values["tasks"] = {"maxRunning": 7}
    # A folder of each pod's own: only that the controller keeps logs there counts here.
    values["archive"] = {"url": "file:///archive/logs", "volume": {"emptyDir": {}}}
    await second.install(values)
    home = second.kubectl.within(second.namespace)
    deployments = await home.json("get", "deployments")
    assert {d["metadata"]["name"]: d["status"]["readyReplicas"] for d in deployments["items"]} == {
        "second-octans-api": 2,
        "second-octans-controller": 2,
    }
    history = json.loads(await second.helm("history", second.release, "-o", "json"))
    assert [(entry["revision"], entry["status"]) for entry in history][-1] == (2, "deployed")
    await let_go(machines[0], during)
    async with reached(second, caller) as octans:
        assert (await octans.ended(under_way))["status"] == SUCCESS
        assert await machines[0].marks(during) == 1, "it ran on while everything was replaced"
        number = await octans.run(after, [machines[0].address], [{"raw": "true"}])
        told = await octans.ended(number)
    assert (told["status"], told["log"]) == (SUCCESS, "[]")
    assert not told["log_complete"], "the API does not find what the status tells of"
    await wait_for(
        "the task is held for its log in the store only",
        lambda: admin.get(TASKS, second.tasks_namespace, names.object_name(number)),
        lambda task: task["metadata"]["finalizers"] == [names.ARCHIVE_FINALIZER],
        seconds=10,
    )

    await second.helm("uninstall", second.release, "--wait")
    await wait_for(
        "api and controller are gone",
        lambda: home.json("get", "deployments,services,serviceaccounts,pods"),
        lambda left: (
            not [item for item in left["items"] if item["metadata"]["name"].startswith("second-")]
        ),
        seconds=60,
        every=1,
    )
    page = await admin.list(TASKS, second.tasks_namespace)
    kept = {item["spec"]["taskName"]: item["status"]["phase"] for item in page.items}
    assert kept == dict.fromkeys((first, during, after), "Succeeded"), "uninstall keeps the tasks"
    finalizers = [item["metadata"].get("finalizers") for item in page.items]
    assert finalizers == [None] * 3, "and none of them is held by what is not there any more"
    assert await second.kubectl("get", "configmaps", f"--selector={names.LABEL_TASK_UID}") != ""

    await second.install(second.values(replicas=1, crds=False))
    async with reached(second, caller) as octans:
        assert (await octans.check(first))["status"] == SUCCESS, "found again"


async def test_pods_are_not_root_and_have_no_way_to_more(second: Installation) -> None:
    pods = await second.kubectl.within(second.namespace).json("get", "pods")
    assert pods["items"]
    for pod in pods["items"]:
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"]["drop"] == ["ALL"]


RIGHTS = {
    "api": {
        ("create", "ansibletasks.octans.io"): True,
        ("create", "secrets"): True,
        ("get", "secrets"): False,
        ("list", "secrets"): False,
        ("get", "pods/log"): True,
        ("create", "jobs.batch"): False,
        ("patch", "ansibletasks.octans.io/status"): False,
        ("delete", "ansibletasks.octans.io"): False,
    },
    "controller": {
        ("patch", "ansibletasks.octans.io/status"): True,
        ("create", "jobs.batch"): True,
        ("create", "ansibletasks.octans.io"): False,
        ("get", "secrets"): False,
        ("list", "secrets"): False,
        ("create", "pods"): False,
        ("create", "pods/exec"): False,
    },
}


@pytest.mark.parametrize("part", RIGHTS)
async def test_rights_are_as_narrow_as_the_design_says(
    installation: Installation, part: str
) -> None:
    who = f"system:serviceaccount:{installation.namespace}:octans-{part}"
    for (verb, resource), expected in RIGHTS[part].items():
        # NB: `can-i get pods/log` would ask about a pod named log.
        kind, _, part_of_it = resource.partition("/")
        question = ("auth", "can-i", verb, kind, f"--subresource={part_of_it}", f"--as={who}")
        answer = await installation.kubectl.ask(*question)
        assert answer.out.strip() == ("yes" if expected else "no"), (verb, resource)
        if resource != "secrets":
            continue
        other = installation.kubectl.within("kube-system")
        answer = await other.ask(*question)
        assert answer.out.strip() == "no", (verb, resource, "kube-system")


async def test_values_that_mean_nothing_are_refused(
    given: Given, installation: Installation, tmp_path: Path
) -> None:
    values = tmp_path / "values.json"
    for wrong in ({"api": {"replicas": "two"}}, {"ssh": {"hostKeys": "maybe"}}, {"typo": 1}):
        values.write_text(json.dumps(wrong))
        with pytest.raises(AssertionError, match="don't meet the specifications of the schema"):
            await installation.helm("template", "x", installation.chart, "--values", str(values))
    assert given.helm


async def test_tasks_have_a_namespace_of_their_own(installation: Installation) -> None:
    same = f"tasksNamespace.name={installation.namespace}"
    with pytest.raises(AssertionError, match="tasks need a namespace of their own"):
        await installation.helm("template", "x", installation.chart, "--set", same)


async def test_the_crd_stays_when_a_release_goes(installation: Installation) -> None:
    manifest = await installation.helm("template", "x", installation.chart)
    documents = [part for part in manifest.split("\n---") if "CustomResourceDefinition" in part]
    assert len(documents) == 1
    assert "helm.sh/resource-policy: keep" in documents[0]
    own = Path(installation.chart).parents[1] / "crds" / "ansibletask.yaml"
    assert (Path(installation.chart) / "files" / own.name).read_text() == own.read_text()
