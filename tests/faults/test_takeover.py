"""The leader is killed, stopped, or frozen; the standby goes on with its work."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio

from tests.cluster.platform import programs
from tests.cluster.platform.calls import unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.machines import Machine, held, let_go
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for
from tests.faults.judge import Judge
from tests.faults.tally import TALLY

pytestmark = [pytest.mark.faults, pytest.mark.seconds(20)]

RUNS = 4
KILLED, STOPPED = 10.0, 4.0
"""Seconds until the standby goes on: twice and more of what is promised, for a busy machine."""


@dataclass(slots=True)
class Pair:
    """A leader and its standby, runs that wait to be let go, and the machine they are on."""

    leader: HostProcess
    standby: HostProcess
    tasks: Tasks
    machine: Machine
    judge: Judge
    uids: dict[str, str] = field(default_factory=dict)
    """Of the tasks that were created, by name."""

    async def create(self, name: str) -> None:
        """A task that waits to be let go."""
        body = manifest(name, [self.machine.address], tasks=held(name))
        self.uids[name] = (await self.tasks.create(body)).metadata.uid

    async def run(self, count: int) -> None:
        """So many tasks, each at work on the machine."""
        names = [unique("held") for _ in range(count)]
        await asyncio.gather(*(self.create(name) for name in names))
        await asyncio.gather(*(self.tasks.reaches(name, {"Running"}) for name in names))

    async def gone_on(self, fault: str, began: float, seconds: float) -> None:
        """See that a task that is created now has a status within some seconds of the fault."""
        took = await self._seen_after(began)
        print(f"{fault}: its work is gone on with after {took:.2f} s")
        TALLY.took(f"from a leader that was {fault} until its work was gone on with", took)
        assert took < seconds

    async def _seen_after(self, began: float) -> float:
        name = unique("after")
        await self.create(name)
        await self.tasks.reaches(name, {"Queued", "Starting", "Running"}, seconds=30)

        async def told() -> list[float]:
            states = self.judge.recorder.task(self.uids[name])
            return [seen.at for seen in states if seen.object.get("status", {}).get("phase")]

        return (await wait_for("the recorder has seen it", told, bool, seconds=10))[0] - began

    async def sound(self, due: float) -> None:
        """Let everything go; each run was one, ended in time, and nothing of it is lost."""
        wrong = []
        for name in self.uids:
            await self.tasks.reaches(name, {"Running", "Succeeded"}, seconds=60)
            await let_go(self.machine, name)
        for name, uid in self.uids.items():
            await self.tasks.ended(name)
            await self.tasks.let_go(name)
            wrong += await self.judge.found(name, uid, due=due, ends="Succeeded")
        assert wrong == []


@pytest_asyncio.fixture
async def pair(
    no_controller: Installation, tasks: Tasks,
    machines: list[Machine], judge: Judge, tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Pair]:  # fmt: skip
    """Two controllers in the place of the session's one; the first leads."""
    folder = tmp_path_factory.mktemp("pair")
    leader, standby = [
        await programs.controller(no_controller, folder / name) for name in ("leader", "standby")
    ]
    await leader.start()
    await wait_for("the first leads", lambda: leads(leader), bool, seconds=20)
    await standby.start()
    assert not await leads(standby)
    yield Pair(leader, standby, tasks, machines[0], judge)
    await leader.stop()
    await tasks.cancel_all()
    await standby.stop()


async def leads(process: HostProcess) -> bool:
    """What a controller says of itself, once it says the same in both places."""

    async def said() -> tuple[str, str]:
        async with httpx.AsyncClient(base_url=process.url, trust_env=False, timeout=5) as http:
            ready = (await http.get("/readyz")).text.splitlines()
            metrics = (await http.get("/metrics")).text.splitlines()
        assert len([line for line in ready if line.startswith("watch of ")]) == 3
        (gauge,) = [line for line in metrics if line.startswith("octans_leader ")]
        return ready[0], gauge

    words = {("leader", "octans_leader 1.0"): True, ("standby", "octans_leader 0.0"): False}
    return words[await wait_for("it says so twice", said, lambda it: it in words, seconds=5)]


async def test_a_killed_leader_is_replaced(pair: Pair) -> None:
    await pair.run(RUNS)
    began = time.time()
    await pair.leader.kill()
    await pair.gone_on("killed", began, KILLED)
    assert await leads(pair.standby)
    await pair.sound(due=time.time() + 60)


async def test_a_leader_that_is_stopped_hands_over_at_once(pair: Pair) -> None:
    await pair.run(RUNS)
    began = time.time()
    stopping = asyncio.create_task(pair.leader.stop())
    await pair.gone_on("stopped", began, STOPPED)
    await stopping
    assert await leads(pair.standby)
    await pair.sound(due=time.time() + 60)


async def test_a_frozen_leader_wakes_up_and_stands_by(pair: Pair) -> None:
    await pair.run(RUNS)
    began = time.time()
    pair.leader.freeze()
    await pair.gone_on("frozen", began, KILLED)
    assert await leads(pair.standby)
    await pair.sound(due=time.time() + 60)
    pair.leader.wake()
    await wait_for("it stands by", lambda: leads(pair.leader), lambda it: not it, seconds=20)
    assert await leads(pair.standby)
    await pair.sound(due=time.time() + 60)
