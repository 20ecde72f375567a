"""The Kubernetes API is slow, refuses, loses answers, and its streams break or keep silent."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
import pytest_asyncio

from crds.client import Client
from tests.cluster.platform import programs
from tests.cluster.platform.calls import unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import TERMINAL, Tasks, manifest
from tests.cluster.platform.waiting import wait_for
from tests.faults.by_time import ByTime
from tests.faults.judge import Judge
from tests.faults.proxy import (
    Choose,
    Cut,
    Delay,
    Drop,
    LoseAnswer,
    Proxy,
    Refuse,
    Replay,
    Silence,
    WatchError,
    proxied,
)
from tests.faults.tally import TALLY

pytestmark = pytest.mark.faults

MOST: Final = 15.0
"""Seconds for which a fault lasts; it may end sooner with the tasks."""
RESYNC: Final = 10
"""Seconds between two looks at everything."""
WATCH_AGE: Final = "octans_watch_age_seconds{"
SIGHT: Final = 30.0
"""Seconds after a fault in which watches are known again to show what there is."""
BLIND: Final = 90.0
"""Seconds after which a blind controller has ended, to be started anew."""


@dataclass(slots=True)
class Ground:
    """A controller that reaches the API server through a proxy only."""

    controller: HostProcess
    proxy: Proxy
    kubeconfig: Path
    tasks: Tasks
    machines: list[Machine]
    judge: Judge
    restarts: int = 0
    """How often the controller has ended itself in this test."""

    async def start(self) -> None:
        """Ready, while nothing is wrong."""
        self.proxy.becomes(None)
        self.restarts = 0
        if not self.controller.running:
            self.controller.has_died()
            await self.controller.start(**self._settings())

    async def launch(self) -> None:
        """Started, whatever is wrong."""
        await self.controller.launch(**self._settings())

    def _settings(self) -> dict[str, str]:
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "OCTANS_LEASE_SECONDS": "2",
            "OCTANS_RESYNC_SECONDS": str(RESYNC),
        }

    async def create(self) -> dict[str, str]:
        """A short run, one of some seconds with output, one of two slices; uids by name."""
        lines = {"raw": "for i in $(seq 60); do echo line $i; sleep 0.1; done"}
        uids = {}
        for hosts, work in ((1, []), (1, [lines]), (2, [lines])):
            name = unique("through")
            addresses = [machine.address for machine in self.machines[:hosts]]
            body = manifest(name, addresses, tasks=[mark(name), *work], slices=hosts)
            uids[name] = (await self.tasks.create(body)).metadata.uid
        return uids

    async def ages(self) -> list[float]:
        """For how long each watch has been out of touch, as the controller tells it."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            lines = (await http.get(f"{self.controller.url}/metrics")).text.splitlines()
        return [float(line.split()[1]) for line in lines if line.startswith(WATCH_AGE)]

    async def ended(self, uids: dict[str, str], seconds: float) -> bool:
        """Whether all tasks have ended by then; a controller that ended itself is started again,
        as a kubelet does."""
        until = time.monotonic() + seconds
        left = set(uids)
        while left and time.monotonic() < until:
            if self.controller.has_died():
                self.restarts += 1
                await self.launch()
            found = [await self.tasks.get(name) for name in left]
            left = {task.metadata.name for task in found if task.status.phase.value not in TERMINAL}
            await asyncio.sleep(0.2)
        return not left


@pytest_asyncio.fixture(scope="module")
async def ground(
    no_controller: Installation, tasks: Tasks,
    machines: list[Machine], judge: Judge, tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Ground]:  # fmt: skip
    """A controller of our own in the place of the session's."""
    folder = tmp_path_factory.mktemp("proxied")
    controller = await programs.controller(no_controller, folder / "log")
    async with proxied(no_controller, "octans-controller", folder) as (proxy, kubeconfig):
        yield Ground(controller, proxy, kubeconfig, tasks, machines, judge)
        await controller.stop()


def _sometimes(seed: int, share: float) -> Callable[[object], bool]:
    """True for so many of what it is asked about, the same ones for the same seed."""
    chance = random.Random(seed)
    return lambda _: chance.random() < share


def faults(seed: int) -> dict[str, Choose]:
    """What is wrong, by its name."""
    sometimes = _sometimes(seed, 0.3)
    return {
        "watches end with ERROR 500": lambda it: WatchError(500, 1) if it.watch else None,
        "watches end with ERROR 410": lambda it: WatchError(410, 1) if it.watch else None,
        "watches end with ERROR 401": lambda it: WatchError(401, 1) if it.watch else None,
        "watches are cut": lambda it: Cut(2) if it.watch else None,
        "watch events are dropped": lambda it: Drop(sometimes) if it.watch else None,
        "watches and lists are refused with 500": lambda it: (
            Refuse(500) if it.watch or it.listing else None
        ),
        "everything is refused with 401": lambda _: Refuse(401, "Unauthorized"),
        "everything is refused with 403": lambda _: Refuse(403, "Forbidden"),
        "everything is refused with 429": lambda _: Refuse(429, "TooManyRequests"),
        "everything is refused with 503": lambda _: Refuse(503, "ServiceUnavailable"),
        "reading takes 4 s": lambda it: (
            Delay(4) if not (it.write or it.watch or it.follow) else None
        ),
        "writing takes 3 s": lambda it: Delay(3) if it.write else None,
        "answers to writes are lost": lambda it: (
            LoseAnswer() if it.write and sometimes(it) else None
        ),
        "lists are old": lambda it: Replay() if it.listing else None,
        "logs are cut every 5 s": lambda it: Cut(5) if it.follow else None,
        "logs are silent": lambda it: Silence() if it.follow else None,
    }


