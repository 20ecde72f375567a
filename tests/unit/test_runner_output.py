"""What the runner makes of Ansible's events, and how it lets them out."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.runner import emit, events, redact, summary
from controller.runner.emit import Emitter, Out
from controller.runner.judge import Word
from controller.runner.redact import Redactor
from controller.runner.report import Report
from controller.runner.summary import Hosts
from crds import frames
from crds.conditions import Outcome
from crds.frames import Kind
from crds.records import Result, RunStatus, Summary

PLAIN = Redactor(())


def event(kind: str, res: Any = None, **data: Any) -> dict[str, Any]:
    """An event of ansible-runner, as far as it is read."""
    base = {"host": "h", "task": "t", "task_action": "raw", "res": res or {},
            "start": "2026-01-01T00:00:00+00:00", "end": "2026-01-01T00:00:01+00:00"}  # fmt: skip
    return {"event": kind, "event_data": base | data, "created": "2026-01-01T00:00:02+00:00"}


RESULTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ok": (event("runner_on_ok", {"changed": True, "rc": 0, "stdout": "out"}),
           {"status": "ok", "changed": True, "rc": 0, "stdout": "out", "msg": None}),
    "times": (event("runner_on_ok"), {"start": 1767225600.0, "end": 1767225601.0}),
    "no start, no end": (event("runner_on_ok", start=None, end=None),
                         {"start": 1767225602.0, "end": 1767225602.0}),
    "ignored": (event("runner_on_failed", {"msg": "m"}, ignore_errors=True),
                {"status": "failed", "ignored": True, "msg": "m"}),
    "unreachable": (event("runner_on_unreachable", {"msg": "m"}), {"status": "unreachable"}),
    "skipped": (event("runner_on_skipped", {"skip_reason": "x"}), {"status": "skipped"}),
    "facts": (event("runner_on_ok", {"msg": "m", "ansible_facts": {}}, task_action="setup"),
              {"facts": True, "msg": None}),
    "facts that failed": (
        event("runner_on_failed", {"msg": "m", "module_stderr": "no python"},
              task_action="ansible.builtin.gather_facts"),
        {"facts": True, "msg": "m", "stderr": "no python"}),
    "a module that broke": (event("runner_on_failed", {"module_stdout": "o", "msg": "m"}),
                            {"stdout": "o", "msg": "m"}),
    "hidden": (event("runner_on_failed", {"censored": "hidden"}), {"msg": "hidden"}),
    "a list as command": (event("runner_on_ok", {"cmd": ["a", "b c"]}), {"cmd": "a 'b c'"}),
    "an object as message": (event("runner_on_ok", {"msg": {"a": 1}}), {"msg": '{"a": 1}'}),
    "a return code that is none": (event("runner_on_ok", {"rc": "0"}), {"rc": None}),
    "lines as message": (event("runner_on_ok", {"msg": ["Disk: 40 %", "it's fine"]}),
                         {"msg": "Disk: 40 %\nit's fine"}),
    "a variable": (event("runner_on_ok", {"disk": {"free": 3}, "changed": False, "_ansible_no_log":
                                          None}, task_action="ansible.builtin.debug"),
                   {"msg": '{"disk": {"free": 3}}'}),
    "a variable of another module is no message": (event("runner_on_ok", {"x": 1}), {"msg": None}),
    "what is fetched": (event("runner_on_ok", {"dest": "/p/f"}, task_action="fetch"),
                        {"msg": "fetched to /p/f in the task's pod; it goes with the pod"}),
    "no result at all": (event("runner_on_ok", [1]), {"status": "ok"}),
}  # fmt: skip


@pytest.mark.parametrize("row", RESULTS)
def test_result(row: str) -> None:
    given, expected = RESULTS[row]
    found = events.result(given, None, PLAIN)
    assert found is not None
    assert {name: getattr(found, name) for name in expected} == expected


def test_what_is_no_result() -> None:
    assert events.result(event("runner_item_on_failed"), None, PLAIN) is None
    assert events.result({"event": "EOF"}, None, PLAIN) is None
    assert events.output({"event": "EOF"}, PLAIN) is None
    assert events.output({"stdout": "\r\n"}, PLAIN) is None


def test_texts_are_cut() -> None:
    found = events.result(event("runner_on_ok", {"stdout": "x" * 99999, "stderr": "y"}), "n", PLAIN)
    assert found is not None
    assert (len(found.stdout or ""), found.stderr, found.cut) == (16384, "y", ("stdout",))
    parts = events.Parts()
    for _ in range(10):
        parts.add(event("runner_item_on_failed", {"msg": "m" * 16000, "item": 1}), PLAIN)
        parts.add({"event": "runner_on_file_diff", "stdout": "d" * 10_000}, PLAIN)
    failed = event("runner_on_failed", {"msg": "m" * 999})
    found = events.result(failed, "n", PLAIN, parts)
    assert found is not None
    assert [len(text) for text in found.items] == [16000] * 4 + [1536]
    assert found.cut == ("diff", "items", "results")
    assert sum(len(item["msg"]) for item in found.results) <= 65536
    assert len(found.diff or "") == 16384
    assert events.output({"stdout": "z" * 99999}, PLAIN) == ("z" * 16384, True)
    short = events.short(found)
    assert (short.items, len(short.msg or ""), short.status) == ((), 256, "failed")


SECRET = 'pa"ss\\wörd'

REPLACED = {
    "as it is": (f"a {SECRET} b", "a ******** b"),
    "inside JSON": (json.dumps({"a": SECRET}), '{"a": "********"}'),
    "inside JSON, not escaped": (json.dumps([SECRET], ensure_ascii=False), '["********"]'),
    "inside a Python text": (repr([SECRET]), "['********']"),
    "a line of several": ("x first-line y second-line z", "x ******** y ******** z"),
    "several together": ("first-line\nsecond-line", "********"),
    "too short": ("abc12", "abc12"),
}


@pytest.mark.parametrize("row", REPLACED)
def test_redacted(row: str) -> None:
    text, expected = REPLACED[row]
    assert Redactor([SECRET, "first-line\nsecond-line", "abc12"]).text(text) == expected


def test_no_half_secret_is_left_at_a_cut() -> None:
    long = "s" + "0123456789" * 30
    redactor = Redactor([long])
    for shift in range(0, 700, 7):
        text = long * 3 + "x" * (events.MAX_TEXT - shift) + long + "tail"
        out = events.output({"stdout": text}, redactor)
        assert out is not None
        assert "s0123" not in out[0]
        assert "56789" not in out[0]


def test_named_values() -> None:
    variables = {
        "db_password": "a", "plain": "b", "nested": {"API_Token": ["c", {"x": 1}], "y": "d"},
        "keys": {"deep": {"deeper": "e"}}, "secret_flag": True, "secret_none": None,
    }  # fmt: skip
    assert redact.named(variables, "pass|secret|token|key") == ["a", "c", "1", "e"]


def word(aborted: bool = False, **hosts: str) -> Word:
    """What the judge leaves."""
    return Word(1.0, {name: Outcome(kind) for name, kind in hosts.items()}, aborted)


OUTCOMES: dict[str, tuple[Word | None, dict[str, str]]] = {
    "as the judge says": (
        word(a="ok", b="failed", c="unreachable"), {"a": "ok", "b": "failed", "c": "unreachable"}),
    "not meant by any play": (word(a="failed"), {"a": "failed", "b": "leftOut", "c": "leftOut"}),
    "added by the work": (word(a="ok", b="ok", c="ok", late="failed"),
                          {"a": "ok", "b": "ok", "c": "ok", "late": "failed"}),
    "no word": (None, {"a": "unfinished", "b": "unfinished", "c": "unfinished"}),
}  # fmt: skip


@pytest.mark.parametrize("row", OUTCOMES)
def test_outcomes(row: str) -> None:
    given, expected = OUTCOMES[row]
    hosts = Hosts("abc")
    hosts.word = given
    assert hosts.outcomes() == expected
    assert sum(hosts.counts().values()) == len(expected)
    assert hosts.well == ({"failed", "unreachable", "unfinished"}.isdisjoint(expected.values()))


def test_early_end_keeps_what_was_recorded() -> None:
    hosts = Hosts(["a", "b", "c"])
    for host in "cba":
        hosts.started(host, "long")
    hosts.ended(Result("a", "long", "failed", 0, 1, msg="broke\nbadly"))
    hosts.ended(Result("b", "long", "failed", 0, 1, ignored=True))
    assert hosts.in_flight() == ("c",)
    assert hosts.counts() == {"ok": 0, "failed": 1, "unreachable": 0, "unfinished": 2,
                              "leftOut": 0}  # fmt: skip
    assert hosts.failure() == "a: long: broke badly. Not finished: b, c."
    assert hosts.finished() == 1


STATUSES: dict[str, tuple[dict[str, Any], RunStatus]] = {
    "the judge's word wins over a late stop": ({"word": word(), "stopped": True}, RunStatus.DONE),
    "given up half-way": ({"word": word(True), "touched": True, "rc": 4}, RunStatus.ABORTED),
    "given up at once": ({"word": word(True), "rc": 4}, RunStatus.INVALID),
    "stopped": ({"stopped": True, "rc": -15}, RunStatus.STOPPED),
    "timed out": ({"timed_out": True, "rc": -9}, RunStatus.TIMED_OUT),
    "refused": ({"rc": 4}, RunStatus.INVALID),
    "refused after a host was touched": ({"rc": 4, "touched": True}, RunStatus.CRASHED),
    "killed": ({"rc": -9}, RunStatus.CRASHED),
    "Ansible's own bug": ({"rc": 250}, RunStatus.CRASHED),
    "nothing was wrong, and no recap": ({"rc": 0}, RunStatus.CRASHED),
}


@pytest.mark.parametrize("row", STATUSES)
def test_status(row: str) -> None:
    given, expected = STATUSES[row]
    hosts = Hosts("a")
    hosts.word, hosts.touched = given.get("word"), given.get("touched", False)
    assert expected is summary.status_of(
        hosts=hosts, rc=given.get("rc", 0), stopped=given.get("stopped", False),
        timed_out=given.get("timed_out", False),
    )  # fmt: skip


class Sink:
    """Files that stand for the pod's log and termination message."""

    def __init__(self, folder: Path) -> None:
        self.stream, self.message = folder / "stream", folder / "message"
        flags = os.O_WRONLY | os.O_CREAT
        self.out = Out(os.open(self.stream, flags), os.open(self.message, flags))

    def frames(self) -> list[frames.Frame]:
        """All frames written."""
        found = [frames.parse(line) for line in self.stream.read_bytes().splitlines()]
        assert None not in found
        return [frame for frame in found if frame is not None]

    def told(self) -> Summary:
        """The termination message."""
        found = Summary.read(json.loads(self.message.read_bytes()))
        assert found is not None
        return found


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    """Nothing written yet."""
    return Sink(tmp_path)


