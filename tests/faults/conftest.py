"""What fault tests share: somebody who watches, and a judge."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import pytest
import pytest_asyncio

from tests.cluster.platform.installation import Installation
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine
from tests.cluster.platform.tasks import Tasks
from tests.faults.judge import Judge
from tests.faults.recorder import Recorder, recording

SEED: Final = "OCTANS_TEST_FAULTS_SEED"


@pytest.fixture(scope="session")
def seed() -> int:
    """Decides what is tried where not everything is; by default another one each day."""
    return int(os.environ.get(SEED) or datetime.now(UTC).toordinal())


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
