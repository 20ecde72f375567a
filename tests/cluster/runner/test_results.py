"""What a run reports of hosts and tasks."""

import time
from typing import Any

import pytest

from crds.frames import Kind
from crds.records import RunStatus
from tests.cluster.runner.ground import Ground

ABSENT = "127.0.0.9:1"
"""A host where nobody listens."""


def test_a_task_that_works(ground: Ground) -> None:
    began = time.time()
    ran = ground.run(tasks=[{"name": "Say it", "raw": "echo hello"}])
    assert (ran.rc, ran.end.status, ran.end.rc) == (0, RunStatus.DONE, 0)
    assert ran.counts == {"ok": 1}
    (result,) = ran.results
    assert (result.host, result.task, result.status) == (ground.server.host, "Say it", "ok")
    assert (result.rc, result.stdout, result.changed) == (0, "hello\r\n", True)
    assert began <= result.start <= result.end <= time.time()
    assert ran.of(Kind.START)[0] | {"versions": {}} == {"hosts": 1, "slice": 0, "versions": {}}
    assert set(ran.of(Kind.START)[0]["versions"]) == {"ansible-core", "ansible-runner"}
    assert ran.of(Kind.STATS) == [{"hosts": {ground.server.host: [1, 1, 0, 0, 0, 0, 0]}}]
    assert f"PLAY [a task] {'*' * 10}" in ran.output
    assert f"changed: [{ground.server.host}]" in ran.output
    assert "\x1b" not in ran.output
    assert ran.errors == ""


def test_a_slice_is_this_pods_alone(ground: Ground) -> None:
    ran = ground.run(index=1, slices=((ABSENT,), (ground.server.host,)))
    assert [result.host for result in ran.results] == [ground.server.host]
    assert ran.of(Kind.START)[0]["slice"] == 1


def test_a_play_may_be_for_hosts_of_another_slice(ground: Ground) -> None:
    plays = [
        {"hosts": host, "gather_facts": False, "tasks": [{"raw": "true"}]}
        for host in (ABSENT, ground.server.host)
    ]
    ran = ground.run(index=1, slices=((ABSENT,), (ground.server.host,)), playbook=plays)
    assert (ran.rc, ran.end.message) == (0, "")
    assert [result.host for result in ran.results] == [ground.server.host]


def test_one_host_fails_and_one_is_not_there(ground: Ground) -> None:
    ran = ground.run(
        slices=((ABSENT, ground.server.host),),
        tasks=[{"name": "Break", "raw": "echo why >&2; exit 3"}],
    )
    assert (ran.rc, ran.end.status) == (1, RunStatus.DONE)
    assert ran.counts == {"failed": 1, "unreachable": 1}
    by_host = {result.host: result for result in ran.results}
    assert (by_host[ABSENT].status, by_host[ground.server.host].status) == ("unreachable", "failed")
    assert by_host[ground.server.host].rc == 3
    assert "Connection refused" in (by_host[ABSENT].msg or "")
    assert "Break: " in ran.end.message
    assert ran.end.message.endswith("(and 1 more failed host)")


RESULTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ignored": (
        {"raw": "exit 2", "ignore_errors": True},
        {"status": "failed", "ignored": True, "rc": 2},
    ),
    "skipped": ({"raw": "exit 2", "when": "false"}, {"status": "skipped"}),
    "a list as command": (
        {"command": {"argv": ["echo", "a b"]}},
        {"status": "ok", "cmd": "echo 'a b'", "stdout": "a b", "rc": 0},
    ),
    "hidden": (
        {"command": "echo planted-secret", "no_log": True},
        {"status": "ok", "stdout": None, "cmd": None},
    ),
    "a loop": (
        {"shell": "echo {{ item }} >&2; exit {{ item }}", "loop": [0, 3, 4]},
        {"status": "failed", "items": ("3", "4")},
    ),
    "a loop whose first item fails": (
        {"shell": "echo no {{ item }} >&2; test {{ item }} = good", "loop": ["bad", "good"]},
        {"status": "failed", "items": ("no bad",)},
    ),
    "what a loop's items say": (
        {
            "command": "echo item-{{ item.name }}",
            "loop": [{"name": "a"}, {"name": "b"}],
            "loop_control": {"label": "{{ item.name }}"},
        },
        {
            "results": (
                {
                    "item": "a",
                    "status": "ok",
                    "rc": 0,
                    "cmd": "echo item-a",
                    "stdout": "item-a",
                },
                {
                    "item": "b",
                    "status": "ok",
                    "rc": 0,
                    "cmd": "echo item-b",
                    "stdout": "item-b",
                },
            )
        },
    ),
    "a hidden loop": (
        {"command": "echo {{ item }}", "loop": ["planted-secret"], "no_log": True},
        {"status": "ok"},
    ),
    "a variable": (
        {"debug": {"var": "[1, inventory_hostname | length > 0]"}},
        {"msg": '{"[1, inventory_hostname | length > 0]": [1, true]}'},
    ),
    "lines as message": (
        {"debug": {"msg": ["Disk: 40 % full", "it's fine"]}},
        {"msg": "Disk: 40 % full\nit's fine"},
    ),
    "a name of ours in set_stats": ({"set_stats": {"data": {"octans": "x"}}}, {"status": "ok"}),
    "a message that is no text": ({"debug": {"msg": {"a": [1]}}}, {"msg": '{"a": [1]}'}),
    "evaluated name": ({"name": "at {{ 1 + 1 }}", "raw": "true"}, {"task": "at 2"}),
}


def test_results(ground: Ground) -> None:
    tasks = [{"name": row, "ignore_errors": True, **task} for row, (task, _) in RESULTS.items()]
    ran = ground.run(tasks=tasks)
    seen = [
        {name: getattr(result, name) for name in expected}
        for result, (_, expected) in zip(ran.results, RESULTS.values(), strict=True)
    ]
    assert seen == [expected for _, expected in RESULTS.values()]
    assert b"planted-secret" not in b"".join(ran.lines)


def test_the_beginning_of_a_task_is_told(ground: Ground) -> None:
    ran = ground.run(tasks=[{"name": "one", "raw": "true"}, {"name": "two", "raw": "sleep 1"}])
    begun = ran.of(Kind.BEGIN)
    assert [(one["host"], one["task"]) for one in begun] == [
        (ground.server.host, "one"), (ground.server.host, "two"),
    ]  # fmt: skip
    for beginning, result in zip(begun, ran.results, strict=True):
        assert abs(beginning["start"] - result.start) < 1


def test_a_rescued_failure_is_none(ground: Ground) -> None:
    block = {"block": [{"raw": "exit 1"}], "rescue": [{"raw": "true"}]}
    ran = ground.run(tasks=[block])
    assert (ran.rc, ran.end.counts["ok"], ran.end.message) == (0, 1, "")
    assert [result.status for result in ran.results] == ["failed", "ok"]


def test_a_host_failed_for_what_was_not_rescued(ground: Ground) -> None:
    block = {"block": [{"name": "probe", "raw": "exit 1"}], "rescue": [{"raw": "true"}]}
    ran = ground.run(tasks=[block, {"name": "real", "fail": {"msg": "it broke"}}])
    assert (ran.rc, ran.end.message) == (1, f"{ground.server.host}: real: it broke")


def test_facts_stay_here(ground: Ground) -> None:
    ran = ground.run(gather_facts=True)
    gathered = ran.results[0]
    assert (gathered.task, gathered.status, gathered.facts) == ("Gathering Facts", "ok", True)
    assert b"ansible_kernel" not in b"".join(ran.lines)


def test_results_come_as_they_happen(ground: Ground) -> None:
    ran = ground.run(tasks=[{"raw": "true"}, {"raw": "sleep 1.5"}])
    first, second = (record for record in ran.records if record.kind is Kind.TASK)
    assert second.time - first.time > 1.4
    assert first.time - ran.results[0].end < 0.3


def test_long_texts_are_cut_and_marked(ground: Ground) -> None:
    ran = ground.run(tasks=[{"shell": "head -c 300000 /dev/zero | tr '\\0' x"}])
    (result,) = ran.results
    assert (len(result.stdout or ""), result.cut) == (16 * 1024, ("stdout",))


