"""`python -m bench.front`: what the HTTP front costs, with nothing carrying its tasks out.

One API process of this checkout serves a namespace of its own, which no controller watches, on the
cluster that KUBECONFIG names. Rates that are compared are taken in turn in one run. Exit code 1
where a bar is missed.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy
from time import monotonic, perf_counter
from typing import Any

import aiohttp

from bench import stored, work
from bench.served import Served, served
from bench.table import Bar, show
from crds import names
from crds.client import TASKS, Object
from crds.tasks import TaskStore

CALLERS = 32
CREATE_BAR, PACE_BAR, STORED_BAR, GETLOG_BAR = 0.7, 1.5, 1.3, 2.0
PACE = 20
"""Requests a second of the latency measurement."""
FEW, MANY, OF_ONE = 50, 5000, 200
"""Tasks stored, and tasks of one correlation id."""


def body(name: str) -> dict[str, Any]:
    """A request to run one task on one machine."""
    return {"name": name, "nodes": ["192.0.2.1"], "tasks": work.TASKS, "gather_facts": False}


class Front:
    """Calls as a client makes them; work.FailedError for any answer but 200."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def call(self, name: str, what: dict[str, Any], headers: dict[str, str]) -> Any:  # noqa: ANN401 - any JSON
        """The answer of one call."""
        async with self._http.post(f"{self._url}/api/{name}", json=what, headers=headers) as answer:
            if answer.status != 200:
                raise work.FailedError(f"{name}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def run(self, name: str) -> int:
        """The id of a new task."""
        made = await self.call("run", body(name), {})
        return int(made["content"]["id"])


async def spent(one: Callable[[str], Awaitable[object]], count: int) -> float:
    """Seconds in which CALLERS callers at a time do `one` so often, with a new name each."""
    left = iter([work.unique() for _ in range(count)])

    async def caller() -> None:
        for name in left:
            await one(name)

    began = monotonic()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return monotonic() - began


async def timed(one: Callable[[], Awaitable[object]], count: int) -> float:
    """Median of the seconds that `one` takes, one after another."""
    seconds = []
    for _ in range(count):
        began = perf_counter()
        await one()
        seconds.append(perf_counter() - began)
    return statistics.median(seconds)


def bare(store: TaskStore, like: Object) -> Callable[[str], Awaitable[object]]:
    """Creates an object like one that the API made, through the same client, without the API."""

    async def create(name: str) -> object:
        number = names.task_id(store.namespace, name)
        made = deepcopy(like)
        meta = made["metadata"]
        kept = {key: meta[key] for key in ("labels", "annotations", "finalizers")}
        kept["labels"][names.LABEL_TASK_ID] = str(number)
        kept["labels"][names.LABEL_TASK_NAME] = name
        made["metadata"] = {"name": names.object_name(number), **kept}
        made["spec"]["taskName"] = name
        return await store.client.create(TASKS, store.namespace, made)

    return create


async def creation(front: Front, store: TaskStore, count: int, rounds: int) -> Bar:
    """`run` against creating the same objects, in turn."""
    like = await store.client.get(
        TASKS, store.namespace, names.object_name(await front.run(work.unique()))
    )
    like.pop("status", None)
    create = bare(store, like)
    await spent(front.run, CALLERS * 4)
    await spent(create, CALLERS * 4)
    ratios = []
    for number in range(rounds):
        # In turn a tenth of each: the API server has slow and fast seconds of its own, as its
        # memory is collected, and would else have them on one side only.
        ours = theirs = 0.0
        for _ in range(10):
            ours += await spent(front.run, count // 10)
            theirs += await spent(create, count // 10)
        ratios.append(theirs / ours)
        print(
            f"run, round {number + 1}: {count / ours:.0f} a second,"
            f" objects alone {count / theirs:.0f}"
        )
    return Bar(
        f"run with {CALLERS} callers, of the rate of objects alone", ratios, least=CREATE_BAR
    )


async def pace(front: Front, seconds: int) -> Bar:
    """Latencies at PACE requests a second, whether or not the one before was answered."""
    found: list[float] = []

    async def one(at: float) -> None:
        await asyncio.sleep(max(0.0, at - monotonic()))
        began = perf_counter()
        await front.run(work.unique())
        found.append(perf_counter() - began)

    begin = monotonic()
    await asyncio.gather(*(one(begin + number / PACE) for number in range(PACE * seconds)))
    found.sort()
    print(f"run at {PACE} a second: median {statistics.median(found) * 1000:.0f} ms")
    return Bar(f"p99 of run at {PACE} a second, s", [found[len(found) * 99 // 100]], most=PACE_BAR)


async def fill(store: TaskStore, count: int, correlation: str) -> list[str]:
    """Names of that many further ended tasks with a log each."""
    made = [work.unique() for _ in range(count)]
    left = iter(made)

    async def worker() -> None:
        for name in left:
            await stored.store(store, name, ["192.0.2.1", "192.0.2.2"], correlation, 5)

    await asyncio.gather(*(worker() for _ in range(CALLERS)))
    return made


async def checks(front: Front, store: TaskStore, count: int) -> list[Bar]:
    """`check` by id and by name among many tasks against among few."""
    made = await fill(store, FEW, work.unique())
    numbers = [names.task_id(store.namespace, name) for name in made]

    async def look(key: str, values: Sequence[str | int]) -> float:
        every = iter(values[at % FEW] for at in range(count))
        return await timed(lambda: front.call("check", {key: next(every)}, {}), count)

    await look("id", numbers)
    few = {"id": await look("id", numbers), "name": await look("name", made)}
    await fill(store, MANY - FEW - OF_ONE, work.unique())
    await fill(store, OF_ONE, "of-one")
    many = {"id": await look("id", numbers), "name": await look("name", made)}
    found = []
    for key, before in few.items():
        after = many[key]
        print(f"check by {key}: {before * 1000:.2f} ms of {FEW}, {after * 1000:.2f} ms of {MANY}")
        what = f"check by {key} of {MANY} tasks stored, of {FEW}"
        found.append(Bar(what, [after / before], most=STORED_BAR))
    return found


async def getlog(front: Front) -> Bar:
    """All lines of one correlation id."""
    head = {"X-CORRELATION-ID": "of-one"}
    lines = await front.call("getlog", {}, head)
    print(f"getlog: {len(lines)} lines")
    seconds = [await timed(lambda: front.call("getlog", {}, head), 1) for _ in range(3)]
    return Bar(f"getlog of {OF_ONE} tasks, s", seconds, most=GETLOG_BAR)


async def burst(front: Front, count: int = 500) -> Bar:
    """Many at once, each on a connection of its own."""
    began = monotonic()
    ids = await asyncio.gather(*(front.run(work.unique()) for _ in range(count)))
    spent = monotonic() - began
    print(f"{count} run at once: all answered in {spent:.2f} s")
    return Bar(f"accepted of {count} run at once", [float(len(set(ids)))], least=count)


async def measure(where: Served, arguments: argparse.Namespace) -> list[Bar]:
    """Everything in turn."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        front = Front(http, where.url)
        found = await checks(front, where.store, arguments.checks)
        found.append(await getlog(front))
        found.append(await creation(front, where.store, arguments.count, arguments.rounds))
        found.append(await pace(front, arguments.seconds))
        found.append(await burst(front))
        return found


async def main(arguments: argparse.Namespace) -> bool:
    """Whether every bar was met."""
    async with served() as where:
        return show(await measure(where, arguments))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.front", description=__doc__)
    parser.add_argument("--count", type=int, default=1500, help="tasks a round (1500)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each side (5)")
    parser.add_argument("--checks", type=int, default=400, help="looks of each kind (400)")
    parser.add_argument("--seconds", type=int, default=30, help="of steady load (30)")
    try:
        sys.exit(0 if asyncio.run(main(parser.parse_args())) else 1)
    except work.FailedError as failed:
        print(failed, file=sys.stderr)
        sys.exit(2)
