"""Lives of tasks, in the course of which controllers end or freeze at a write."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from crds import errors, names
from crds.client import JOBS, PODS, TASKS
from crds.tasks import TaskStore
from tests.cluster.platform.calls import unique
from tests.cluster.platform.leftovers import leftovers
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import TERMINAL, Tasks, manifest
from tests.cluster.platform.waiting import wait_for
from tests.faults.judge import Judge
from tests.faults.tally import TALLY

SECONDS: Final = 60
"""A life is over by then, a takeover included."""
TIDYING: Final = 4
"""Seconds after the end in which the controller does its last writes."""
HARMLESS: Final = ("POST events ", "POST secrets")
"""Writes that may come late: news that nobody else told, and an input that nobody runs any more and
that goes with its task."""
REPEATED: Final = ("PATCH jobs spec.", "PATCH pods activeDeadlineSeconds")
"""Writes that are accepted when they come late, and change nothing."""
ORPHANS: Final = ("POST configmaps ", "POST jobs", "POST secrets")
"""Writes that may come when their task is gone. There is nothing to refuse them by; the garbage
collector takes what they make, since its owner is gone, and a Job's pods stay behind their gate."""


@dataclass(slots=True)
class Ground:
    """What a life takes place on: two controllers, of which one leads."""

    tasks: Tasks
    machines: list[Machine]
    controllers: list[HostProcess]
    judge: Judge
    folder: Path
    """Where the controllers note their writes and find the point at which they are to end."""
    points: dict[str, list[str]] = field(default_factory=dict)
    """Where a controller can end in each kind of life, as far as that is known."""

    @property
    def store(self) -> TaskStore:
        """The tasks, where one may be gone."""
        return TaskStore(self.tasks.client, self.tasks.namespace)

    @property
    def writes(self) -> Path:
        """The writes of both controllers."""
        return self.folder / "writes"

    async def start(self, controller: HostProcess) -> None:
        """It will lead, or stand by."""
        await controller.launch(
            OCTANS_TEST_MODULE="controller",
            OCTANS_TEST_CRASH=str(self.point),
            OCTANS_TEST_WRITES=str(self.writes),
            OCTANS_LEASE_SECONDS="2",
            OCTANS_RESYNC_SECONDS="2",
        )

    @property
    def point(self) -> Path:
        """The point at which one of them is to end; gone once it was met."""
        return self.folder / "point"

    async def revive(self) -> None:
        """Start again who has ended."""
        for controller in self.controllers:
            if controller.has_died():
                await self.start(controller)


Act = Callable[[Ground, str], Awaitable[None]]


