"""A stop at each point of a task's life, and together with other things."""

import asyncio
import os
from collections.abc import Iterator
from typing import Final

import pytest

from tests.cluster.platform.calls import unique
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.waiting import wait_for
from tests.faults import phases
from tests.faults.phases import Phase
from tests.faults.schedule import timed
from tests.faults.stopwatch import Stopwatch
from tests.faults.trials import Ground, Told

pytestmark = pytest.mark.faults

ROUNDS: Final = "OCTANS_TEST_FAULTS_STOPS"
"""How many tasks are stopped in each phase; one where it is not set."""

NEVER_RAN: Final = Told("Stopped", "Stopped", log="none", says="It never ran.")
IN_FLIGHT: Final = Told("Stopped", "Stopped", log="whole", says="Hosts in flight: ")
STOPPED: Final = Told("Stopped", "Stopped")
DONE: Final = Told("Succeeded", "Completed", "ok", "whole")

PHASES: Final[dict[str, tuple[Phase, Told]]] = {
    "queued": (phases.queued, NEVER_RAN),
    "without a pod": (phases.podless, NEVER_RAN),
    "gated": (phases.shut, NEVER_RAN),
    "unscheduled": (phases.unscheduled, NEVER_RAN),
    "image missing": (phases.imageless, NEVER_RAN),
    "mounting": (phases.mounting, NEVER_RAN),
    "starting": (phases.starting, STOPPED),
    "running": (phases.running, IN_FLIGHT),
    "SIGTERM is ignored": (phases.stubborn, IN_FLIGHT),
    "the runner hears nothing": (
        phases.hung, Told("Stopped", "Stopped", log="lacking", says="It had begun")),
}  # fmt: skip


@pytest.fixture(scope="module")
def stopwatch() -> Iterator[Stopwatch]:
    """Measures all stops of this file, and tells their times at its end."""
    found = Stopwatch()
    yield found
    print("\n".join(found.told()))


@pytest.mark.parametrize("row", timed(PHASES, {"the runner hears nothing": 36}))
async def test_a_stop(trials: Ground, stopwatch: Stopwatch, row: str) -> None:
    phase, told = PHASES[row]
    for _ in range(int(os.environ.get(ROUNDS) or 1)):
        async with phase(trials) as trial:
            await stopwatch.stop(row, trial)
            await trial.ends(told)


async def test_a_stop_under_way(trials: Ground) -> None:
    async with phases.stubborn(trials) as trial:
        await trial.stop()
        await wait_for(
            "it says so", lambda: trials.tasks.get(trial.name),
            lambda task: task.status.reason == "Stopping", seconds=5, every=0.1,
        )  # fmt: skip
        await trial.ends(IN_FLIGHT)


async def test_two_stops(trials: Ground, stopwatch: Stopwatch) -> None:
    async with phases.running(trials) as trial:
        await asyncio.gather(trial.stop(), trial.stop())
        await stopwatch.stop("twice", trial)
        await trial.ends(IN_FLIGHT)
        await trial.stop()
        assert (await trials.tasks.get(trial.name)).status.phase == "Stopped"


@pytest.mark.seconds(50)
async def test_a_stop_that_comes_with_the_end(trials: Ground, stopwatch: Stopwatch) -> None:
    """Whichever came first is told, and of what was done nothing else."""

    async def one(after: float) -> None:
        name = unique("finishing")
        last = {"name": "last", "raw": f"echo done > /tmp/done-{name}"}
        trial = await trials.begin("finishing", [{"raw": "sleep 1"}, last], name=name)
        await trial.at_work()
        await asyncio.sleep(after)
        await stopwatch.stop("finishing", trial)
        task = await trial.ends(IN_FLIGHT, STOPPED, DONE)
        done = "done" in await trial.machine.run(f"cat /tmp/done-{name} 2>/dev/null || true")
        print(f"stopped {after:.2f} s after its beginning: {task.status.phase}, done: {done}")
        assert done or task.status.phase == "Stopped"

    for batch in range(4):
        await asyncio.gather(*(one(0.3 + 0.12 * (batch + 4 * each)) for each in range(4)))


async def test_a_stop_with_a_deletion(trials: Ground, stopwatch: Stopwatch) -> None:
    async with phases.running(trials) as trial:
        await asyncio.gather(trial.stop(), trial.remove())
        await stopwatch.quiet("with a deletion", trial)
        await trial.vanishes()


@pytest.mark.seconds(15)
async def test_a_deletion_while_no_controller_is_there(
    trials: Ground, controller: HostProcess, stopwatch: Stopwatch
) -> None:
    async with phases.running(trials) as trial:
        await controller.kill()
        await trial.remove()
        await wait_for(
            "it is still there", lambda: trials.tasks.get(trial.name),
            lambda task: task.metadata.deletion_timestamp, seconds=5,
        )  # fmt: skip
        assert await trial.alive(), "nobody ends it meanwhile"
        await controller.start()
        await stopwatch.quiet("deleted while the controller was away", trial)
        await trial.vanishes()
