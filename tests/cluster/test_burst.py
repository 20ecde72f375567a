"""Sixty requests at once on a node that holds some fifteen runners; minutes, so not by default."""

import asyncio
import json
from collections import Counter
from time import monotonic

import pytest

from controller.capacity import FIRST
from tests.cluster.platform import programs
from tests.cluster.platform.calls import SUCCESS, Octans, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.machines import Machine, mark_file, total_marks
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.waiting import wait_for
from tests.cluster.test_want_of_room import large_requests

REQUESTS = 60
FIT = 15
POLL = 5.0
"""Seconds between two looks of the channel's oldest client."""


@pytest.mark.burst
async def test_sixty_requests_within_a_second_all_end_well(
    octans: Octans, controller: HostProcess, kubectl: Kubectl, machines: list[Machine],
    addresses: list[str],
) -> None:  # fmt: skip
    label = unique("burst")
    script = f"#!/bin/bash\necho started >> {mark_file(label)}\nsleep 25\n"
    work = [{"action": {"module": "longscript", "content": script}}]
    names = [unique(f"burst-{number}") for number in range(REQUESTS)]
    async with programs.restarted(controller, **await large_requests(kubectl, FIT)):
        began = monotonic()
        await asyncio.gather(
            *(octans.run(name, [addresses[at % 3]], work) for at, name in enumerate(names))
        )
        print(f"{REQUESTS} accepted after {monotonic() - began:.1f} s")
        most = 0
        unscheduled: list[int] = []

        async def look() -> Counter[str]:
            nonlocal most
            seen = [await octans.check(name) for name in names]
            pods = (await kubectl.json("get", "pods"))["items"]
            waiting = [pod for pod in pods if pod["status"]["phase"] == "Pending"]
            unscheduled.append(sum("nodeName" not in pod["spec"] for pod in waiting))
            found = Counter(f"{one['phase']}/{one['reason']}" for one in seen)
            most = max(most, found["Running/Running"])
            print(f"{monotonic() - began:.0f} s: {dict(found)}, {unscheduled[-1]} pods unplaced")
            return found

        ended = await wait_for(
            "all ended",
            look,
            lambda found: sum(found[f"{end}"] for end in found if end.split("/")[0] in (
                "Succeeded", "PartlySucceeded", "Failed", "Stopped")) == REQUESTS,
            seconds=400,
            every=POLL,
        )  # fmt: skip
        print(f"all ended after {monotonic() - began:.0f} s, at most {most} at once")
        print(json.dumps({"unplaced": unscheduled}))
    assert ended == {"Succeeded/Completed": REQUESTS}
    assert sum(await total_marks(machines, label)) == REQUESTS
    assert {(await octans.check(name))["status"] for name in names} == {SUCCESS}
    assert max(unscheduled) <= FIRST, "as many as set out before anything is known of the room"
    later = unscheduled[len(unscheduled) // 2 :]
    assert max(later) < FIT / 2, "hardly more Jobs than fit, once it is known what fits"
