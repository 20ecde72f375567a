"""Names in use by tasks that do not stand where their name says (api/elsewhere.py)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from api.elsewhere import FRESH_SECONDS, Elsewhere
from crds import errors, names
from crds.client import TASKS
from crds.tasks import TaskStore
from tests.cluster.platform.calls import Octans, unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.programs import another_api
from tests.cluster.platform.tasks import Tasks, manifest

NODES = ["192.0.2.1"]
WORK = [{"raw": "true"}]
DUPLICATE = (400, {"code": -1, "message": "task name is duplicate"})


@pytest_asyncio.fixture(autouse=True)
async def _nobody_at_work(controller_process: HostProcess) -> None:
    """No controller: a task is gone as soon as it is deleted."""
    if controller_process.running:
        await controller_process.stop()


@pytest_asyncio.fixture
async def other(installation: Installation, tmp_path: Path) -> AsyncIterator[Octans]:
    """A second process of the API."""
    async with another_api(installation, tmp_path / "log") as octans:
        yield octans


async def refused(octans: Octans, name: str) -> None:
    """The name is answered to be in use."""
    answer = await octans.post("run", {"name": name, "nodes": NODES, "tasks": WORK})
    assert (answer.status_code, answer.json()) == DUPLICATE


@pytest.mark.parametrize("named", [True, False])
async def test_a_kubectl_made_task_holds_its_name(other: Octans, tasks: Tasks, named: bool) -> None:
    made = unique("by-hand")
    name = "by hand: " + made if named else made
    await tasks.create(manifest(made, NODES, **({"taskName": name} if named else {})))
    await refused(other, name)
    await TaskStore(tasks.client, tasks.namespace).cancel(made)


async def test_a_list_is_used_for_a_while(tasks: Tasks) -> None:
    now = 100.0
    store = TaskStore(tasks.client, tasks.namespace)
    elsewhere = Elsewhere(store, lambda: now)
    name = unique("late")
    assert await elsewhere.find(name) is None
    made = await tasks.create(manifest(name, NODES))
    now += FRESH_SECONDS - 0.1
    assert await elsewhere.find(name) is None, "it was listed before"
    now += 0.2
    found = await elsewhere.find(name)
    assert found is not None
    assert found.metadata.uid == made.metadata.uid
    await store.cancel(name)


async def test_names_that_share_a_slot_are_both_kept_and_found(
    front: Octans, other: Octans, tasks: Tasks
) -> None:
    """A collision of two names' first ids, made by hand."""
    name = unique("collides")
    first, second = (names.task_id(tasks.namespace, name, k) for k in (0, 1))
    occupant = names.object_name(first)
    await tasks.create(manifest(occupant, NODES, taskName=unique("occupant")))
    assert await front.run(name, NODES, WORK) == second
    assert (await front.check(name))["id"] == second
    await refused(front, name)
    await tasks.client.delete(TASKS, tasks.namespace, occupant)
    with pytest.raises(errors.NotFound):
        await tasks.get(occupant)
    await refused(front, name)  # also when the slot is free,
    await refused(other, name)  # and of a process that did not make it
    await front.stop(name)