def end(**more: Any) -> Summary:
    """A summary, as a report makes it."""
    counts = {"ok": 1, "failed": 0, "unreachable": 0, "unfinished": 0}
    base = Summary("", RunStatus.DONE, 0, 0, "", counts)
    return replace(base, **more)


def test_budget(sink: Sink) -> None:
    """Full records, then only results in short form, then nothing but the end."""
    emitter = Emitter(sink.out, "n", lambda: 1.0)
    text = {"text": "x" * 6000}
    result = Result("h", "t", "failed", 0, 1, stdout="y" * 6000, msg="m")
    short = events.short(result).data()
    while not emitter.dropped:
        emitter.line(text)
    on_disk = sink.stream.stat().st_size + 49 * len(sink.frames())
    assert emit.FULL - 100_000 < on_disk < emit.FULL
    for _ in range(12_000):
        emitter.task(result.data(), short)
    emitter.always(Kind.STATS, {"hosts": {"h": [1, 0, 0, 0, 0, 0, 0]}})
    emitter.end(end())
    found = sink.frames()
    assert sum(len(frame.line) + 49 for frame in found) < emit.SHORT
    assert [frame.seq for frame in found] == list(range(1, len(found) + 1))
    assert found[-1].kind is Kind.END
    assert [frame.data for frame in found if frame.kind is Kind.TASK][-1] == short
    left = 12_000 - sum(frame.data == result.data() for frame in found)
    assert sink.told().dropped == left + 1 > 1000