@pytest.mark.seconds(35)
@pytest.mark.parametrize("row", faults(0))
async def test_nothing_is_lost_or_done_twice(ground: Ground, row: str, seed: int) -> None:
    await ground.start()
    ground.proxy.done.clear()
    before = await ground.create()
    name = next(iter(before))
    await ground.tasks.reaches(name, {"Starting", "Running", "Succeeded"})
    ground.proxy.becomes(faults(seed)[row])
    during = await ground.create()
    uids = before | during
    over = await ground.ended(uids, MOST)
    ground.proxy.becomes(None)
    print(f"{row}: seed {seed}, {ground.proxy.done}, all ended meanwhile: {over}")
    for kind, count in ground.proxy.done.items():
        TALLY.injected(kind, count)
    restored = time.time()
    await ground.ended(uids, 90)
    print(f"{row}: {time.time() - restored:.1f} s from the fault's end until all had ended")
    print(f"{row}: the controller ended itself {ground.restarts} times")
    assert sum(ground.proxy.done.values()) > 0, ground.controller.tail()
    wrong = []
    for each, uid in uids.items():
        await ground.tasks.let_go(each)
        wrong += await ground.judge.found(each, uid, due=restored + 60, ends="Succeeded")
    assert wrong == [], ground.controller.tail()
    await wait_for(
        "all watches are known to be up to date", ground.ages,
        lambda ages: len(ages) == 3 and max(ages) < SIGHT / 2, seconds=SIGHT, every=0.5,
    )  # fmt: skip


@pytest.mark.seconds(35)
async def test_a_reader_by_time_has_lines_twice(ground: Ground) -> None:
    """The same cuts for both."""
    await ground.start()
    ground.proxy.becomes(lambda it: Cut(5) if it.follow else None)
    name = unique("cut")
    lines = {"raw": "for i in $(seq 20); do echo line $i; done"}
    often = lines | {"loop": "{{ range(40) | list }}", "loop_control": {"pause": 0.5}}
    body = manifest(name, [ground.machines[0].address], verbosity=1, tasks=[mark(name), often])
    uid = (await ground.tasks.create(body)).metadata.uid
    task = await ground.tasks.reaches(name, {"Running"})
    client = await Client.connect(kubeconfig=ground.kubeconfig)
    reader = ByTime(client, ground.tasks.namespace, task.status.slices[0].pod or "")
    async with reader.reading():
        await ground.tasks.ended(name, seconds=90)
    await client.close()
    ground.proxy.becomes(None)
    task = await ground.tasks.let_go(name)
    log, last = task.status.log, task.status.slices[0].last_sequence
    assert log is not None
    print(f"by sequence: {len(log.missing)} gaps in {last} frames; complete: {log.complete}")
    print(reader.told(last))
    assert log.complete
    assert await ground.judge.found(name, uid, ends="Succeeded") == []


@pytest.mark.seconds(60)
async def test_a_blind_controller_is_started_anew(ground: Ground) -> None:
    """Its watches stay open and show nothing, for longer than it takes kopf to open new ones."""
    await ground.start()
    ground.proxy.becomes(lambda it: Silence() if it.watch else None)
    began = time.time()
    uids = await ground.create()

    async def died() -> bool:
        return ground.controller.has_died()

    await wait_for("it has ended", died, bool, seconds=BLIND)
    print(f"blind: it ended after {time.time() - began:.0f} s")
    ground.proxy.becomes(None)
    await ground.start()
    wrong = []
    for name, uid in uids.items():
        await ground.tasks.ended(name)
        await ground.tasks.let_go(name)
        due = time.time() + 60
        wrong += await ground.judge.found(name, uid, due=due, ends="Succeeded")
    assert wrong == []


@pytest.mark.seconds(75)
async def test_watches_begin_again_after_credentials_were_refused(ground: Ground) -> None:
    """Again and again: kopf ends each time, and may be stuck in it."""
    await ground.start()
    for _ in range(3):
        ground.proxy.becomes(lambda _: Refuse(401, "Unauthorized"))
        await asyncio.sleep(3)  # that is the fault
        ground.proxy.becomes(None)
        await asyncio.sleep(7)  # kopf waits 5 s for what it has started
    restored = time.time()
    uids = await ground.create()
    assert await ground.ended(uids, 60)
    await asyncio.sleep(max(0.0, restored + SIGHT - time.time()))
    ages = await ground.ages()
    print(f"{SIGHT:.0f} s after: {ages}")
    assert len(ages) == 3
    assert max(ages) < SIGHT / 2, ground.controller.tail()
    assert ground.restarts == 0
    for name, uid in uids.items():
        await ground.tasks.let_go(name)
        assert await ground.judge.found(name, uid, ends="Succeeded") == []
