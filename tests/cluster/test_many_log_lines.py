"""check and getlog over much that is stored: 200 tasks of one correlation id, 2,000 nodes.

The tasks were never run: they are stored as the controller stores ended ones.
"""

import asyncio
import json
import time

from bench import stored
from crds.tasks import TaskStore
from tests.cluster.platform.calls import SUCCESS, Octans, unique
from tests.cluster.platform.tasks import Tasks


async def test_getlog_of_200_tasks_takes_less_than_2_s(front: Octans, tasks: Tasks) -> None:
    correlation = unique("many")
    store = TaskStore(tasks.client, tasks.namespace)
    places = asyncio.Semaphore(16)

    async def one(at: int) -> None:
        async with places:
            hosts = ("192.0.2.1", "192.0.2.2")
            await stored.store(store, f"{correlation}-{at}", hosts, correlation, 5)

    await asyncio.gather(*(one(at) for at in range(200)))
    await front.getlog(correlation)
    began = time.monotonic()
    lines = await front.getlog(correlation)
    spent = time.monotonic() - began
    print(f"getlog of 200 tasks, 2000 lines: {spent:.2f} s")
    assert len(lines) == 2000
    assert spent < 2
    of_one = await front.getlog(correlation, host="192.0.2.2")
    assert len(of_one) == 1000


async def test_check_of_2000_nodes_is_cut_at_the_oldest(front: Octans, tasks: Tasks) -> None:
    name = unique("wide")
    hosts = tuple(f"10.1.{at // 250}.{at % 250 + 1}" for at in range(2000))
    await stored.store(TaskStore(tasks.client, tasks.namespace), name, hosts, unique("c"), 2)
    began = time.monotonic()
    seen = await front.check(name)
    spent = time.monotonic() - began
    print(f"check of 2000 nodes: {spent:.2f} s, {len(seen['log'])} characters of log")
    assert seen["status"] == SUCCESS
    assert json.loads(seen["nodes"]) == list(hosts)
    log = json.loads(seen["log"])
    assert len(seen["log"].encode()) <= 1024 * 1024
    assert log[0]["status"] == "cut"
    assert log[0]["msg"] == f"{4000 - len(log) + 1} older results are left out"
    assert {result["task"] for result in log[-100:]} == {"step 1"}

    answer = await front.post("check", {"name": name}, {"X-SOURCE": "s"})
    nodes = answer.json()["content"]["nodes"]
    assert [node["ip"] for node in nodes] == list(hosts)
    assert {node["status"] for node in nodes} == {SUCCESS}
    assert sum(len(json.loads(node["log"])) for node in nodes) >= len(log) - 1