WIDE = {
    "plain": end(message="m"),
    "long and not ASCII": end(message="\u4e16" * 5000, inflight=("\u754c" * 260,) * 30),
    "lone surrogate": end(message="\udcff" * 5000),
}


@pytest.mark.parametrize("row", WIDE)
def test_the_end_fits(sink: Sink, row: str) -> None:
    emitter = Emitter(sink.out, "n", lambda: 1.0)
    emitter.sum_up(end(message="w" * 900))
    emitter.end(WIDE[row])
    (frame,) = sink.frames()
    assert len(frame.line) <= frames.MAX_LINE
    assert frame.part is None
    assert sink.message.stat().st_size <= emit.TERMINATION_LIMIT
    assert (sink.told().last, sink.told().message[:1]) == (
        1,
        WIDE[row].message[:1].replace("\udcff", "?"),
    )


def report(sink: Sink) -> tuple[Report, Emitter]:
    """A report of two hosts."""
    emitter = Emitter(sink.out, "n", lambda: 1.0)
    return Report(Hosts(["h", "i"]), emitter, PLAIN), emitter


ITEMS = {
    "m1": {"msg": "m1"},
    "e2": {"msg": "non-zero return code", "stderr": "e2"},
    "o3": {"msg": "The command exited with a non-zero return code.", "stdout": "o3"},
    "no error msg out": {},
}


