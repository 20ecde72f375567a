"""How a run ends when it does not simply come to its end."""

import time
from typing import Any

import pytest

from crds.frames import Kind
from crds.records import Result, RunStatus
from tests.cluster.runner.ground import Ground, begin_of, read_until, terminate

LONG = [{"name": "first", "raw": "true"}, {"name": "long", "raw": "sleep 60"}]
ANSIBLE = "$(ps -o ppid= -p $(ps -o ppid= -p $$))"
"""In a task's shell: the process id of Ansible, the parent of the task's worker."""

INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "no module at all": ({"tasks": [{"name": "nothing"}]}, "no module/action"),
    "unknown module": ({"tasks": [{"no_such_module": {}}]}, "no_such_module"),
    "unknown key": ({"tasks": [{"raw": "true", "retires": 3}]}, "retires"),
    "unknown role": ({"roles": [{"role": "nowhere"}]}, "nowhere"),
    "localhost": ({"playbook": [{"hosts": "localhost"}]}, "names localhost"),
    "matches none": ({"playbook": [{"hosts": "all"}, {"hosts": "db*"}]}, "play 2: hosts 'db*'"),
    "localhost, later": ({"playbook": [{"hosts": "{{ x | default('localhost') }}"}]}, "names loc"),
    "nobody, later": ({"playbook": [{"hosts": "{{ 'db' }}"}]}, "matches none"),
    "play without hosts": ({"playbook": [{"tasks": []}]}, "hosts"),
    "Ansible's own variable": ({"variables": {"ansible_user": "eve"}}, "ansible_user"),
    "an option as host": ({"slices": (("[-oProxyCommand=id]:1",),)}, "no IPv6 address"),
    "limit to nobody": ({"limit": "nobody"}, "no hosts to target"),
}  # fmt: skip


@pytest.mark.parametrize("row", INVALID)
def test_refused_before_any_host_is_touched(ground: Ground, row: str) -> None:
    given, expected = INVALID[row]
    ran = ground.run(**given)
    assert (ran.rc, ran.end.status) == (2, RunStatus.INVALID)
    assert expected in ran.end.message
    assert ran.results == []
    assert "Traceback" not in ran.end.message


def test_a_bad_expression_is_that_tasks_failure(ground: Ground) -> None:
    ran = ground.run(tasks=[{"raw": "echo {{ nowhere }}"}])
    assert (ran.rc, ran.end.status, ran.results[0].status) == (1, RunStatus.DONE, "failed")
    assert "'nowhere' is undefined" in (ran.results[0].msg or "")


def test_stop_names_the_hosts_in_flight(ground: Ground) -> None:
    ground.put(tasks=LONG, grace=30)
    process = ground.start()
    before = read_until(process, begin_of("long"))
    terminate(process)
    at = terminate(process)  # a second SIGTERM changes nothing
    ran = ground.finish(process, before)
    assert time.monotonic() - at < 5, "SIGTERM is enough: SIGKILL comes after 5 s"
    assert (ran.rc, ran.end.status) == (4, RunStatus.STOPPED)
    assert ran.end.inflight == (ground.server.host,)
    assert ran.counts == {"unfinished": 1}
    assert [result.task for result in ran.results] == ["first"]
    assert ran.of(Kind.STATS) == []


def test_a_play_that_ignores_sigterm_is_killed_in_time(ground: Ground) -> None:
    """Ansible itself can't hear it either: the play has stopped its process."""
    stopped = ground.root / "stopped"
    raw = f"trap '' TERM; kill -STOP {ANSIBLE}; touch {stopped}; setsid sleep 60"
    stubborn = {"name": "long", "delegate_to": "localhost", "connection": "local", "raw": raw}
    ground.put(tasks=[stubborn], grace=8)
    process = ground.start()
    before = read_until(process, begin_of("long"))
    for _ in range(400):
        if stopped.exists():
            break
        time.sleep(0.05)
    at = terminate(process)
    ran = ground.finish(process, before)
    assert 2 <= time.monotonic() - at < 8, "after a quarter of the grace, before its end"
    assert (ran.rc, ran.end.status) == (4, RunStatus.STOPPED)
    assert ran.end.inflight == (ground.server.host,)


def test_stop_before_ansible_is_there(ground: Ground) -> None:
    ground.put(tasks=LONG)
    process = ground.start()
    before = read_until(process, lambda frame: frame.kind is Kind.START)
    terminate(process)
    ran = ground.finish(process, before)
    assert (ran.rc, ran.end.status, ran.end.inflight) == (4, RunStatus.STOPPED, ())


def test_timeout(ground: Ground) -> None:
    ran = ground.run(tasks=LONG, timeout=6)
    assert (ran.rc, ran.end.status) == (3, RunStatus.TIMED_OUT)
    assert ran.end.message == "not done within 6 s"


def test_ansible_killed(ground: Ground) -> None:
    """What is not proven to be whole is no success."""
    killer = {"delegate_to": "localhost", "connection": "local",
              "raw": f"kill -9 {ANSIBLE}"}  # fmt: skip
    ran = ground.run(tasks=[{"name": "first", "raw": "true"}, killer, *LONG])
    assert (ran.rc, ran.end.status) == (5, RunStatus.CRASHED)
    assert ran.end.counts["unfinished"] == 1
    assert ran.results[0] == Result.read(ran.of(Kind.TASK)[0])


def test_input_that_is_none(ground: Ground) -> None:
    ground.put()
    ground.path("/run/octans/input/input.json").write_text("{")
    ran = ground.finish(ground.start())
    assert (ran.rc, ran.end.status) == (2, RunStatus.INVALID)
    assert "input can't be read" in ran.end.message


def test_a_failure_of_our_own_has_its_end_too(ground: Ground) -> None:
    ground.put()
    ground.path("/home/octans/run").write_text("where the runner wants a folder")
    ran = ground.finish(ground.start())
    assert (ran.rc, ran.end.status) == (5, RunStatus.CRASHED)
    assert ran.end.message.startswith("the runner failed (FileExistsError)")
    assert "folder.py" in ran.errors
    assert "File exists" not in ran.errors  # an error's own words may quote a secret
