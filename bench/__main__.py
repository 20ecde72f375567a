"""`python -m bench`: measure an installation, print a table; exit code 1 where a bar is missed."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from time import monotonic

from bench import api_requests, table, target, work
from bench.bare_job import BareJob
from bench.table import Comparison
from bench.target import Target
from bench.through_octans import ThroughOctans
from bench.work import Side
from crds import names
from crds.client import JOBS, Client

SINGLE_BAR, BURST_BAR = 0.95, 1.25
SINGLE_EVERY, BURST_EVERY, COUNT_EVERY = 0.05, 0.5, 2.0
"""Seconds between two looks at one run."""
BACKGROUND_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One comparison: a run on each of `hosts` at once, `rounds` times on both sides in turn."""

    what: str
    hosts: tuple[str, ...]
    rounds: int
    every: float
    bar: float


async def compare(plan: Plan, ours: Side, theirs: Side) -> Comparison:
    """The seconds of both sides."""
    octans: list[float] = []
    bare: list[float] = []
    for number in range(plan.rounds):
        octans.append(await work.measure(ours, plan.hosts, every=plan.every))
        bare.append(await work.measure(theirs, plan.hosts, every=plan.every))
        print(
            f"{plan.what}, pair {number + 1}: {octans[-1]:.2f} s, bare Job {bare[-1]:.2f} s",
            flush=True,
        )
    return Comparison(plan.what, tuple(octans), tuple(bare), plan.bar)


@dataclass(frozen=True, slots=True)
class Found:
    """All results."""

    comparisons: list[Comparison]
    requests: dict[str, float]
    """Requests to the Kubernetes API for a run, by side."""
    asked_again: int
    """How often check answered 503."""


async def requests_a_run(sides: tuple[Side, Side], hosts: Sequence[str]) -> dict[str, float]:
    """Requests to the Kubernetes API for each of some runs, cluster-wide, without the background.

    A look every 2 s is part of it on both sides.
    """
    before, began = await api_requests.total(), monotonic()
    await asyncio.sleep(BACKGROUND_SECONDS)
    background = (await api_requests.total() - before) / (monotonic() - began)
    found: dict[str, float] = {"background a second": background}
    for name, side in zip(("octans", "bare"), sides, strict=True):
        before, began = await api_requests.total(), monotonic()
        await work.measure(side, hosts, every=COUNT_EVERY)
        # The Job's last steps come after its condition.
        await asyncio.sleep(3)
        spent = monotonic() - began
        after = await api_requests.total()
        found[name] = (after - before - background * spent) / len(hosts)
    return found


async def warm_up(octans: ThroughOctans, client: Client, where: Target) -> BareJob:
    """One run through Octans, and the bare Job that is made in its image."""
    name = work.unique()
    await octans.start(name, where.hosts[0])
    job = await client.get(JOBS, where.namespace, await _job_name(octans, client, where, name))
    await work.poll(lambda: octans.done(name), every=0.2)
    bare = BareJob(client, where.namespace, job)
    await bare.provide(list(where.hosts))
    await work.measure(bare, [where.hosts[0]], every=0.2)
    return bare


async def _job_name(octans: ThroughOctans, client: Client, where: Target, name: str) -> str:
    job = names.object_name(octans.id_of(name))

    async def there() -> bool:
        page = await client.list(JOBS, where.namespace, fields=f"metadata.name={job}")
        return bool(page.items)

    await work.poll(there, every=0.1)
    return job


async def run(arguments: argparse.Namespace, where: Target) -> Found:
    """Measure everything."""
    octans = ThroughOctans(where)
    client = await Client.connect()
    bare: BareJob | None = None
    many = tuple(islice(cycle(where.hosts), arguments.burst))
    plans = (
        Plan("one run", where.hosts[:1], arguments.pairs, SINGLE_EVERY, SINGLE_BAR),
        Plan(f"{len(many)} at once", many, arguments.rounds, BURST_EVERY, BURST_BAR),
    )
    try:
        bare = await warm_up(octans, client, where)
        comparisons = [await compare(plan, octans, bare) for plan in plans]
        requests = await requests_a_run((octans, bare), many[:10])
        return Found(comparisons, requests, octans.asked_again)
    finally:
        if bare is not None:
            await bare.remove()
        await client.close()
        await octans.close()


def report(found: Found, file: str) -> bool:
    """Print and write what was found; whether every bar was met."""
    print("\n(min / median / max)", *table.lines(found.comparisons), sep="\n")
    requests = found.requests
    print(
        f"API requests a run, cluster-wide: {requests['octans']:.0f} through Octans,"
        f" {requests['bare']:.0f} as a bare Job"
    )
    if found.asked_again:
        print(f"check answered 503 {found.asked_again} times; it was asked again.")
    if file:
        data = {
            "comparisons": [item.data() for item in found.comparisons],
            "requests": requests,
            "asked_again": found.asked_again,
        }
        Path(file).write_text(json.dumps(data, indent=2) + "\n")
    return all(item.good for item in found.comparisons)


def main() -> int:
    """Read the arguments and the environment."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="single runs of each side (5)")
    parser.add_argument("--burst", type=int, default=20, help="runs at once (20)")
    parser.add_argument("--rounds", type=int, default=2, help="bursts of each side (2)")
    parser.add_argument("--json", metavar="FILE", default="", help="write the samples there, too")
    arguments = parser.parse_args()
    try:
        found = asyncio.run(run(arguments, target.read(os.environ)))
    except (target.NotGivenError, work.FailedError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if report(found, arguments.json) else 1


if __name__ == "__main__":
    sys.exit(main())