def test_strange_bytes(ground: Ground) -> None:
    ran = ground.run(
        tasks=[
            {"raw": r"printf 'a\377\033[31mred\033[0m\000\r\nz'"},
            {"debug": {"msg": "\x1b[31mé\u2028\x85"}},
        ]
    )
    assert (ran.results[0].stdout or "").startswith("a")
    assert ran.results[1].msg == "\x1b[31mé\u2028\x85"
    assert ran.rc == 0


def test_output_in_another_encoding_is_no_failure(ground: Ground) -> None:
    ran = ground.run(
        tasks=[
            {"shell": r"printf 'caf\351\n'", "register": "said"},
            {"debug": {"msg": "{{ said.stdout }}"}},
        ]
    )
    assert (ran.rc, ran.results[0].rc) == (0, 0), ran.output
    assert (ran.results[0].stdout or "").startswith("caf")
    assert (ran.results[1].msg or "").startswith("caf")


def test_much_output(ground: Ground) -> None:
    """Beyond 8 MiB only results, in short form; the count of what was left out is told."""
    text = "{{ 'line of text ' * 1000 }}"
    loop = {"debug": {"msg": text}, "loop": "{{ range(800) | list }}"}
    ran = ground.run(tasks=[loop, {"shell": "head -c 90000 /dev/zero | tr '\\0' x; exit 3"}])
    on_disk = sum(len(line) + 1 + 48 for line in ran.lines)
    assert 7.5 * 2**20 < on_disk < 9.75 * 2**20
    assert ran.end.dropped > 10
    last = ran.results[-1]
    assert (last.status, last.rc, last.stdout) == ("failed", 3, None)
    assert ran.of(Kind.STATS)
    assert ran.rc == 1


def test_limit_check_diff_tags_and_verbosity(ground: Ground) -> None:
    target = f"/tmp/{ground.root.name}"
    ran = ground.run(
        slices=((ABSENT, ground.server.host),),
        tasks=[
            {"raw": "exit 1", "tags": ["never-asked"]},
            {"copy": {"content": "new\n", "dest": target}, "tags": ["wanted"]},
        ],
        limit=ground.server.host, check=True, diff=True, tags=("wanted",), verbosity=1,
    )  # fmt: skip
    assert ran.counts == {"ok": 1, "leftOut": 1}
    assert "+new" in ran.output
    assert "+new" in (ran.results[0].diff or "")
    assert not ground.path(target).exists()


def test_hosts_that_were_given_up_are_unfinished(ground: Ground) -> None:
    play = {
        "hosts": "all", "gather_facts": False, "any_errors_fatal": True,
        "tasks": [{"raw": "true"}, {"raw": "true"}],
    }  # fmt: skip
    ran = ground.run(playbook=[play], slices=((ABSENT, ground.server.host),))
    assert ran.counts == {"unreachable": 1, "unfinished": 1}


def test_a_fetched_file_is_not_said_to_be_kept(ground: Ground) -> None:
    ran = ground.run(tasks=[{"fetch": {"src": "/etc/hostname", "dest": "kept/", "flat": True}}])
    assert "it goes with the pod" in (ran.results[0].msg or "")


NOTES: dict[str, tuple[dict[str, Any], str]] = {
    "no task fits the tags": ({"tags": ("nowhere",)}, "No task ran: there is none, or none fits"),
    "an empty play": ({"playbook": [{"hosts": "all", "gather_facts": True}]}, "No task ran: there"),
    "a group that nothing was put in": (
        {"playbook": [
            {"hosts": "all", "gather_facts": False,
             "tasks": [{"group_by": {"key": "g"}, "when": "false"}]},
            {"name": "for g", "hosts": "g", "tasks": [{"raw": "true"}]}]},
        "No host matched: play 'for g'."),
}  # fmt: skip


@pytest.mark.parametrize("row", NOTES)
def test_a_good_end_says_what_did_not_happen(ground: Ground, row: str) -> None:
    given, note = NOTES[row]
    ran = ground.run(**given)
    assert (ran.rc, ran.counts) == (0, {"ok": 1})
    assert ran.end.message.startswith(note)
