"""A slice's log: sequence, gaps, proof, archive; and what it says of hosts."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.observed import LogView
from controller.results import HostBook
from controller.session import ArchiveState
from controller.slicelog import SliceLog
from crds import archive, frames
from crds.frames import Kind
from crds.records import Overflow, Part, Result, RunStatus, Summary

RUN = "0123abcd"


def log_of(texts: list[str], *, end: bool = True) -> tuple[list[bytes], Summary]:
    """The lines of a run that said these texts, and its termination message."""
    digest, lines = frames.Digest(), list[bytes]()

    def add(kind: Kind, data: dict[str, object]) -> None:
        for line in frames.encode(RUN, len(lines) + 1, 1.0, kind, data):
            lines.append(line)
            digest.add(line)

    add(Kind.START, {"hosts": 1})
    for text in texts:
        add(Kind.LINE, {"text": text})
    if end:
        before = Summary(RUN, RunStatus.DONE, 0, len(lines), digest.hex(), {"ok": 1})
        add(Kind.END, before.data())
    return lines, Summary(RUN, RunStatus.DONE, 0, len(lines), digest.hex(), {"ok": 1})


def read(lines: list[bytes], index: int = 0) -> SliceLog:
    found = SliceLog(index)
    for line in lines:
        found.feed(line)
    return found


@given(texts=st.lists(st.text(max_size=5000), max_size=4), seed=st.integers(0, 1000))
def test_any_order_and_any_repetition_give_the_whole_log(texts: list[str], seed: int) -> None:
    lines, _ = log_of(texts)
    shuffled = lines[1:] + random.Random(seed).choices(lines, k=5)
    random.Random(seed).shuffle(shuffled)
    found = read([lines[0], *shuffled])
    view = found.view()
    assert view.complete
    assert view.last == len(lines)
    assert view.end is not None
    chunk = found.waiting.chunk("uid")
    assert chunk is not None
    assert chunk.lines() == lines


def test_what_is_no_frame_of_this_run_is_passed_over() -> None:
    lines, _ = log_of(["a"])
    forged = frames.encode("other", 2, 1.0, Kind.END, {})[0]
    found = read([lines[0], forged, b"plain", b'{"kind":"end"}', b"\xff", *lines[1:]])
    assert found.view().complete


def test_a_lost_middle_is_declared() -> None:
    lines, _ = log_of(["a", "b", "c", "d"])
    found = read(lines[:2] + lines[4:])
    assert found.gap
    assert found.end is None
    found.skip_gap()
    view = found.view()
    assert view.missing == ((3, 4),)
    assert view.end is not None
    assert not view.complete


def test_a_rotated_beginning_is_declared() -> None:
    lines, _ = log_of(["a", "b"])
    found = read(lines[2:])
    found.skip_gap()
    assert found.view().missing == ((1, 2),)


def test_the_termination_message_tells_what_the_log_lost() -> None:
    lines, summary = log_of(["a", "b", "c"])
    found = read(lines[:2])
    found.close(summary)
    view = found.view()
    assert view.missing == ((3, 5),)
    assert view.exhausted
    assert not view.complete


def test_the_termination_message_proves_a_whole_log_without_an_end_frame() -> None:
    lines, summary = log_of(["a"], end=False)
    found = read(lines)
    found.close(summary)
    assert found.view().complete


def test_a_sign_of_life_proves_nothing_where_the_log_was_not_read_again() -> None:
    lines, summary = log_of(["a"], end=False)
    found = read(lines)
    found.close(replace(summary, status=RunStatus.RUNNING), read=False)
    view = found.view()
    assert (view.complete, view.measured) == (False, False)


def test_what_the_runner_left_out_is_known() -> None:
    lines, summary = log_of(["a"], end=False)
    told = replace(summary, last=len(lines), dropped=7)
    by_end = read([*lines, *frames.encode(RUN, len(lines) + 1, 1.0, Kind.END, told.data())])
    by_message = read(lines)
    by_message.close(told)
    for view in (by_end.view(), by_message.view()):
        assert (view.complete, view.dropped, view.kept) == (True, 7, False)


def result_in_overflow(full: int) -> dict[str, Any]:
    return Result("h", "t", "ok", 0.0, 1.0, full=full).data()


OVERFLOWS: dict[str, tuple[list[Part], int, Overflow | None, int]] = {
    "none": ([], 0, None, 0),
    "all is kept": ([Part(0, 1, 6, 1, 9), Part(1, 7, 9, 1, 9)], 9, Overflow(9, "", ((1, 9),)), 0),
    "a part in the middle is not": (
        [Part(0, 1, 3, 1, 9), Part(2, 7, 9, 1, 9)], 9, Overflow(9, "", ((1, 3), (7, 9))), 3),
    "the end of it is not": ([Part(0, 1, 3, 1, 9)], 3, Overflow(9, "", ((1, 3),)), 6),
    "nothing is": ([], 0, Overflow(9, ""), 9),
    "more ranges are kept than are told": (
        [Part(0, 1, 3, 1, 9), Part(2, 7, 9, 1, 9)], 9, Overflow(9, "", ((1, 3),)), 3),
    "more was written than the last word knows": (
        [Part(0, 1, 3, 1, 9)], 20, Overflow(9, "", ((1, 3),)), 17),
    "no word at all": ([Part(0, 1, 3, 1, 9)], 8, None, 5),
}  # fmt: skip


@pytest.mark.parametrize("row", OVERFLOWS)
@pytest.mark.parametrize("ended", [True, False])
def test_what_of_the_overflow_is_not_stored(row: str, ended: bool) -> None:
    parts, full, told, missing = OVERFLOWS[row]
    lines, summary = log_of(["a"], end=False)

    def add(kind: Kind, data: dict[str, Any]) -> None:
        lines.extend(frames.encode(RUN, len(lines) + 1, 1.0, kind, data))

    for part in parts:
        add(Kind.PART, part.data())
    if full:
        add(Kind.TASK, result_in_overflow(full))
    digest = frames.Digest()
    for line in lines:
        digest.add(line)
    whole = replace(summary, last=len(lines), sha256=digest.hex(), overflow=told)
    log = read(lines)
    assert log.view().overflow_missing == 0, "it may still come"
    if ended:
        log.feed(frames.encode(RUN, len(lines) + 1, 1.0, Kind.END, whole.data())[0])
    else:
        log.close(replace(whole, status=RunStatus.RUNNING))
    view = log.view()
    assert (view.complete, view.overflow_missing, view.kept) == (True, missing, not missing)
    assert (log.overflow.parts, log.overflow.told) == (parts, told)
    again = SliceLog(0)
    while (chunk := log.waiting.chunk("uid")) is not None:
        log.archived(chunk)
        again.restore(chunk)
    again.close(whole)
    assert again.view().overflow_missing == missing, "a new process knows as much"


def test_a_short_result_counts_once_and_the_whole_one_is_not_read() -> None:
    lines, _ = log_of([], end=False)
    lines += frames.encode(RUN, 2, 1.0, Kind.TASK, result_in_overflow(5))
    log = read(lines)
    assert log.book.hosts["h"].ok == 1
    log.close(None)
    assert log.view().overflow_missing == 5


def test_a_changed_line_is_no_proof() -> None:
    lines, _ = log_of(["a", "b"])
    lines[1] = lines[1].replace(b'"a"', b'"x"')
    assert not read(lines).view().complete


def test_archive_and_restart_go_on_where_it_stood() -> None:
    lines, _ = log_of([f"line {number}" for number in range(50)])
    first = read(lines[:20])
    kept = first.waiting.chunk("uid")
    assert kept is not None
    first.archived(kept)
    assert first.unarchived == 0
    again = SliceLog(0)
    again.restore(kept)
    for line in lines[10:]:
        again.feed(line)
    rest = again.waiting.chunk("uid")
    assert rest is not None
    assert (rest.first, rest.last) == (21, len(lines))
    assert again.view().complete
    assert kept.lines() + rest.lines() == lines


def test_chunks_are_bounded_and_stop_before_a_loss() -> None:
    lines, _ = log_of(["x" * 6000] * 200)
    found = read(lines[:100] + lines[101:])
    found.skip_gap()
    spans = []
    while (chunk := found.waiting.chunk("uid")) is not None:
        spans.append((chunk.first, chunk.last))
        assert sum(len(line) for line in chunk.lines()) <= 512 * 1024
        found.archived(chunk)
    assert spans[0][0] == 1
    assert any(last == 100 for _, last in spans)
    assert any(first == 102 for first, _ in spans)
    assert spans[-1][1] == len(lines)


def test_of_lines_that_cannot_be_archived_the_newest_are_kept() -> None:
    noise = random.Random(1)
    lines, _ = log_of([noise.randbytes(3000).hex() for _ in range(200)])
    found = read(lines)
    found.waiting.pack("uid")
    assert found.unarchived == sum(len(line) + 1 for line in lines)
    found.shed(400_000, "It is full.")
    assert 0 < found.unarchived < 800_000, "half of it is packed"
    view = found.view(refused="It is full.")
    assert (view.shed_why, view.kept, view.lost) == ("It is full.", False, False)
    assert view.gaps == ((1, len(lines)),), "what was given up, and what still waits"
    rest = found.waiting.chunk("uid")
    assert rest is not None
    while (chunk := found.waiting.chunk("uid")) is not None:
        found.archived(chunk)
    view = found.view()
    assert view.gaps == ((1, rest.first - 1),)
    assert (view.shed_why, view.kept) == ("It is full.", False)


def test_lines_are_due_by_size_by_age_and_at_the_end() -> None:
    lines, _ = log_of(["a"])
    found = SliceLog(0)
    assert not found.due(0, 0, 100)
    found.feed(lines[0], 100)
    assert not found.due(1000, 12, 111)
    assert found.due(1000, 12, 112)
    assert found.due(10, 12, 100)
    for line in lines[1:]:
        found.feed(line, 100)
    assert found.due(1000, 12, 100)
    chunk = found.waiting.chunk("uid")
    assert chunk is not None
    found.archived(chunk)
    assert not found.due(0, 0, 200)


def test_an_archive_that_does_not_answer_is_waited_for_and_one_that_refuses_is_not() -> None:
    state = ArchiveState()
    for clock in (100.0, 105.0, 109.0):
        state.failed("away", clock, passing=True)
        assert not state.refused
        assert state.wait(clock) == pytest.approx(0.2)
    state.failed("away", 110, passing=True)
    assert (state.refused, state.wait(110)) == (True, 2)
    state.failed("away", 112, passing=True)
    assert state.wait(112) == 4, "later each time"
    for _ in range(9):
        state.failed("away", 120, passing=True)
    assert state.wait(120) == 15
    state.succeeded()
    assert (state.why, state.refused, state.wait(0)) == ("", False, 0)
    state.failed("full", 100, passing=False)
    assert state.refused


@pytest.mark.parametrize(
    ("missing", "archived", "gaps"),
    [
        ([], 9, ()),
        ([], 4, ((5, 9),)),
        ([(5, 6)], 4, ((5, 9),)),
        ([(7, 7), (2, 2)], 7, ((2, 2), (7, 9))),
    ],
)
def test_gaps_are_told_once_each(
    missing: list[tuple[int, int]], archived: int, gaps: tuple[tuple[int, int], ...]
) -> None:
    log = LogView(HostBook(), last=9, archived=archived, missing=tuple(missing), refused="x")
    assert log.gaps == gaps


@pytest.mark.parametrize(
    ("first", "gaps", "found"),
    [
        (1, {}, 1),
        (1, {1: 3}, 4),
        (1, {1: 3, 4: 4}, 5),
        (1, {2: 3}, 1),
        (6, {6: 0}, 6),
        (6, {6: 2}, 6),
    ],
)
def test_the_archive_is_read_behind_its_gaps(first: int, gaps: dict[int, int], found: int) -> None:
    assert archive.behind(first, gaps) == found


def test_the_tail_can_be_shown_as_yaml() -> None:
    lines, _ = log_of(["a\x7fb\x80c\ufeffd\x07e"])
    assert read(lines).view().tail.endswith("a\ufffdb\ufffdc\ufffdd\x07e\n")


def test_the_tail_is_bounded() -> None:
    lines, _ = log_of([f"{number} " + "x" * 100 for number in range(1000)])
    tail = read(lines).view().tail
    assert len(tail.encode()) <= 16 * 1024
    assert tail.endswith("x\n")
