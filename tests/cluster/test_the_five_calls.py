"""run, check, getlog, stop and parallel_run over HTTP, on real machines, as API.md prints them."""

import asyncio
import json
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.cluster.platform.calls import (
    INIT,
    PARTLY,
    RUNNING,
    STOPPED,
    SUCCESS,
    Octans,
    Work,
    line,
    log,
    unique,
)
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.machines import Machine, mark, total_marks
from tests.cluster.platform.programs import another_api
from tests.cluster.platform.waiting import wait_for

LONG = {"name": "long", "raw": "sleep 120"}


async def test_run_carries_work_to_every_machine_and_check_tells_how_it_went(
    octans: Octans, machines: list[Machine], addresses: list[str]
) -> None:
    name = unique("install nginx: ")
    headers = {"X-CORRELATION-ID": unique("c"), "X-RESOURCE": "hubble"}
    body = {
        "name": name,
        "nodes": addresses,
        "user": "root",
        "content": [mark("five"), {"name": "say", "shell": "echo {{ greeting }}"}],
        "params": {"greeting": "hello"},
        "fork_num": "3",
    }
    began = await octans.post("run", body, headers)
    assert began.status_code == 200, began.text
    assert began.json() == {"code": 0, "content": {"id": began.json()["content"]["id"]}}
    number = began.json()["content"]["id"]
    assert 1 <= number < 2**31
    assert began.headers["x-task-id"] == str(number)
    assert began.headers["x-task-status"] == str(INIT)
    assert began.headers["x-correlation-id"] == headers["X-CORRELATION-ID"]

    seen = await octans.ended(number)
    assert seen["status"] == SUCCESS, seen
    assert seen == await octans.check(name)
    assert {"id", "status", "err", "log", "nodes", "create_time", "update_time"} <= seen.keys()
    assert {"phase", "reason", "message", "queue_position", "log_complete"} <= seen.keys()
    assert (seen["id"], seen["err"], seen["phase"]) == (number, None, "Succeeded")
    assert json.loads(seen["nodes"]) == addresses
    for moment in ("create_time", "update_time"):
        assert seen[moment].endswith(" GMT"), seen[moment]
    created, updated = (parsedate_to_datetime(seen[key]) for key in ("create_time", "update_time"))
    assert created <= updated
    said = [result for result in log(seen) if result["task"] == "say"]
    assert sorted(result["host"] for result in said) == sorted(addresses)
    assert {(result["stdout"], result["status"], result["rc"]) for result in said} == {
        ("hello", "ok", 0)
    }
    assert await total_marks(machines, "five") == [1, 1, 1]
    answer = await octans.post("check", {"id": str(number)})
    assert answer.headers["x-task-id"] == str(number)
    assert answer.headers["x-task-status"] == str(SUCCESS)


async def test_facts_count_as_a_line_and_are_left_out_of_check(
    octans: Octans, addresses: list[str]
) -> None:
    correlation = unique("facts")
    number = await octans.run(
        unique("facts"), addresses[:1], [{"name": "system", "debug": {"var": "ansible_system"}}],
        gather_facts=True, headers={"X-CORRELATION-ID": correlation},
    )  # fmt: skip
    seen = await octans.ended(number)
    assert seen["status"] == SUCCESS, seen
    assert "ansible_facts" not in seen["log"]
    assert len(await octans.getlog(correlation)) == 2


async def test_getlog_prints_a_line_for_each_result_also_while_the_task_runs(
    octans: Octans, addresses: list[str]
) -> None:
    correlation = unique("log")
    headers = {"X-CORRELATION-ID": correlation, "X-RESOURCE": "hubble"}
    work: Work = [
        {"name": "one", "raw": "true"},
        {"name": "two", "raw": "echo broken >&2; exit 3", "ignore_errors": True},
        {"name": "three", "raw": "true", "when": "false"},
        {"name": "four", "raw": "sleep 4"},
    ]
    number = await octans.run(unique("log"), addresses[:2], work, headers=headers)
    await wait_for(
        "lines while it runs",
        lambda: octans.post("getlog", {}, headers),
        lambda answer: answer.status_code == 200 and len(answer.json()) >= 6,
        seconds=30,
    )
    assert (await octans.check(number))["status"] == RUNNING
    under_way = await wait_for(
        "lines of what is under way",
        lambda: octans.getlog(correlation, host=addresses[0]),
        lambda lines: lines[-1].result == "",
        seconds=4,
    )
    assert [item.result for item in under_way] == ["ok", "failed", "skipped", ""]
    assert under_way[-1].end_time == ""
    assert (await octans.ended(number))["status"] == SUCCESS

    lines = await octans.getlog(correlation, source="hubble")
    assert len(lines) == 8
    assert {item.source for item in lines} == {"hubble"}
    assert [item.end_time for item in lines] == sorted(item.end_time for item in lines)
    of_one = await octans.getlog(correlation, host=addresses[0])
    assert [item.result for item in of_one] == ["ok", "failed", "skipped", "ok"]
    assert "broken" in of_one[1].message
    assert {item.host for item in of_one} == {addresses[0]}
    for headers_of_none, body in (
        ({"X-CORRELATION-ID": unique("none")}, {}),
        ({"X-CORRELATION-ID": correlation}, {"source": "somebody-else"}),
        ({"X-CORRELATION-ID": correlation}, {"host": "192.0.2.1"}),
    ):
        answer = await octans.post("getlog", body, headers_of_none)
        assert (answer.status_code, answer.json()["code"]) == (404, -1), answer.text