def test_failed_items_of_a_loop(sink: Sink) -> None:
    told, _ = report(sink)
    for res in ITEMS.values():
        told.event(event("runner_item_on_failed", res, task_uuid="u"))
    told.event(event("runner_item_on_failed", {"msg": "another's"}, task_uuid="u", host="i"))
    told.event(event("runner_on_failed", {"msg": "One or more items failed"}, task_uuid="u"))
    told.event(event("runner_on_failed", {"msg": "the next task"}, task_uuid="v"))
    first, second = (Result.read(frame.data or {}) for frame in sink.frames())
    assert (first.items, second.items) == (tuple(ITEMS), ())


def test_report(sink: Sink) -> None:
    told, _ = report(sink)
    told.event(event("playbook_on_task_start", name="evaluated", task_uuid="u"))
    told.event(event("runner_on_start", task_uuid="u"))
    assert told.hosts.in_flight() == ("h",)
    told.event(event("runner_on_ok", task_uuid="u") | {"stdout": "\nok: [h]"})
    told.event(event("playbook_on_stats", ok={"h": 1}, processed={"h": 1},
                     artifact_data={"octans": "set_stats may use any name"}))  # fmt: skip
    told.beat()
    told.judged(word(h="ok", i="failed", late="ok"))
    begun, *data = [frame.data or {} for frame in sink.frames()]
    assert (begun["host"], begun["task"]) == ("h", "evaluated")
    assert data[0]["task"] == "evaluated"
    assert data[1] == {"text": "ok: [h]"}
    assert data[2] == {"hosts": {"h": [1, 0, 0, 0, 0, 0, 0]}}
    assert data[3] == {"hosts": 0, "dropped": 0}
    assert data[4] == {"ok": ["h", "late"], "failed": ["i"]}


def test_what_our_own_stop_broke_is_in_flight(sink: Sink) -> None:
    told, _ = report(sink)
    told.event(event("runner_on_start"))
    told.cut_off = events.seconds("2026-01-01T00:00:00.5+00:00")
    told.event(event("runner_on_unreachable"))
    told.event(event("playbook_on_stats", processed={"h": 1}))
    told.judged(Word(events.seconds("2026-01-01T00:00:01+00:00"), {"h": Outcome.UNREACHABLE}))
    assert [frame.kind for frame in sink.frames()] == [Kind.BEGIN, Kind.HOSTS]
    assert (told.hosts.word, told.hosts.in_flight()) == (None, ("h",))


ERRORS = {
    "[ERROR]: couldn't resolve module 'x'.\nOrigin: /f": "couldn't resolve module 'x'.",
    "ERROR! no action detected in task": "no action detected in task",
    "[WARNING]: careful": "",
}


@pytest.mark.parametrize("text", ERRORS)
def test_ansibles_own_error(sink: Sink, text: str) -> None:
    told, _ = report(sink)
    told.event({"event": "verbose", "stdout": text})
    assert told.error == ERRORS[text]
