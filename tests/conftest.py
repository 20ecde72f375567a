"""Fixtures of the cluster tests: one installation, its two programs, and machines, a session.

The chart is installed with no replicas; `python -m api` and `python -m controller` run as processes
of this machine under coverage, with the chart's service accounts, so that every test proves the
chart's RBAC as well.
"""

import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from crds import names
from crds.client import Client
from tests.cluster.platform import given as given_module
from tests.cluster.platform import machines as machines_module
from tests.cluster.platform import programs, s3
from tests.cluster.platform.calls import Octans
from tests.cluster.platform.evidence import Watcher
from tests.cluster.platform.given import Given
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Keys, Machine
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.reasons import Told
from tests.cluster.platform.s3 import ObjectServer
from tests.cluster.platform.stores import Store, stored
from tests.cluster.platform.tasks import Tasks
from tests.cluster.platform.waiting import wait_for

WATCHER = pytest.StashKey[Watcher]()
TOLD = pytest.StashKey[Told]()
MACHINES = 3


@pytest.fixture(scope="session")
def given() -> Given:
    """The cluster, images and programs of this session."""
    try:
        return given_module.read(os.environ)
    except given_module.NotGivenError as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest_asyncio.fixture(scope="session")
async def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """This session's SSH keys."""
    return await Keys.make(tmp_path_factory.mktemp("keys"))


@pytest_asyncio.fixture(scope="session")
async def machines(given: Given, keys: Keys) -> AsyncIterator[list[Machine]]:
    """Three machines with SSH servers, in a namespace of their own."""
    namespace = f"{given.name}-machines"
    kubectl = Kubectl(given.kubectl, given.kubeconfig, namespace)
    await kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s")
    await kubectl("create", "namespace", namespace)
    try:
        yield await machines_module.start(kubectl, given.machine_image, keys, MACHINES)
    finally:
        await kubectl("delete", "namespace", namespace, "--timeout=120s")


@pytest_asyncio.fixture(scope="session")
async def object_server(
    given: Given, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ObjectServer]:
    """An S3 server that processes of this machine and pods reach, serving."""
    kubectl = Kubectl(given.kubectl, given.kubeconfig)
    home = tmp_path_factory.mktemp("object-server")
    server = await s3.object_server(kubectl, home, os.environ)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def store(
    object_server: ObjectServer, api: HostProcess, controller: HostProcess, tmp_path: Path
) -> AsyncIterator[Store]:
    """Logs are kept in the S3 server, under a prefix of the test's own."""
    async with stored(object_server, api, controller, tmp_path) as found:
        yield found


@pytest_asyncio.fixture(scope="session")
async def installation(
    given: Given, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> AsyncIterator[Installation]:
    """The chart, without api and controller."""
    here = Installation(
        given=given,
        release="octans",
        namespace=given.name,
        tasks_namespace=f"{given.name}-tasks",
        folder=tmp_path_factory.mktemp("installation"),
    )
    await here.remove()
    own_crd = await here.owns_crd()
    await here.install(here.values(replicas=0, crds=own_crd))
    await wait_for(
        "the resource is served",
        lambda: here.kubectl.ask("get", names.PLURAL),
        lambda answer: answer.code == 0,
        seconds=30,
    )
    pytestconfig.stash[WATCHER] = Watcher(here.kubectl, here.processes)
    told = pytestconfig.stash[TOLD] = Told(here.kubectl, here.folder / "reasons")
    told.start()
    yield here
    told.stop()
    await here.remove()
    if own_crd:
        await here.remove_crd()


@pytest_asyncio.fixture(scope="session")
async def admin(given: Given) -> AsyncIterator[Client]:
    """A client with admin rights."""
    client = await Client.connect(kubeconfig=given.kubeconfig)
    yield client
    await client.close()


@pytest.fixture(scope="session")
def kubectl(installation: Installation) -> Kubectl:
    """Kubectl with admin rights in the tasks' namespace."""
    return installation.kubectl


@pytest.fixture(scope="session")
def tasks(admin: Client, installation: Installation) -> Tasks:
    """The tasks' namespace with admin rights."""
    return Tasks(admin, installation.tasks_namespace)


@pytest_asyncio.fixture(scope="session")
async def api(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[HostProcess]:
    """The API, serving."""
    process = await programs.api(installation, tmp_path_factory.mktemp("api") / "log")
    await process.start()
    yield process
    await process.stop()


@pytest_asyncio.fixture(scope="session")
async def way_to_machines(installation: Installation, keys: Keys, machines: list[Machine]) -> None:
    """The Secrets with which tasks reach the machines."""
    await installation.provide_secrets(keys.private, keys.known_hosts(machines))


@pytest_asyncio.fixture(scope="session")
async def controller_process(
    installation: Installation,
    way_to_machines: None,  # noqa: ARG001 - every task needs it
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[HostProcess]:
    """The controller; `controller` starts it."""
    process = await programs.controller(installation, tmp_path_factory.mktemp("controller") / "log")
    yield process
    await process.stop()


@pytest_asyncio.fixture
async def controller(controller_process: HostProcess, tasks: Tasks) -> AsyncIterator[HostProcess]:
    """The controller, started again where a test ended it; no task outlives its test running."""
    # Tests of the API alone make tasks that nobody carries out: they would all start now.
    await tasks.cancel_all()
    if not controller_process.running:
        await controller_process.start()
    await _none_left(tasks)
    yield controller_process
    if controller_process.running:
        await _none_left(tasks)
    else:
        await tasks.cancel_all()


async def _none_left(tasks: Tasks) -> None:
    await wait_for("no task is left running", tasks.cancel_all, lambda n: n == 0, seconds=45)


@pytest_asyncio.fixture(scope="session")
async def front(api: HostProcess) -> AsyncIterator[Octans]:
    """The five calls, whether or not a controller is at work."""
    async with httpx.AsyncClient(base_url=api.url, trust_env=False, timeout=40) as http:
        yield Octans(http)


@pytest.fixture
def octans(front: Octans, controller: HostProcess) -> Octans:  # noqa: ARG001 - must be at work
    """The five calls, with a controller at work."""
    return front


@pytest.fixture
def addresses(machines: list[Machine]) -> list[str]:
    """What tasks call the machines."""
    return [machine.address for machine in machines]


@pytest.fixture(autouse=True)
def _watched(request: pytest.FixtureRequest) -> None:
    """Remember when each test began, for the evidence of a failure."""
    if (watcher := request.config.stash.get(WATCHER, None)) is not None:
        watcher.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the cluster's evidence into the output of a failed test."""
    report = yield
    if (
        report.failed
        and report.when == "call"
        and (watcher := item.config.stash.get(WATCHER, None))
    ):
        report.sections.append(("what the cluster says", watcher.collect()))
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which of the documented reasons tasks told for real."""
    if (told := config.stash.get(TOLD, None)) is not None:
        terminalreporter.section("reasons that tasks told")
        for line in told.words():
            terminalreporter.line(line)
