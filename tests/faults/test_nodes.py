"""The node that a run is on dies, stays away, comes back."""

import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.cluster.platform import programs
from tests.cluster.platform.given import Given
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.waiting import wait_for
from tests.faults.components import Components
from tests.faults.trials import Ground, Told

pytestmark = [pytest.mark.faults, pytest.mark.seconds(90)]

NODE: Final = "worker"
TIMEOUT, MARGIN, GRACE = 10, 10, 5
"""Seconds: of the play, for its pod's start, between SIGTERM and SIGKILL."""
DEADLINE: Final = TIMEOUT + MARGIN
SOON: Final = 30
AT_ONCE: Final = 15
"""Seconds after its pod's object is gone: 5 of them are for what the log may still bring."""


@pytest_asyncio.fixture
async def worker(
    components: Components, controller: HostProcess, kubectl: Kubectl
) -> AsyncIterator[Components]:
    """A further node, on which all runs are."""
    await components.node("add", NODE)
    selector = json.dumps({"kubernetes.io/hostname": NODE})
    async with programs.restarted(
        controller,
        OCTANS_NODE_SELECTOR=selector,
        OCTANS_START_MARGIN=str(MARGIN),
        OCTANS_STOP_GRACE=str(GRACE),
    ):
        yield components
    await components.node("remove", NODE)
    await kubectl("delete", "pods", "--all", "--force", "--grace-period=0")


async def test_a_node_that_stays_away(worker: Components, trials: Ground) -> None:
    trial = await trials.begin("away", timeoutSeconds=TIMEOUT)
    await trial.at_work()
    await worker.node("kill", NODE)
    lost = Told("Failed", "NodeLost", log="lacking")
    await trial.ends(lost, seconds=DEADLINE + GRACE + SOON)


async def test_a_node_that_is_given_up_and_comes_back(
    worker: Components, trials: Ground, kubectl: Kubectl
) -> None:
    trial = await trials.begin("given-up", timeoutSeconds=3600)
    await trial.at_work()
    await worker.node("kill", NODE)
    await kubectl("delete", "node", NODE)
    began = time.time()
    await wait_for(
        "its pod object is gone", trial.pods, lambda pods: not pods, seconds=120, every=0.5
    )
    gone = time.time()
    await trial.ends(Told("Failed", "NodeLost", log="lacking"), seconds=AT_ONCE)
    now = time.time()
    print(f"given up: told after {now - began:.1f} s, {now - gone:.1f} s after its pod was gone")
    await worker.node("add", NODE)
    await trial.ends(Told("Failed", "NodeLost", log="lacking"), seconds=SOON)
    assert await trial.machine.marks(trial.name) == 1


async def test_a_node_that_loses_power_and_comes_back(worker: Components, trials: Ground) -> None:
    trial = await trials.begin("back", timeoutSeconds=3600)
    await trial.at_work()
    await worker.node("kill", NODE)
    await worker.node("add", NODE)
    crashed = [
        Told("Failed", reason, log=log)
        for reason in ("RunnerCrashed", "NodeLost")
        for log in ("lacking", "whole")
    ]
    await trial.ends(*crashed, seconds=120)
    assert await trial.machine.marks(trial.name) == 1


async def test_replicas_are_on_different_nodes(
    worker: Components, given: Given, installation: Installation, tmp_path: Path
) -> None:
    """Of controller and API, so that one node's death takes no two of either."""
    del worker
    spread = Installation(
        given=given, release="spread", namespace=f"{given.name}-spread",
        tasks_namespace=f"{given.name}-spread-tasks", folder=tmp_path,
    )  # fmt: skip
    assert installation.release, "its CRD is used"
    try:
        await spread.install(spread.values(replicas=2, crds=False))
        found = await spread.kubectl.within(spread.namespace).json("get", "pods")
    finally:
        await spread.remove()
    nodes = defaultdict(set)
    for pod in found["items"]:
        nodes[pod["metadata"]["labels"]["app.kubernetes.io/component"]].add(pod["spec"]["nodeName"])
    assert {part: len(names) for part, names in nodes.items()} == {"api": 2, "controller": 2}


async def test_a_stop_while_the_node_is_away(worker: Components, trials: Ground) -> None:
    trial = await trials.begin("unheard", timeoutSeconds=3600)
    await trial.at_work()
    await worker.node("kill", NODE)
    await trial.stop()
    unheard = Told("Stopped", "Stopped", log="lacking", says="did not confirm the stop")
    await trial.ends(unheard, seconds=GRACE + SOON)