async def _nothing(ground: Ground, name: str) -> None:
    del ground, name


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of life."""

    act: Act = _nothing
    """What is done to it once it runs."""
    spec: dict[str, Any] = field(default_factory=dict)
    hosts: int = 1
    sleep: int = 0
    """For how many seconds it runs on each machine, if it is not ended."""
    rival: bool = False
    """Whether an older task has its name."""
    ends: str = "Succeeded"
    """Its last phase; empty: it is gone."""


@dataclass(slots=True)
class Life:
    """One task's life, as far as it has come."""

    ground: Ground
    scenario: Scenario
    crash: str = ""
    name: str = field(default_factory=lambda: unique("life"))
    crashed: bool = False
    """Whether a controller reached the point at which it was to end or to freeze."""
    crashed_at: float = field(default_factory=time.time)
    uid: str = ""
    before_act: frozenset[str] = frozenset()
    """The writes before something was done to it."""

    async def begin(self) -> None:
        """The task is created."""
        self.ground.writes.write_text("")
        if self.crash:
            self.ground.point.write_text(self.crash)
        machines = self.ground.machines
        asked = f"{self.name}-asked"
        if self.scenario.rival:
            rival = manifest(
                f"{self.name}-a", [machines[2].address], tasks=[{"raw": "sleep 60"}], taskName=asked
            )
            await self.ground.tasks.create(rival)
            await asyncio.sleep(1.1)  # creation times have whole seconds
        work = [mark(self.name), {"raw": f"sleep {self.scenario.sleep}"}]
        hosts = [machine.address for machine in machines[: self.scenario.hosts]]
        body = manifest(self.name, hosts, tasks=work, taskName=asked, **self.scenario.spec)
        self.uid = (await self.ground.tasks.create(body)).metadata.uid

    async def go_on(self) -> None:
        """Until it is over; a controller that has ended is started again."""
        until, acted = time.monotonic() + SECONDS, False
        while (task := await self.ground.store.get(self.name)) is not None:
            if self.scenario.ends and task.status.phase.value in TERMINAL:
                break
            assert time.monotonic() < until, f"{self.crash}: not over: {task.status}"
            await self._look()
            if not acted and task.status.phase.value == "Running":
                acted, self.before_act = True, frozenset(self._writes())
                await self.scenario.act(self.ground, self.name)
            await asyncio.sleep(0.1)
        until = time.monotonic() + TIDYING
        while self.crash and not self.crashed and time.monotonic() < until:
            await self._look()
            await asyncio.sleep(0.1)
        await wait_for(
            f"{self.name} is let go",
            self._finalizers,
            lambda held: not held,
            seconds=30,
        )

    async def _finalizers(self) -> tuple[str, ...]:
        task = await self.ground.store.get(self.name)
        return task.metadata.finalizers if task is not None else ()

    async def _look(self) -> None:
        await self.ground.revive()
        if not self.crashed and not self.ground.point.exists():
            self.crashed, self.crashed_at = True, time.time()
            TALLY.injected(
                f"controller {'frozen' if self.crash.startswith('frozen') else 'killed'}"
            )

    async def _thaw(self) -> list[str]:
        """The frozen controller wakes up and does what it was about to do; what it changed."""
        frozen = [each for each in self.ground.controllers if each.frozen]
        if not frozen:
            return []
        write = self.crash.removeprefix("frozen ")
        before = await self._specs()
        frozen[0].wake()
        noted = await wait_for(
            f"what became of {write}",
            self._answers,
            lambda found: found.get(write),
            seconds=30,
        )
        if noted[write] != "accepted" or write.startswith(self._may_come_late):
            return []
        after = await self._specs()
        changed = [what for what in before.keys() & after.keys() if before[what] != after[what]]
        if write.startswith(REPEATED) and not changed:
            return []
        return [f"{self.crash}: it was accepted and changed {changed}"]

    def _writes(self) -> list[str]:
        return self.ground.writes.read_text().splitlines()

    def points(self) -> list[str]:
        """Where a controller can end or freeze in a life like this one.

        Until something is done to it, it is a life like any other: a controller that ends until
        then does so in that one. One that freezes wakes up in another world.
        """
        writes = dict.fromkeys(self._writes())
        common = self.before_act if self.scenario.act is not _nothing else frozenset()
        ends = [write for write in writes if write not in common]
        # Who gives the Lease back ends anyway: there is none to freeze.
        frozen = [write for write in writes if write != "PATCH leases free"]
        found = [f"{side} {write}" for side in ("before", "after") for write in ends]
        return found + [f"frozen {write}" for write in frozen]

    async def _specs(self) -> dict[str, Any]:
        """What its Job and its pods are to be, by kind and name."""
        tasks, labels = self.ground.tasks, f"{names.LABEL_TASK_UID}={self.uid}"
        return {
            f"{kind.plural}/{item['metadata']['name']}": item["spec"]
            for kind in (JOBS, PODS)
            for item in (await tasks.client.list(kind, tasks.namespace, labels=labels)).items
        }

    @property
    def _may_come_late(self) -> tuple[str, ...]:
        return HARMLESS if self.scenario.ends else HARMLESS + ORPHANS

    async def _answers(self) -> dict[str, str]:
        pairs = (line.rpartition(" -> ") for line in self._writes())
        return {write: answer for write, arrow, answer in pairs if arrow}

    async def end(self) -> list[str]:
        """What was wrong with it. Its objects are deleted; `none_left` looks for them later."""
        ground = self.ground
        found = await self._thaw()
        if not self.scenario.ends:
            # What came late had pods, perhaps: they are judged, too.
            found += await none_left(ground, [self])
        ground.point.unlink(missing_ok=True)
        found += await ground.judge.found(
            self.name, self.uid, due=self.crashed_at + 40, ends=self.scenario.ends
        )
        for name in (self.name, f"{self.name}-a"):
            with suppress(errors.NotFound):
                await ground.tasks.client.delete(TASKS, ground.tasks.namespace, name)
        return [f"{self.crash or 'no crash'}: {each}" for each in found]


async def live(ground: Ground, scenario: Scenario, crash: str = "") -> tuple[Life, list[str]]:
    """One life, and what was wrong with it."""
    life = Life(ground, scenario, crash)
    await life.begin()
    await life.go_on()
    return life, await life.end()


async def none_left(ground: Ground, lives: list[Life]) -> list[str]:
    """What is left of lives that were deleted, some time after that."""
    client, namespace = ground.tasks.client, ground.tasks.namespace

    async def left() -> list[str]:
        await ground.revive()
        found = [await leftovers(client, namespace, life.uid) for life in lives]
        return [each for some in found for each in some]

    try:
        await wait_for("nothing is left", left, lambda found: not found, seconds=60, every=1)
    except AssertionError as late:
        TALLY.left()
        return [f"I5: {late}"]
    return []
