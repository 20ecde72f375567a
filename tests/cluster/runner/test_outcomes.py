"""How each host ended: the judge's word against what really happened, with the real Ansible."""

from typing import Any

import pytest

from tests.cluster.runner.plays import (
    Played,
    Work,
    fail,
    lose,
    mark,
    meta,
    play,
    run_all,
)

FATAL: dict[str, Any] = {"any_errors_fatal": True}
ADD = {"add_host": {"name": "late", "ansible_connection": "local"}}

TABLE: dict[str, tuple[Work, str]] = {
    "all well": ([play(mark("t"))], "a=ok b=ok c=ok"),
    "one fails": ([play(fail("a"), mark("t"))], "a=failed b=ok c=ok"),
    "one is not there": ([play(lose("a"), mark("t"))], "a=unreachable b=ok c=ok"),
    "any_errors_fatal": ([play(fail("a"), mark("t"), **FATAL)],
                         "a=failed b=unfinished c=unfinished"),
    "any_errors_fatal, unreachable": ([play(lose("a"), mark("t"), **FATAL)],
                                      "a=unreachable b=unfinished c=unfinished"),
    "any_errors_fatal in the last task": ([play(mark("t"), fail("a"), **FATAL)],
                                          "a=failed b=ok c=ok"),
    "run_once fails": ([play(fail("a", run_once=True), mark("t"))],
                       "a=failed b=unfinished c=unfinished"),
    "max_fail_percentage": ([play(fail("a"), mark("t"), max_fail_percentage=20)],
                            "a=failed b=unfinished c=unfinished"),
    "max_fail_percentage not reached": ([play(fail("a"), mark("t"), max_fail_percentage=50)],
                                        "a=failed b=ok c=ok"),
    "end_host": ([play(meta("end_host", "a"), fail("b"), mark("t"))], "a=ok b=failed c=ok"),
    "end_play": ([play(fail("b"), meta("end_play"), mark("t"))], "a=ok b=failed c=ok"),
    "end_play with forced handlers": (
        [play(fail("b"), meta("end_play"), mark("t"), force_handlers=True)], "a=ok b=failed c=ok"),
    "end_play with forced handlers, then another play": (
        [play(fail("b"), meta("end_play"), mark("t"), force_handlers=True), play(mark("u"))],
        "a=ok b=failed c=ok"),
    "end_play in the first batch": ([play(meta("end_play"), mark("t"), serial=1)],
                                    "a=ok b=leftOut c=leftOut"),
    "end_batch": ([play(mark("s"), meta("end_batch", "a"), mark("t"), serial=1)],
                  "a=ok b=ok c=ok"),
    "first batch fails": ([play(fail("a"), mark("t"), serial=1)],
                          "a=failed b=unfinished c=unfinished"),
    "second batch fails": ([play(fail("b"), mark("t"), serial=1)],
                           "a=ok b=failed c=unfinished"),
    "half a batch fails": ([play(fail("a"), mark("t"), serial=2)], "a=failed b=ok c=ok"),
    "rescued": ([play({"block": [fail("a")], "rescue": [mark("r")]}, mark("t"))],
                "a=ok b=ok c=ok"),
    "rescued, fatal": ([play({"block": [fail("a"), mark("u")], "rescue": [mark("r")]}, mark("t"),
                             **FATAL)], "a=ok b=ok c=ok"),
    "rescued, fatal, then another play": (
        [play({"block": [fail("a"), mark("u")], "rescue": [mark("r")]}, **FATAL), play(mark("t"))],
        "a=ok b=unfinished c=unfinished"),
    "rescue fails": ([play({"block": [fail("a")], "rescue": [fail("a")]}, mark("t"))],
                     "a=failed b=ok c=ok"),
    "always": ([play({"block": [fail("a")], "always": [mark("r")]}, mark("t"))],
               "a=failed b=ok c=ok"),
    "always fails": ([play({"block": [mark("u")], "rescue": [mark("r")], "always": [fail("a")]})],
                     "a=failed b=ok c=ok"),
    "unreachable is not rescued": (
        [play({"block": [lose("a")], "rescue": [mark("r")]}, mark("t"))],
        "a=unreachable b=ok c=ok"),
    "rescued, then given up": (
        [play({"block": [fail("a")], "rescue": [mark("r")]}, fail("b", **FATAL), mark("t"))],
        "a=unfinished b=failed c=unfinished"),
    "ignore_errors": ([play(fail("a", ignore_errors=True), mark("t"))], "a=ok b=ok c=ok"),
    "ignore_unreachable": ([play(lose("a", ignore_unreachable=True), mark("t"))],
                           "a=ok b=ok c=ok"),
    "unreachable, fine in play 2": (
        [play(lose("a"), meta("clear_host_errors")), play(mark("t"))], "a=ok b=ok c=ok"),
    "unreachable, cleared, goes on": (
        [play(lose("a"), meta("clear_host_errors"), mark("t"))], "a=ok b=ok c=ok"),
    "failed, cleared, nothing after": (
        [play(fail("a"), meta("clear_host_errors"), mark("t"))], "a=failed b=ok c=ok"),
    "failed, cleared, play 2": (
        [play(fail("a"), meta("clear_host_errors")), play(mark("t"))], "a=ok b=ok c=ok"),
    "failed, cleared in a play that it takes no part in": (
        [play(fail("a")), play(meta("clear_host_errors"), mark("t"))], "a=failed b=ok c=ok"),
    "unreachable in play 1, not in play 2": ([play(lose("a")), play(mark("t"))],
                                             "a=unreachable b=ok c=ok"),
    "plays for some": ([play(mark("t"), hosts="a"), play(mark("u"), hosts="b")],
                       "a=ok b=ok c=leftOut"),
    "the first of two plays breaks": ([play(fail("a"), hosts="a"), play(mark("u"), hosts="b")],
                                      "a=failed b=unfinished c=leftOut"),
    "free": ([play(fail("a"), mark("t"), strategy="free")], "a=failed b=ok c=ok"),
    "free knows no fatal": ([play(fail("a"), mark("t"), strategy="free", **FATAL)],
                            "a=failed b=ok c=ok"),
    "host_pinned": ([play(lose("a"), mark("t"), strategy="host_pinned")],
                    "a=unreachable b=ok c=ok"),
    "debugger": ([play(fail("a", debugger="on_failed"), mark("t"))], "a=failed b=ok c=ok"),
    "debugging strategy": ([play(fail("a"), mark("t"), strategy="debug")], "a=failed b=ok c=ok"),
    "handler fails": (
        [play(mark("t", notify="h"), handlers=[fail("a") | {"name": "h"}])], "a=failed b=ok c=ok"),
    "handler not run": (
        [play(mark("t", notify="h"), fail("a"), handlers=[mark("u") | {"name": "h"}])],
        "a=failed b=ok c=ok"),
    "forced handler": (
        [play(mark("t", notify="h"), fail("a"), handlers=[mark("u") | {"name": "h"}],
              force_handlers=True)], "a=failed b=ok c=ok"),
    "handler fails, fatal, forced": (
        [play(mark("t", notify="h"), handlers=[fail("a") | {"name": "h"}], any_errors_fatal=True,
              force_handlers=True)], "a=failed b=ok c=ok"),
    "any_errors_fatal in the last task, forced handlers": (
        [play(mark("t"), fail("a"), any_errors_fatal=True, force_handlers=True)],
        "a=failed b=ok c=ok"),
    "handler fails, fatal, another is left for one host": (
        [play(mark("t", notify="h"), mark("u", notify="g", when="inventory_hostname == 'b'"),
              handlers=[fail("a") | {"name": "h"}, mark("g")], any_errors_fatal=True)],
        "a=failed b=unfinished c=ok"),
    "missing file of tasks": ([play({"include_tasks": "nowhere.yml"}, mark("t"))],
                              "a=failed b=failed c=failed"),
    "missing file of tasks, rescued": (
        [play({"block": [{"include_tasks": "nowhere.yml"}], "rescue": [mark("r")]}, mark("t"))],
        "a=ok b=ok c=ok"),
    "a role that is nowhere": ([play(mark("t"), {"include_role": {"name": "nowhere"}})],
                               "a=failed b=failed c=failed"),
    "async": ([play({"command": "true", "async": 10, "poll": 0}, mark("t"))], "a=ok b=ok c=ok"),
    "async fails": ([play({"command": "false", "async": 10, "poll": 1}, mark("t"))],
                    "a=failed b=failed c=failed"),
    "added, and fails alone": (
        [play(ADD), play(fail("late"), hosts="late")], "a=ok b=ok c=ok late=failed"),
    "added, and well": ([play(ADD), play(mark("t"), hosts="late")], "a=ok b=ok c=ok late=ok"),
    "added, but for no play": ([play(ADD)], "a=ok b=ok c=ok"),
    "a group that was made": (
        [play({"group_by": {"key": "g"}, "when": "inventory_hostname == 'a'"}),
         play(mark("t"), hosts="g")], "a=ok b=ok c=ok"),
    "a group in braces that was made": (
        [play({"group_by": {"key": "g"}, "when": "inventory_hostname == 'a'"}),
         play(mark("t"), hosts="{{ 'g' }}")], "a=ok b=ok c=ok"),
    "a group that nothing was put in": (
        [play({"group_by": {"key": "g"}, "when": "false"}), play(mark("t"), hosts="g")],
        "a=ok b=ok c=ok"),
    "nothing to do": ([play()], "a=ok b=ok c=ok"),
}  # fmt: skip


