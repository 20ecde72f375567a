"""The API ends at each write of a request, before it and after it; the caller asks again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from crds import names
from crds.client import SECRETS, TASKS
from tests.cluster.platform import programs
from tests.cluster.platform.calls import STOPPED, SUCCESS, Octans, unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.tasks import Tasks
from tests.cluster.platform.waiting import wait_for
from tests.faults.oracle import History, violations
from tests.faults.tally import TALLY

pytestmark = [pytest.mark.faults, pytest.mark.seconds(30)]


@dataclass(slots=True)
class Front:
    """An API that can be made to end, and what its requests come to."""

    process: HostProcess
    octans: Octans
    tasks: Tasks
    machine: Machine
    folder: Path
    """Where the API notes its writes and finds the point at which it is to end."""

    async def start(self) -> None:
        """Ready."""
        await self.process.start(
            OCTANS_TEST_MODULE="api",
            OCTANS_TEST_CRASH=str(self.folder / "point"),
            OCTANS_TEST_WRITES=str(self.folder / "writes"),
        )

    async def insist(self, call: str, body: dict[str, Any]) -> httpx.Response:
        """The answer to a request that is sent again where the API ended instead of answering.

        Without the key, whose request was carried out but not answered hears of a duplicate name.
        """
        key = {"Idempotency-Key": str(body["name"])}
        for _ in range(3):
            try:
                return await self.octans.post(call, body, key)
            except httpx.TransportError:
                await wait_for(
                    "the API has ended", self._has_died, lambda died: died, seconds=10, every=0.05
                )
                await self.start()
        raise AssertionError(f"no answer to {call}")

    async def _has_died(self) -> bool:
        return self.process.has_died()


@pytest_asyncio.fixture(scope="module")
async def front(
    installation: Installation, tasks: Tasks, machines: list[Machine],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Front]:  # fmt: skip
    """An API of our own beside the session's."""
    folder = tmp_path_factory.mktemp("crashes")
    process = await programs.api(installation, folder / "log", "tests.faults.crashing")
    async with httpx.AsyncClient(base_url=process.url, trust_env=False, timeout=30) as http:
        here = Front(process, Octans(http), tasks, machines[0], folder)
        await here.start()
        yield here
    await process.stop()


async def asked(front: Front, *, stop: bool) -> list[str]:
    """A request with params, and perhaps one to stop it, until the end; what was wrong."""
    name = unique("asked")
    work = [mark(name), *([{"raw": "sleep 60"}] if stop else [])]
    body = {
        "name": name, "nodes": [front.machine.address], "tasks": work, "params": {"a": 1},
        "gather_facts": False,
    }  # fmt: skip
    answer = await front.insist("run", body)
    found = []
    if answer.status_code != 200:
        found.append(f"run was answered with {answer.status_code} {answer.text}")
    if stop:
        await wait_for("it runs", lambda: front.machine.marks(name), lambda n: n == 1, seconds=40)
        assert (await front.insist("stop", {"name": name})).status_code == 200
    ended = await front.octans.ended(name, seconds=60)
    if ended["status"] != (STOPPED if stop else SUCCESS):
        found.append(f"it ended {ended['phase']} ({ended['reason']}: {ended['message']})")
    label = f"{names.LABEL_TASK_NAME}={names.label_value(name)}"
    made = await front.tasks.client.list(TASKS, front.tasks.namespace, labels=label)
    history = History(
        marks={front.machine.address: await front.machine.marks(name)},
        made=len(made.items),
    )
    uid = made.items[0]["metadata"]["uid"]
    secrets = await front.tasks.client.list(
        SECRETS, front.tasks.namespace, labels=f"{names.LABEL_TASK_UID}={uid}"
    )
    history.leftovers = [f"secrets/{each['metadata']['name']}" for each in secrets.items]
    wrong = violations(history)
    TALLY.judged(history, wrong)
    return [*found, *wrong]


@pytest.mark.parametrize("stop", [False, True], ids=["a run with params", "a stop"])
async def test_the_api_ends_at_a_write(
    front: Front, controller: HostProcess, *, stop: bool
) -> None:
    """The same request again makes no second task and loses none, and no Secret stays."""
    assert controller.running
    writes = front.folder / "writes"
    writes.write_text("")
    wrong = await asked(front, stop=stop)
    found = dict.fromkeys(writes.read_text().splitlines())
    for point in [f"{side} {write}" for write in found for side in ("before", "after")]:
        (front.folder / "point").write_text(point)
        said = await asked(front, stop=stop)
        print(f"{point}: {said or 'sound'}")
        wrong += [f"{point}: {each}" for each in said]
        assert not (front.folder / "point").exists(), f"{point} was not met"
        TALLY.injected("API killed")
    assert wrong == []