async def test_stop_ends_a_running_task_and_leaves_an_ended_one_as_it_was(
    octans: Octans, machines: list[Machine], addresses: list[str]
) -> None:
    name = unique("stop")
    number, quick = await asyncio.gather(
        octans.run(name, addresses[:2], [mark(name), LONG]),
        octans.run(unique("quick"), addresses[:1], [{"raw": "true"}]),
    )
    await octans.reaches(number, {RUNNING}, seconds=30)
    await wait_for(
        "both machines at work",
        lambda: total_marks(machines[:2], name),
        lambda marks: marks == [1, 1],
        seconds=30,
    )
    await octans.stop(name)
    seen = await octans.ended(number, seconds=35)
    assert (seen["status"], seen["phase"], seen["reason"]) == (STOPPED, "Stopped", "Stopped")
    assert addresses[0] in seen["message"], "the hosts in flight are named"
    await octans.stop(number)
    assert (await octans.check(number))["status"] == STOPPED

    assert (await octans.ended(quick))["status"] == SUCCESS
    await octans.stop(quick)
    assert (await octans.check(quick))["status"] == SUCCESS


async def test_parallel_run_waits_and_answers_the_lines_of_all_slices(
    octans: Octans, machines: list[Machine], addresses: list[str]
) -> None:
    name = unique("side by side")
    label = unique("parallel")
    body = {
        "name": name, "nodes": addresses, "tasks": [mark(label)],
        "gather_facts": False, "fork_num": 1,
    }  # fmt: skip
    answer = await octans.post("parallel_run", body)
    assert answer.status_code == 200, answer.text
    lines = [line(text) for text in answer.json()]
    assert sorted(item.host for item in lines) == sorted(addresses)
    assert {item.result for item in lines} == {"ok"}
    assert answer.headers["x-task-status"] == str(SUCCESS)
    assert await total_marks(machines, label) == [1, 1, 1]
    assert (await octans.check(name))["status"] == SUCCESS
    again = await octans.post("parallel_run", body)
    assert (again.status_code, again.json()["message"]) == (400, "task name is duplicate")


async def test_a_failing_slice_of_parallel_run_leaves_the_others_alone(
    octans: Octans, machines: list[Machine], addresses: list[str]
) -> None:
    name = unique("one-slice-fails")
    bad = addresses[1]
    work = [
        {"name": "break", "fail": {"msg": "not here"}, "when": f"inventory_hostname == '{bad}'"},
        {"name": "slow", "raw": "sleep 2"},
        mark(name),
    ]
    headers = {"Prefer": "respond-async"}
    body = {"name": name, "nodes": addresses, "tasks": work, "gather_facts": False}
    number = (await octans.content("parallel_run", body, headers))["id"]
    seen = await octans.ended(number)
    assert (seen["status"], seen["phase"]) == (PARTLY, "PartlySucceeded")
    assert bad in seen["err"]
    assert "not here" in seen["err"]
    assert await total_marks(machines, name) == [1, 0, 1]


async def test_parallel_run_answers_what_there_is_when_its_wait_ends(
    octans: Octans, installation: Installation, addresses: list[str], tmp_path: Path
) -> None:
    """The task goes on, and stays with any API."""
    name = unique("long-parallel")
    body = {
        "name": name, "nodes": addresses[:1], "gather_facts": False,
        "tasks": [{"name": "first", "raw": "true"}, LONG],
    }  # fmt: skip
    async with another_api(installation, tmp_path / "log", OCTANS_WAIT_SECONDS="8") as hasty:
        answer = await hasty.post("parallel_run", body)
    assert answer.status_code == 200, answer.text
    assert 8 <= answer.elapsed.total_seconds() < 13
    assert answer.headers["x-task-status"] == str(RUNNING)
    assert [line(text).result for text in answer.json()] == ["ok", ""], "the second one goes on"
    await octans.stop(name)
    assert (await octans.ended(name))["status"] == STOPPED


async def test_a_caller_that_hangs_up_changes_nothing(
    octans: Octans, machines: list[Machine]
) -> None:
    name = unique("hung up")
    work = [{"name": "slow", "raw": "sleep 3"}, mark(name.replace(" ", "-"))]
    body = {"name": name, "nodes": [machines[0].address], "tasks": work, "gather_facts": False}
    call = asyncio.ensure_future(octans.post("parallel_run", body))
    await octans.appears(name)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await octans.ended(name))["status"] == SUCCESS
    assert await machines[0].marks(name.replace(" ", "-")) == 1


async def test_the_same_request_with_an_idempotency_key_is_one_task(
    octans: Octans, machines: list[Machine]
) -> None:
    name = unique("once")
    body = {
        "name": name, "nodes": [machines[0].address], "tasks": [mark(name)], "gather_facts": False,
    }  # fmt: skip
    headers = {"Idempotency-Key": "k1"}
    first, again = [(await octans.content("run", body, headers))["id"] for _ in range(2)]
    assert first == again
    other = await octans.post("run", {**body, "user": "somebody"}, headers)
    assert other.status_code == 400
    assert other.json()["message"].startswith("param error, error: ")
    assert (await octans.ended(first))["status"] == SUCCESS
    assert await machines[0].marks(name) == 1
