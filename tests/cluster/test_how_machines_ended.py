"""How each machine ended, as both ways in tell it, against the markers on the machines.

The whole table of what Ansible can do to a host stands in runner/test_outcomes.py, which needs no
cluster; here it comes through pods, frames, status, `check` of both dialects and kubectl.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from crds.conditions import Outcome
from crds.model import AnsibleTask, unpack_outcomes
from tests.cluster.platform.calls import FAILED, PARTLY, SUCCESS, Octans, Work, log, unique
from tests.cluster.platform.machines import Machine, mark, total_marks
from tests.cluster.platform.tasks import Tasks, manifest

pytestmark = pytest.mark.usefixtures("controller")

SECONDS = 180
"""For six runs at once."""
OK, BAD, LEFT_OUT = 2, 3, 0
"""A node's status in the field's dialect."""
NODE_STATUS = {Outcome.OK: OK, Outcome.LEFT_OUT: LEFT_OUT}
STATUS = {"Succeeded": SUCCESS, "PartlySucceeded": PARTLY, "Failed": FAILED}


def fails_on(host: str, **more: Any) -> dict[str, Any]:
    """A task that fails on one host, with a sentence of its own."""
    ends = f"{{{{ 'echo broken; false' if inventory_hostname == '{host}' else 'true' }}}}"
    return {"name": "deploy", "raw": ends, **more}


def play(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A play for all hosts, without facts."""
    return {"hosts": "all", "gather_facts": False, "tasks": list(tasks), **more}


@dataclass(frozen=True, slots=True)
class Row:
    """What is asked of three machines, and the right answer."""

    work: Callable[[list[str], str], Work]
    """From the machines' addresses and the name of the markers."""
    letters: str
    """Outcome of each machine, in the request's order."""
    marks: list[int]
    """How often the marking task really ran on each."""
    phase: str
    says: Callable[[list[str]], str]
    """How the message begins."""
    more: Callable[[list[str]], dict[str, Any]] = field(default=lambda _: {})


def first_fails(hosts: list[str]) -> str:
    return f"{hosts[0]}: deploy: broken"


WELL = "Every host finished well."

ROWS = {
    "any_errors_fatal": Row(
        lambda m, label: [play(fails_on(m[0]), mark(label), any_errors_fatal=True)],
        "fnn", [0, 0, 0], "Failed", first_fails),
    "run_once": Row(
        lambda m, label: [fails_on(m[0], run_once=True), mark(label)],
        "fnn", [0, 0, 0], "Failed", first_fails),
    "max_fail_percentage": Row(
        lambda m, label: [play(fails_on(m[0]), mark(label), max_fail_percentage=20)],
        "fnn", [0, 0, 0], "Failed", first_fails),
    "limit": Row(
        lambda m, label: [mark(label), fails_on(m[0])],
        "fll", [1, 0, 0], "Failed", first_fails, lambda m: {"limit": m[0]}),
    "end_host": Row(
        lambda m, label: [
            {"meta": "end_host", "when": f"inventory_hostname == '{m[0]}'"},
            fails_on(m[1]), mark(label)],
        "ofo", [0, 0, 1], "PartlySucceeded", lambda m: f"{m[1]}: deploy: broken"),
    "add_host": Row(
        lambda m, label: [
            play({"add_host": {"name": "late-one", "ansible_host": m[2]}}, mark(label)),
            play(fails_on("late-one"), hosts="late-one")],
        "ooo", [1, 1, 1], "PartlySucceeded", lambda _: "late-one: deploy: broken"),
    "debugger": Row(
        lambda m, label: [fails_on(m[0], debugger="on_failed"), mark(label)],
        "foo", [0, 1, 1], "PartlySucceeded", first_fails),
    "group_by": Row(
        lambda m, label: [
            play({"group_by": {"key": "chosen"}, "when": f"inventory_hostname == '{m[0]}'"}),
            play(mark(label), hosts="chosen"),
            play(mark(label), hosts="{{ 'chosen' }}")],
        "ooo", [2, 0, 0], "Succeeded", lambda _: WELL),
    "tags that fit nothing": Row(
        lambda _, label: [mark(label)],
        "ooo", [0, 0, 0], "Succeeded", lambda _: "No task ran", lambda _: {"tags": ["nowhere"]}),
}  # fmt: skip


