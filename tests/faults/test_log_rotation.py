"""The kubelet rotates a pod's log while it is followed, and while nobody follows it.

Beside it, in the same runs, a reader that resumes by the time of the last line, which is how most
programs follow a pod's log.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final

import pytest
import pytest_asyncio

from crds import errors, frames
from crds.client import Client
from tests.cluster.platform.calls import unique
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.faults.components import Components
from tests.faults.judge import Judge

pytestmark = [pytest.mark.faults, pytest.mark.seconds(25)]

ROTATED_AT: Final = 100 * 1024
"""Bytes of a log file, instead of 10 MiB."""
ITEMS: Final = 300
"""Of a loop; each shows 3 kB, so that the log becomes ten times as long as a file may be."""
CUT: Final = 5.0
"""Seconds after which the time-based reader's stream is cut."""


@pytest_asyncio.fixture(scope="module")
async def small_logs(components: Components) -> AsyncIterator[None]:
    """A kubelet that rotates early, and looks often."""
    file = components.state / "etc" / "kubelet.yaml"
    before = file.read_text()
    small = {"containerLogMaxSize": str(ROTATED_AT), "containerLogMonitorInterval": "3s"}
    file.write_text(json.dumps(json.loads(before) | small))
    await components.kill("kubelet")
    await components.up()
    yield
    file.write_text(before)
    await components.kill("kubelet")
    await components.up()


@dataclass(slots=True)
class TimeBased:
    """Follows a pod's log; after each cut it goes on from the second of the last line's time."""

    client: Client
    namespace: str
    pod: str
    seen: Counter[int] = field(default_factory=Counter)
    """How often each frame was read, by its number."""

    async def read(self) -> None:
        """Until it is cancelled."""
        newest = 0.0
        while True:
            since = max(1, int(time.time() - newest)) if newest else 0
            with suppress(TimeoutError, errors.ClusterError):
                async with asyncio.timeout(CUT):
                    stream = self.client.follow_pod_log(
                        self.namespace, self.pod, since_seconds=since
                    )
                    async with aclosing(stream):
                        rest = b""
                        async for piece in stream:
                            *lines, rest = (rest + piece).split(b"\n")
                            for frame in filter(None, map(frames.parse, lines)):
                                self.seen[frame.seq] += 1
                                newest = frame.time
            await asyncio.sleep(0.2)

    def judged(self, total: int) -> str:
        """What a program that trusts this reader would have lost and had twice."""
        lost = total - len(self.seen)
        twice = sum(count - 1 for count in self.seen.values())
        return f"by time: {lost} of {total} frames lost, {twice} read again, nothing declared"


@pytest.mark.parametrize("away", [False, True], ids=["followed", "nobody follows"])
async def test_rotation(
    small_logs: None, away: bool, tasks: Tasks, machines: list[Machine],
    controller: HostProcess, judge: Judge,
) -> None:  # fmt: skip
    """What is lost is declared; while somebody follows, nothing is lost."""
    del small_logs
    name = unique("rotated")
    numbers = f"{{{{ range(0, {ITEMS}) | list }}}}"
    item = {"raw": "head -c 3000 /dev/zero | tr '\\0' x", "loop": numbers}
    body = manifest(name, [machines[0].address], verbosity=1, tasks=[mark(name), item])
    uid = (await tasks.create(body)).metadata.uid
    task = await tasks.reaches(name, {"Running"})
    reader = TimeBased(tasks.client, tasks.namespace, task.status.slices[0].pod or "")
    reading = asyncio.create_task(reader.read())
    if away:
        await controller.stop()
        await asyncio.sleep(20)  # that is the fault
        await controller.start()
    await tasks.ended(name, seconds=180)
    reading.cancel()
    task = await tasks.let_go(name)
    log = task.status.log
    assert log is not None
    missing = sum(gap.last - gap.first + 1 for gap in log.missing)
    last = task.status.slices[0].last_sequence
    print(f"by sequence: {missing} of {last} frames lost, all declared; complete: {log.complete}")
    print(reader.judged(last))
    assert await judge.found(name, uid, due=time.time() + 60, ends="Succeeded") == []
    if not away:
        assert log.complete
