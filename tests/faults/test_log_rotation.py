"""The kubelet rotates a pod's log while it is followed, and while nobody follows it.

Beside it, in the same runs, a reader that resumes by the time of the last line and is away as long.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from tests.cluster.platform.calls import unique
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks, manifest
from tests.faults.by_time import ByTime
from tests.faults.components import Components
from tests.faults.judge import Judge

pytestmark = [pytest.mark.faults, pytest.mark.seconds(25)]

ROTATED_AT: Final = 100 * 1024
"""Bytes of a log file, instead of 10 MiB."""
ITEMS: Final = 300
"""Of a loop; each shows 3 kB, so that the log becomes ten times as long as a file may be."""
AWAY: Final = 20
"""Seconds for which nobody follows."""


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
    reader = ByTime(tasks.client, tasks.namespace, task.status.slices[0].pod or "")
    if away:
        async with reader.reading():
            await controller.stop()
        await asyncio.sleep(AWAY)  # that is the fault
        await controller.start()
    async with reader.reading():
        await tasks.ended(name, seconds=180)
    task = await tasks.let_go(name)
    log = task.status.log
    assert log is not None
    missing = sum(gap.last - gap.first + 1 for gap in log.missing)
    last = task.status.slices[0].last_sequence
    print(f"by sequence: {missing} of {last} frames lost, all declared; complete: {log.complete}")
    print(reader.told(last))
    assert await judge.found(name, uid, due=time.time() + 60, ends="Succeeded") == []
    if not away:
        assert log.complete
