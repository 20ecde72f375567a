"""Controllers end, or freeze, at each write of a task's life."""

import time
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from crds.client import TASKS
from tests.cluster.platform import programs
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.machines import Machine
from tests.cluster.platform.tasks import Tasks
from tests.faults.judge import Judge
from tests.faults.lives import Ground, Life, Scenario, live, none_left
from tests.faults.schedule import timed

pytestmark = pytest.mark.faults

PARTS: Final = 4
"""Tests over which the points of a scenario are spread."""
SECONDS: Final = {
    "one slice": 60, "two slices": 75, "a stop": 40, "a deletion": 40, "a name conflict": 35,
    "a handover": 80, "an expiry": 65,
}  # fmt: skip
"""What each of them takes."""


async def _stop(ground: Ground, name: str) -> None:
    await ground.store.cancel(name)


async def _delete(ground: Ground, name: str) -> None:
    await ground.tasks.client.delete(TASKS, ground.tasks.namespace, name)


async def _hand_over(ground: Ground, name: str) -> None:
    """Both are stopped in turn, so the one that leads is."""
    del name
    for controller in ground.controllers:
        if controller.running and not controller.frozen:
            await controller.stop()
            await ground.start(controller)


SCENARIOS = {
    "one slice": Scenario(),
    "two slices": Scenario(hosts=2, spec={"slices": 2}),
    "a stop": Scenario(_stop, sleep=60, ends="Stopped"),
    "a deletion": Scenario(_delete, sleep=60, ends=""),
    "a name conflict": Scenario(rival=True, ends="Failed"),
    "a handover": Scenario(_hand_over, sleep=6),
    "an expiry": Scenario(spec={"ttlSecondsAfterFinished": 0}, ends=""),
}


@pytest_asyncio.fixture(scope="module")
async def ground(
    no_controller: Installation, tasks: Tasks,
    machines: list[Machine], judge: Judge, tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Ground]:  # fmt: skip
    """Controllers of our own in the place of the session's."""
    folder = tmp_path_factory.mktemp("crashes")
    controllers = [
        await programs.controller(no_controller, folder / name, "tests.faults.crashing")
        for name in ("first", "second")
    ]
    here = Ground(tasks, machines, controllers, judge, folder)
    for controller in controllers:
        await here.start(controller)
    yield here
    for controller in controllers:
        await controller.stop()


async def points_of(ground: Ground, row: str) -> list[str]:
    """Where a controller can end or freeze in such a life, found out once."""
    if row in ground.points:
        return ground.points[row]
    life, found = await live(ground, SCENARIOS[row])
    assert found == []
    ground.points[row] = life.points()
    print(f"{row}: {len(ground.points[row])} points")
    return ground.points[row]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("row", timed(SCENARIOS, SECONDS))
async def test_the_controller_ends_at_a_write(ground: Ground, row: str, part: int) -> None:
    """Each in a life of its own; nothing runs twice, is lost, or is left."""
    scenario = SCENARIOS[row]
    points = (await points_of(ground, row))[part::PARTS]
    lives: list[Life] = []
    wrong: list[str] = []
    for point in points:
        began = time.monotonic()
        life, found = await live(ground, scenario, point)
        met = "met" if life.crashed else "NOT MET"
        print(f"{time.monotonic() - began:5.1f} s  {point}: {met}; {found or 'sound'}")
        wrong += found
        lives.append(life)
    wrong += await none_left(ground, lives)
    assert wrong == []
    # A write that only some lives have (a phase that passes too fast) may not be met.
    assert sum(life.crashed for life in lives) * 2 >= len(lives), "most points are met"