BROKEN = "{{ marks }}/../broken.yml"
HALF: dict[str, tuple[Work, str]] = {
    "a file of tasks that can't be read": (
        [play(mark("t"), fail("a"), {"include_tasks": BROKEN}, mark("u"))],
        "a=failed b=unfinished c=unfinished"),
    "hosts of play 2 are not to be evaluated": (
        [play(mark("t"), hosts="a"), play(mark("u"), hosts="{{ nowhere }}")],
        "a=unfinished b=unfinished c=unfinished"),
    "play 2 is for localhost": (
        [play(mark("t"), hosts="a"), play(mark("u"), hosts="{{ 'localhost' }}")],
        "a=unfinished b=unfinished c=unfinished"),
    "play 2 is for nobody": (
        [play(mark("t"), hosts="a"), play(mark("u"), hosts="{{ 'db' }}")],
        "a=unfinished b=unfinished c=unfinished"),
    "flush_handlers as a handler": (
        [play(mark("t", notify="h"), handlers=[{"name": "h", "meta": "flush_handlers"}])],
        "a=unfinished b=unfinished c=unfinished"),
}  # fmt: skip
"""Work that Ansible itself gives up when hosts have been touched."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """All rows, run."""
    folder = tmp_path_factory.mktemp("outcomes") / "table"
    rows = TABLE | HALF
    return dict(zip(rows, run_all(folder, [work for work, _ in rows.values()]), strict=True))


@pytest.mark.parametrize("row", TABLE)
def test_outcome(played: dict[str, Played], row: str) -> None:
    found, expected = played[row], TABLE[row][1]
    print(found.output, sorted(found.marks))
    assert found.told == expected


@pytest.mark.parametrize("row", HALF)
def test_given_up_half_way(played: dict[str, Played], row: str) -> None:
    found, expected = played[row], HALF[row][1]
    print(found.output, sorted(found.marks))
    assert found.word is not None
    assert found.word.aborted
    assert found.told == expected
