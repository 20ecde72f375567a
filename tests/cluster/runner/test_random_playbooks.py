"""Random playbooks: what the judge says of each host against the files that their tasks left.

The expectation is worked out from the playbook and the files alone. OCTANS_TEST_PLAYBOOKS says how
many are run (`make outcomes`: 500), OCTANS_TEST_SEED repeats a run.
"""

import itertools
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster.runner.plays import HOSTS, Played, Work, fail, lose, mark, meta, play, run_all

COUNT = int(os.environ.get("OCTANS_TEST_PLAYBOOKS", "25"))
SEED = int(os.environ.get("OCTANS_TEST_SEED") or time.time())


class Maker:
    """Makes playbooks whose tasks all have a name of their own."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._number = 0
        self._free = False

    def playbook(self) -> Work:
        return [self._play() for _ in range(self._random.randint(1, 3))]

    def _name(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._number}"

    def _some(self) -> list[str]:
        return self._random.sample(HOSTS, self._random.choice([0, 1, 1, 1, 1, 2, 3]))

    def _maybe(self, chance: float, **what: Any) -> dict[str, Any]:
        return what if self._random.random() < chance else {}

    def _play(self) -> dict[str, Any]:
        self._free = self._random.random() < 0.2  # the order of hosts decides what an end ends
        tasks = [task for _ in range(self._random.randint(0, 5)) for task in self._task(depth=0)]
        handlers = self._maybe(0.3, handlers=[fail(*self._some(), name=self._name("fail"))])
        if handlers:
            tasks.append(mark(self._name("t"), notify=handlers["handlers"][0]["name"]))
        return play(
            *tasks, mark(self._name("last")),
            hosts=self._random.choice(["all"] * 5 + ["a", "b:c", "c"]),
            **self._maybe(0.3, any_errors_fatal=True), **self._maybe(0.2, max_fail_percentage=30),
            **self._maybe(0.3, serial=self._random.choice([1, 1, 2])),
            **({"strategy": self._random.choice(["free", "host_pinned"])} if self._free else {}),
            **self._maybe(0.2, force_handlers=True), **handlers,
        )  # fmt: skip

    def _task(self, depth: int) -> Iterator[dict[str, Any]]:
        kind = self._random.choice(["mark", "mark", "fail", "fail", "lose", "end", "block"])
        match kind:
            case "fail":
                more = self._maybe(0.2, ignore_errors=True) or self._maybe(0.2, run_once=True)
                more |= self._maybe(0.15, any_errors_fatal=True)
                yield fail(*self._some(), name=self._name("fail"), **more)
            case "lose":
                more = self._maybe(0.2, ignore_unreachable=True)
                name = self._name("try")
                yield mark(name)
                yield lose(*self._some(), name=name, **more)
            case "end" if depth == 0 and not self._free:
                what = self._random.choice(["end_host", "end_host", "end_play", "end_batch"])
                hosts = (self._some() if what == "end_host" else []) or list(HOSTS)
                yield mark(self._name(what), when=f"inventory_hostname in {hosts}")
                yield meta(what, *hosts)
            case "block" if depth < 2:
                yield self._block(depth + 1)
            case _:
                yield mark(self._name("t"))

    def _block(self, depth: int) -> dict[str, Any]:
        def section() -> list[dict[str, Any]]:
            return [task for _ in range(self._random.randint(1, 2)) for task in self._task(depth)]

        return {"block": section(), **self._maybe(0.6, rescue=section()),
                **self._maybe(0.3, always=section())}  # fmt: skip


def walk(tasks: Work, rescue: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Every task, and the name of the first one of the rescue that takes care of its failure."""
    for task in tasks:
        if "block" not in task:
            yield task, rescue
            continue
        own = next((found["name"] for found, _ in walk(task.get("rescue", []))), rescue)
        yield from walk(task["block"], own)
        for section in ("rescue", "always"):
            yield from walk(task.get(section, []), rescue)


def expected(work: Work, found: Played, host: str) -> set[str]:
    """How a host may have ended, by the playbook, the files, and where a host that can't be reached
    leaves none, Ansible's output. The last play that meant it decides, and who has failed takes no
    part in later ones."""
    state = "leftOut"
    for each in work:
        if each["hosts"] != "all" and host not in each["hosts"].split(":"):
            continue
        tasks = list(walk([*each["tasks"], *each.get("handlers", [])]))
        names = {task["name"] for task, _ in tasks if "name" in task}
        did = {name for name in names if f"{name}-{host}" in found.marks}
        if failure := _failure(tasks, host, did, found):
            return failure
        if _done(each, did):
            state = "ok"
        elif did or not _ended_before(names, found):
            return {"unfinished"}
    return {state}


def _failure(
    tasks: list[tuple[dict[str, Any], str]], host: str, did: set[str], found: Played
) -> set[str]:
    bad = [(task, rescue) for task, rescue in tasks
           if host in task.get("vars", {}).get("bad", ()) and task["name"] in did]  # fmt: skip
    lost = any("connection" in task and "ignore_unreachable" not in task for task, _ in bad)
    if lost and f"[{host}]: UNREACHABLE!" in found.output:
        return {"unreachable"}
    rescues = {rescue for task, rescue in bad if not {"connection", "ignore_errors"} & set(task)}
    if "" in rescues:
        return {"failed"}
    # Given up before its rescue began: both are true.
    return {"failed", "unfinished"} if rescues - did else set()


def _done(each: dict[str, Any], did: set[str]) -> bool:
    """Whether a host was told to end, or did the last task and what it notified."""
    if any(name.startswith("end_") for name in did):
        return True
    asked = {
        task["notify"] for task in each["tasks"] if task.get("name") in did and "notify" in task
    }
    return each["tasks"][-1]["name"] in did and asked <= did


def _ended_before(names: set[str], found: Played) -> bool:
    """Whether the play was ended on purpose before a host's batch began."""
    ends = {name for name in names if name.startswith("end_play")}
    return any(mark.rpartition("-")[0] in ends for mark in found.marks)


def races(work: Work) -> bool:
    """Whether what Ansible does depends on which host is faster: no two runs of it are alike."""
    return any(
        "strategy" in each and {"run_once", "any_errors_fatal"} & set(task)
        for each in work
        for task, _ in walk([each, *each["tasks"]])
    )


def test_random_playbooks(tmp_path: Path) -> None:
    print(f"OCTANS_TEST_SEED={SEED}")
    works = [Maker(SEED + number).playbook() for number in range(COUNT)]
    for number, found in enumerate(run_all(tmp_path / "judged", works)):
        work = works[number]
        told = dict(part.split("=") for part in found.told.split())
        may = {host: expected(work, found, host) for host in HOSTS}
        right = all(told[host] in may[host] for host in HOSTS)
        assert right, (
            told,
            may,
            SEED + number,
            json.dumps(work),
            sorted(found.marks),
            found.output,
        )


def test_the_judge_changes_nothing(tmp_path: Path) -> None:
    """ansible-playbook as it is comes to the same numbers, return code and files."""
    made = (Maker(SEED + number).playbook() for number in itertools.count())
    works = list(itertools.islice(itertools.filterfalse(races, made), max(5, COUNT // 5)))
    judged = run_all(tmp_path / "judged", works)
    plain = run_all(tmp_path / "plain", works, plain=True)
    for work, ours, theirs in zip(works, judged, plain, strict=True):
        seen = [(found.rc, found.recap, found.marks) for found in (ours, theirs)]
        assert seen[0] == seen[1], (json.dumps(work), ours.output, theirs.output)
