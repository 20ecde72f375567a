"""Both dialects' answers, letter by letter as API.md prints them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from api import dialects, loglines, view
from api.answers import answer, refusal, render
from api.newest import Newest
from api.problems import Away, BadJson, DuplicateName, Internal, NoCorrelation, TooMany
from api.request import LogAsk, Target
from api.results import Entry, log_object, marked
from crds import provenance
from crds.conditions import Outcome, Phase
from crds.model import AnsibleTask, pack_outcomes
from crds.records import Result

START = datetime(2017, 7, 27, 16, 37, 4, tzinfo=UTC).timestamp()


def result(status: str = "ok", **fields: Any) -> Result:
    """A result of one second."""
    usual: dict[str, Any] = {"host": "127.0.0.1", "task": "t", "start": START, "end": START + 1}
    return Result(status=status, **{**usual, **fields})


def task(
    phase: Phase, outcomes: list[Outcome] | None = None, hosts: tuple[str, ...] = (), **status: Any
) -> AnsibleTask:
    """A stored task."""
    hosts = hosts or tuple(f"10.0.0.{at}" for at in range(len(outcomes or [])))
    return AnsibleTask.model_validate(
        {
            "metadata": {"name": "task-7", "creationTimestamp": "2016-08-17T18:38:17Z"},
            "spec": {"hosts": hosts, "correlationId": "16-16", "source": "hubble"},
            "status": {
                "phase": phase.value,
                "updateTime": "2016-08-17T18:38:22Z",
                "hostOutcomes": pack_outcomes(outcomes or []),
                **status,
            },
        }
    )


def newest(found: list[Result], limit: int = 1024 * 1024) -> Newest:
    """The newest of some results that come in order of time."""
    kept = Newest(limit)
    for at, each in enumerate(found):
        kept.add(Entry(0, at + 1, each))
    return kept


def seen(stored: AnsibleTask, found: list[Result] | None = None) -> view.TaskView:
    """What check tells of a task."""
    return view.view(stored, 7, newest(found or []))


STOPPED_TASK = task(Phase.STOPPED, [Outcome.UNFINISHED], ("123.207.136.186",))
EXTRAS = {
    "phase": "Stopped", "reason": "", "message": "", "queue_position": None, "log_complete": True,
}  # fmt: skip


def test_check_of_the_documented_dialect() -> None:
    content = dialects.DOCUMENTED.checked(seen(STOPPED_TASK, [result(host="123.207.136.186")]))
    log = json.loads(content.pop("log"))
    assert [item["host"] for item in log] == ["123.207.136.186"]
    assert content == {
        "create_time": "Wed, 17 Aug 2016 18:38:17 GMT", "err": None, "id": 7,
        "nodes": '["123.207.136.186"]', "status": 4,
        "update_time": "Wed, 17 Aug 2016 18:38:22 GMT", **EXTRAS,
    }  # fmt: skip


def test_check_of_the_field_dialect() -> None:
    stored = task(Phase.SUCCEEDED, [Outcome.OK], ("10.0.0.7",))
    content = dialects.FIELD.checked(seen(stored, [result(host="10.0.0.7", stdout="x")]))
    assert {key: content["task"][key] for key in ("id", "status", "err")} == {
        "id": 7, "status": 2, "err": "",
    }  # fmt: skip
    assert [(node["ip"], node["status"]) for node in content["nodes"]] == [("10.0.0.7", 2)]
    assert json.loads(content["nodes"][0]["log"]) == [
        log_object(result(host="10.0.0.7", stdout="x"))
    ]
    assert content["task"].keys() >= EXTRAS.keys()


def test_every_node_is_there_from_the_first_answer_on() -> None:
    stored = task(Phase.QUEUED, hosts=("b", "a:22", "[::2]:22"))
    content = dialects.FIELD.checked(seen(stored))
    assert content["nodes"] == [
        {"ip": "b", "status": 0, "log": "[]"},
        {"ip": "a:22", "status": 0, "log": "[]"},
        {"ip": "[::2]:22", "status": 0, "log": "[]"},
    ]


def line_of(found: Result) -> loglines.Line:
    line = loglines.line(STOPPED_TASK, Entry(0, 1, found))
    assert line is not None
    return line


def test_lines_of_getlog() -> None:
    printed = (
        "global_id = 16-16, source = hubble, create_time = 2017-07-27T16:37:04Z, "
        "end_time = 2017-07-27T16:37:05Z, host = 127.0.0.1, reuslt = ok"
    )
    lines = [line_of(result())]
    assert dialects.DOCUMENTED.log(lines) == [printed]
    assert dialects.FIELD.log(lines) == {"code": 0, "content": {"log": [printed + " "]}}
    assert dialects.FIELD.log([]) == {"code": 0, "content": {"log": []}}


MESSAGES: dict[str, tuple[Result, str]] = {
    "msg": (result("failed", msg="no such file"), "no such file"),
    "stderr where msg says nothing": (
        result("failed", msg="non-zero return code", stderr="boom", stdout="x"), "boom",
    ),
    "stdout where there is no stderr": (
        result("failed", msg="non-zero return code", stdout="out"), "out",
    ),
    "nothing": (result("failed"), "no error msg out"),
    "ignored": (result("failed", ignored=True, msg="m"), "m"),
    "unreachable": (result("unreachable", msg="Connection refused"), "Connection refused"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), MESSAGES.values(), ids=MESSAGES)
def test_bad_lines_tell_why(bad: Result, message: str) -> None:
    line = line_of(bad)
    assert line.text().endswith(f"reuslt = {bad.status}\n\tmessage: {message}\n\t")
    assert line.text(" ").endswith(f"reuslt = {bad.status} \n\tmessage: {message}\n\t")


def test_a_loop_is_one_line_with_a_message_for_each_failed_item() -> None:
    line = line_of(result("failed", items=("a", "b")))
    assert line.text().endswith("reuslt = failed\n\tmessage: a\n\tmessage: b\n\t")


def test_lines_are_ordered_by_end_slice_and_sequence() -> None:
    entries = [
        Entry(1, 1, result(host="d", end=START + 2)), Entry(0, 9, result(host="c", end=START + 2)),
        Entry(0, 2, result(host="b")), Entry(0, 1, result(host="a")),
    ]  # fmt: skip
    ordered = sorted(entries, key=lambda entry: entry.place)
    assert [entry.result.host for entry in ordered] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("ask", "matches"),
    [
        (LogAsk("16-16", "hubble", None), True),
        (LogAsk("16-16", None, None), True),
        (LogAsk("16-16", "hubble", "123.207.136.186"), True),
        (LogAsk("16-16", "", None), False),
        (LogAsk("16-17", "hubble", None), False),
        (LogAsk("16-16", "other", None), False),
        (LogAsk("16-16", "hubble", "10.0.0.1"), False),
    ],
)
def test_whose_lines_are_given(ask: LogAsk, matches: bool) -> None:
    assert loglines.matches(STOPPED_TASK, ask) is matches


def test_a_host_is_found_with_and_without_its_port() -> None:
    stored = task(Phase.RUNNING, hosts=("10.0.0.7:2222", "[fd00::7]:22"))
    for host in ("10.0.0.7", "10.0.0.7:2222", "fd00::7", "[fd00::7]:22"):
        assert loglines.matches(stored, LogAsk("16-16", None, host)), host
    bare = task(Phase.RUNNING, hosts=("2001:db8::1:5", "[2001:db8::2]"))
    assert loglines.matches(bare, LogAsk("16-16", None, "2001:db8::2"))
    assert not loglines.matches(bare, LogAsk("16-16", None, "2001:db8::1"))


UNKNOWN = {
    "documented, id": (dialects.DOCUMENTED, Target(id=7), False, "task not found..."),
    "documented, stop": (dialects.DOCUMENTED, Target(name="x"), True, "task not found..."),
    "field, id": (dialects.FIELD, Target(id=7), False, "no task found for specified id:7"),
    "field, name": (dialects.FIELD, Target(name="x"), False, "no task found for specified name:x"),
    "field, stop": (dialects.FIELD, Target(id=7), True, "task not found"),
}


@pytest.mark.parametrize(("dialect", "target", "to_stop", "text"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_tasks(dialect: dialects.Dialect, target: Target, to_stop: bool, text: str) -> None:
    assert dialect.unknown(target, to_stop=to_stop) == text


OK, BAD, GONE, OPEN, WAITS, RUNS, LEFT = (
    Outcome.OK, Outcome.FAILED, Outcome.UNREACHABLE, Outcome.UNFINISHED, Outcome.WAITING,
    Outcome.RUNNING, Outcome.LEFT_OUT,
)  # fmt: skip
STATUSES: dict[str, tuple[AnsibleTask, int, list[int]]] = {
    "queued": (task(Phase.QUEUED, [WAITS, WAITS]), 0, [0, 0]),
    "starting": (task(Phase.STARTING, hosts=("a", "b")), 0, [0, 0]),
    "running": (task(Phase.RUNNING, [OK, RUNS, WAITS, BAD]), 1, [2, 1, 0, 3]),
    "succeeded": (task(Phase.SUCCEEDED, [OK, OK]), 2, [2, 2]),
    "succeeded without outcomes": (task(Phase.SUCCEEDED, hosts=("a",)), 2, [2]),
    "left out": (task(Phase.SUCCEEDED, [OK, LEFT]), 2, [2, 0]),
    "failed": (task(Phase.FAILED, [BAD, GONE, OPEN]), 3, [3, 3, 3]),
    "failed without outcomes": (task(Phase.FAILED, hosts=("a",)), 3, [3]),
    "stopped": (task(Phase.STOPPED, [OK, BAD, OPEN, WAITS, RUNS]), 4, [2, 3, 4, 4, 4]),
    "partly": (task(Phase.PARTLY_SUCCEEDED, [OK, BAD, WAITS]), 5, [2, 3, 3]),
}  # fmt: skip


@pytest.mark.parametrize(("stored", "status", "nodes"), STATUSES.values(), ids=STATUSES)
def test_statuses_of_task_and_nodes(stored: AnsibleTask, status: int, nodes: list[int]) -> None:
    assert view.status_of(stored) == status
    assert view.node_statuses(stored) == nodes


def test_err_is_the_tasks_message() -> None:
    condition = {
        "type": "Succeeded", "status": "False", "reason": "ImagePullFailed",
        "message": "no image", "lastTransitionTime": "2016-08-17T18:38:22Z",
    }  # fmt: skip
    told = seen(task(Phase.FAILED, [OPEN], conditions=[condition]))
    assert (told.err, told.reason, told.message) == ("no image", "ImagePullFailed", "no image")
    assert seen(task(Phase.RUNNING, [RUNS], conditions=[condition])).err == ""


def test_texts_of_the_log_are_cut_and_say_so() -> None:
    assert marked("short") == "short"
    assert len(marked("ü" * 20_000).encode()) <= 16 * 1024
    assert marked("ü" * 20_000).endswith("... [cut: longer than 16 KiB]")
    told = log_object(result(stdout="x", cut=("stdout",)))
    assert told["stdout"] == "x... [cut: longer than 16 KiB]"


def test_the_oldest_of_a_long_log_is_left_out_and_counted() -> None:
    found = [result(task=str(at), stdout="x" * 1000) for at in range(100)]
    log = [log_object(each) for each in found]
    kept = newest(found, 20_000).log()
    assert len(json.dumps(kept)) < 21_000
    assert kept[0]["msg"] == f"{100 - len(kept) + 1} older results are left out"
    assert kept[1:] == log[-len(kept) + 1 :]
    assert newest(found[:3], 20_000).log() == log[:3]


def test_results_may_come_in_any_order_and_the_newest_are_kept_without_a_gap() -> None:
    found = [result(task=str(at), stdout="x" * (at % 7) * 300, end=float(at)) for at in range(100)]
    orders = [found, found[::-1], found[50:] + found[:50]]
    (first, *others) = [newest(order, 20_000).log() for order in orders]
    assert all(other == first for other in others)
    assert [int(item["task"]) for item in first[1:]] == [*range(101 - len(first), 100)]
    one = newest(found, 20_000)
    one.uncounted = 5
    assert one.log()[0]["msg"] == f"{100 - len(first) + 1 + 5} older results are left out"
    assert one.by_host()["127.0.0.1"][0]["msg"].startswith("at least ")


def test_every_host_that_lost_results_says_so() -> None:
    found = [result(host=f"h{at % 30}", task=str(at), stdout="x" * 1000) for at in range(90)]
    parts = newest(found, 20_000).by_host()
    assert len(json.dumps(list(parts.values()))) < 20_000
    assert parts.keys() == {f"h{at}" for at in range(30)}
    for host, part in parts.items():
        assert part[0]["status"] == "cut", host
        assert part[0]["msg"] == f"{3 - len(part[1:])} older results are left out"
    assert sum(len(part) - 1 for part in parts.values()) > 5
    assert newest(found[:3], 20_000).by_host() == {
        f"h{at}": [log_object(found[at])] for at in range(3)
    }


def test_a_result_as_check_gives_it() -> None:
    full = result(cmd="ls", rc=0, stdout="a", stderr="", msg="")
    assert log_object(full) == {
        "host": "127.0.0.1", "task": "t", "status": "ok", "start": "2017-07-27 16:37:04.000000",
        "end": "2017-07-27 16:37:05.000000", "delta": "0:00:01", "cmd": "ls", "rc": 0,
        "stdout": "a", "stderr": "", "msg": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "status", "message"),
    [
        (BadJson(), 400, "json encode error"),
        (DuplicateName(), 400, "task name is duplicate"),
        (NoCorrelation(), 400, "X-CORRELATION-ID is empyt"),
    ],
)
def test_errors_have_their_literal_texts(problem: Any, status: int, message: str) -> None:
    response = refusal(problem)
    assert response.status_code == status
    assert json.loads(bytes(response.body)) == {"code": -1, "message": message}


def test_who_may_try_again_is_told_when() -> None:
    assert refusal(Away()).headers["Retry-After"] == "2"
    assert refusal(TooMany("x", 0.2)).headers["Retry-After"] == "1"
    assert "abc" in Internal("abc").message


@pytest.mark.parametrize("correlation", ["", "a\nb", " a", "安", "x\x7f", None])
def test_a_correlation_id_that_fits_no_header_is_left_out(correlation: str | None) -> None:
    response = answer({}, task_id=7, task_status=2, correlation=correlation)
    assert "X-CORRELATION-ID" not in response.headers
    assert (response.headers["X-TASK-ID"], response.headers["X-TASK-STATUS"]) == ("7", "2")


def test_lone_surrogates_of_a_programs_output_do_no_harm() -> None:
    assert render({"a": "x\ud800"}) == b'{"a":"x?"}'


def test_warnings_are_headers_of_their_own() -> None:
    response = answer({}, warnings=("one", "", "two"))
    assert response.headers.getlist("Warning") == ['299 - "one"', '299 - "two"']


@pytest.mark.parametrize(
    ("phase", "log", "told"),
    [
        (Phase.RUNNING, {"complete": False}, False),
        (Phase.SUCCEEDED, {"complete": True}, False),
        (Phase.STOPPED, None, False),
        (Phase.FAILED, {"complete": False}, True),
    ],
)
def test_lines_that_may_be_missing_are_told(
    phase: Phase, log: dict[str, Any] | None, *, told: bool
) -> None:
    made = task(phase, log=log)
    number = provenance.number(made)
    said = f"the log of {number}, {number} is incomplete" if told else ""
    assert loglines.warning([made, made]) == said