async def ask(
    octans: Octans, tasks: Tasks, row: Row, hosts: list[str], places: asyncio.Semaphore
) -> tuple[dict[str, Any], AnsibleTask, list[str]]:
    """A row over HTTP and as an object: the answer, the task, and the names of both."""
    http, made = unique("http"), unique("object")
    async with places:
        number = await octans.run(http, hosts, row.work(hosts, http), **row.more(hosts))
        work = row.work(hosts, made)
        form = {"playbook" if "hosts" in work[0] else "tasks": work}
        await tasks.create(manifest(made, hosts, **form, **row.more(hosts)))
        answer = await octans.ended(number, seconds=SECONDS)
        return answer, await tasks.ended(made, seconds=SECONDS), [http, made]


async def test_every_way_in_tells_the_same_truth(
    octans: Octans, tasks: Tasks, machines: list[Machine]
) -> None:
    hosts = [machine.address for machine in machines]
    # With more at once a slow computer's sshd would not answer all of them in time.
    places = asyncio.Semaphore(3)
    asked = [ask(octans, tasks, row, hosts, places) for row in ROWS.values()]
    made: dict[str, AnsibleTask] = {}
    for which, (answer, task, names) in zip(ROWS, await asyncio.gather(*asked), strict=True):
        row, made[which] = ROWS[which], task
        for name in names:
            assert await total_marks(machines, name) == row.marks, which
        status = task.status
        print(which, status.host_outcomes, status.message, answer, sep="\n  ")
        outcomes = unpack_outcomes(status.host_outcomes or "")
        assert "".join(outcome.letter for outcome in outcomes) == row.letters, which
        assert (status.phase, answer["status"]) == (row.phase, STATUS[row.phase]), which
        assert status.message.startswith(row.says(hosts)), which
        assert answer["message"] == status.message, which
        assert answer["err"] == (None if row.phase == "Succeeded" else status.message), which
        unfinished = [
            host for host, letter in zip(hosts, row.letters, strict=True) if letter == "n"
        ]
        assert all(host in status.message for host in unfinished), which
        field_answer = await octans.content("check", {"id": answer["id"]}, {"X-SOURCE": "deployer"})
        assert [node["status"] for node in field_answer["nodes"]] == [
            NODE_STATUS.get(outcome, BAD) for outcome in outcomes
        ], which
    added = made["add_host"].status
    late = next(host for host in added.hosts if host.name == "late-one")
    assert (late.outcome, late.added) == (Outcome.FAILED, True)
    left = made["limit"].status.host_counts
    assert left is not None
    assert (left.failed, left.left_out, left.ok) == (1, 2, 0)


def says(file: str) -> Work:
    """Tasks whose results have something to say."""
    tasks: dict[str, dict[str, Any]] = {
        "loop": {"raw": "echo item-{{ item }}", "loop": [1, 2]},
        "var": {"debug": {"var": "greeting"}, "vars": {"greeting": {"to": ["you", "me"]}}},
        "lines": {"debug": {"msg": ["Disk: 40 % full", "it's fine"]}},
        "diff": {"copy": {"dest": file, "content": "new line\n"}, "diff": True},
        "bad item": {"raw": "{{ 'echo no such release; false' if item == 'bad' else 'true' }}",
                     "loop": ["bad", "good"]},
    }  # fmt: skip
    return [{"name": name, **task} for name, task in tasks.items()]


async def test_a_result_says_what_happened(
    octans: Octans, tasks: Tasks, machines: list[Machine]
) -> None:
    host, http, name = machines[0].address, unique("http"), unique("object")
    number, _ = await asyncio.gather(
        octans.run(http, [host], says(f"/tmp/{http}")),
        tasks.create(manifest(name, [host], tasks=says(f"/tmp/{name}"))),
    )
    seen, task = await asyncio.gather(
        octans.ended(number, seconds=SECONDS), tasks.ended(name, seconds=SECONDS)
    )
    results = {result["task"]: result for result in log(seen)}
    assert [item["stdout"].strip() for item in results["loop"]["results"]] == ["item-1", "item-2"]
    assert [item["item"] for item in results["loop"]["results"]] == ["1", "2"]
    assert json.loads(results["var"]["msg"]) == {"greeting": {"to": ["you", "me"]}}
    assert results["lines"]["msg"] == "Disk: 40 % full\nit's fine"
    assert "+new line" in results["diff"]["diff"]
    assert [item["status"] for item in results["bad item"]["results"]] == ["failed", "ok"]
    for message in (seen["err"], task.status.message, str(task.status.hosts[0].message)):
        assert "no such release" in message
