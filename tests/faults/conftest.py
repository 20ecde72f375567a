"""What fault tests share: somebody who watches, and a judge."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import pytest
import pytest_asyncio

from tests.cluster.platform.given import Given
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks
from tests.faults.components import Components
from tests.faults.judge import Judge
from tests.faults.recorder import Recorder, recording
from tests.faults.schedule import schedule
from tests.faults.tally import TALLY
from tests.faults.trials import Ground

SEED: Final = "OCTANS_TEST_FAULTS_SEED"
DAYS: Final = 28
"""In so many days all faults are tried by those who try a part of them each day."""
USUAL: Final = 8
"""Seconds that a test takes which does not say otherwise with the marker `seconds`."""


def _seed() -> int:
    return int(os.environ.get(SEED) or datetime.now(UTC).toordinal())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is this day's part, which is tried where not all are: `-m faults` tries all."""
    costs = {}
    for item in items:
        if item.get_closest_marker("faults"):
            marker = item.get_closest_marker("seconds")
            costs[item.nodeid] = float(marker.args[0]) if marker else USUAL
    today = set(schedule(costs, DAYS)[_seed() % DAYS])
    for item in items:
        if item.nodeid in today:
            item.add_marker("today")


@pytest.fixture(scope="session")
def seed() -> int:
    """Decides what is tried where not everything is; by default another one each day."""
    return _seed()


@pytest_asyncio.fixture(scope="module")
async def recorder(installation: Installation, kubectl: Kubectl) -> AsyncIterator[Recorder]:
    """Somebody who watches the tasks' namespace, with a connection of their own."""
    del installation  # whose namespace it is
    async with recording(kubectl) as found:
        yield found


@pytest.fixture(scope="module")
def judge(recorder: Recorder, tasks: Tasks, machines: list[Machine]) -> Judge:
    """Judges what became of a task."""
    return Judge(recorder, tasks, machines)


@pytest_asyncio.fixture(scope="module")
async def no_controller(
    installation: Installation, controller_process: HostProcess, tasks: Tasks
) -> Installation:
    """The installation while nobody carries tasks out: the session's controller is stopped."""
    await tasks.cancel_all()
    if controller_process.running:
        await controller_process.stop()
    return installation


@pytest.fixture(scope="session")
def components(given: Given) -> Components:
    """The programs of the cluster, which must be this machine's own."""
    found = Components.of(given)
    assert found.own, "these faults need a cluster of python3 -m cluster"
    return found


@pytest.fixture
def trials(
    tasks: Tasks, kubectl: Kubectl, machines: list[Machine], judge: Judge,
    controller: HostProcess,
) -> Ground:  # fmt: skip
    """Makes tasks that something is done to, with a controller at work."""
    assert controller.running
    return Ground(tasks, kubectl, machines, judge)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the faults came to."""
    if TALLY.runs:
        terminalreporter.section(f"faults, {SEED}={_seed()}")
        for line in TALLY.told():
            terminalreporter.line(line)
