"""Ways to create and delete with kubectl that docs/operations.md tells of."""

import asyncio

import pytest

from crds import names
from crds.client import CONFIG_MAPS, EVENTS, Client
from tests.cluster.platform.calls import unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.leftovers import leftovers
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for

pytestmark = pytest.mark.usefixtures("controller")


@pytest.mark.parametrize("how", [[], ["--server-side"]], ids=["client side", "server side"])
async def test_applying_again_changes_nothing(
    kubectl: Kubectl, tasks: Tasks, machines: list[Machine], how: list[str]
) -> None:
    """While it runs, after its end, and by a second field manager; our marks stay."""
    name = unique("applied")
    body = manifest(name, [machines[0].address], tasks=[mark(name), {"raw": "sleep 2"}])
    body["metadata"]["labels"] = {"team": "infra"}
    managers: list[list[str]] = [[], ["--field-manager=second"]] if how else [[]]

    async def apply() -> None:
        for manager in managers:
            await kubectl("apply", *how, *manager, "-f", "-", stdin=body)

    await apply()
    await tasks.reaches(name, {"Running"})
    await apply()
    await tasks.ended(name)
    before = await tasks.let_go(name)
    await apply()
    diff = await kubectl.ask("diff", *how, "-f", "-", stdin=body)
    assert (diff.code, diff.out) == (0, "")
    after = await tasks.get(name)
    assert after.status == before.status
    assert after.status.phase == "Succeeded"
    assert after.metadata.labels == before.metadata.labels
    assert after.metadata.finalizers == ()
    assert (
        after.metadata.annotations.items()
        >= {
            key: value for key, value in before.metadata.annotations.items() if "octans.io" in key
        }.items()
    )
    assert await machines[0].marks(name) == 1


async def test_generated_names(kubectl: Kubectl, tasks: Tasks, machines: list[Machine]) -> None:
    prefix = unique("generated")
    body = manifest("", [machines[0].address], tasks=[mark(prefix)])
    body["metadata"] = {"generateName": f"{prefix}-"}
    made = [await kubectl("create", "-f", "-", "-o", "name", stdin=body) for _ in range(2)]
    ends = await asyncio.gather(*(tasks.ended(each.strip().split("/")[1]) for each in made))
    assert [task.status.phase for task in ends] == ["Succeeded", "Succeeded"]
    assert len({task.status.id for task in ends}) == 2
    assert await machines[0].marks(prefix) == 2


async def test_every_kind_of_deletion_stops_what_runs(
    kubectl: Kubectl, tasks: Tasks, admin: Client, machines: list[Machine]
) -> None:
    """Also an orphaning one: a play that nobody watches would be worse than one that is stopped.
    What it may leave behind is what was archived of the log by then."""
    prefix = unique("gone")
    ways = {f"{prefix}-{way}": machine for way, machine in
            zip(("background", "foreground", "orphan"), machines, strict=True)}  # fmt: skip

    async def one(name: str, machine: Machine) -> None:
        way, end = name.removeprefix(f"{prefix}-"), f"/tmp/end-{name}"
        work = [mark(name), {"raw": "sleep 60"}, {"raw": f"touch {end}"}]
        uid = (await tasks.create(manifest(name, [machine.address], tasks=work))).metadata.uid
        await wait_for(f"{way}: it runs", lambda: machine.marks(name), bool, seconds=40)
        await kubectl("delete", "at", name, f"--cascade={way}", "--timeout=60s")

        async def left() -> set[str]:
            found = await leftovers(admin, tasks.namespace, uid)
            return {title.split("/")[0] for title in found}

        log = {CONFIG_MAPS.plural} if way == "orphan" else set()
        await wait_for(f"{way}: nothing but log is left", left, log.issuperset, seconds=45)
        page = await admin.list(EVENTS, tasks.namespace, fields=f"involvedObject.uid={uid}")
        told = {event["reason"]: event["message"] for event in page.items}
        assert machine.address in told["Stopped"], (way, told)
        assert (await machine.run(f"ls {end} 2>/dev/null | wc -l")).strip() == "0"
        assert await machine.marks(name) == 1

    await asyncio.gather(*(one(name, machine) for name, machine in ways.items()))
    await kubectl("delete", "configmaps", f"--selector={names.LABEL_TASK_UID}", "--wait=false")
