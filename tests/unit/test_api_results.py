"""Results out of frames: archived, live, both, damaged."""

from dataclasses import replace

import pytest

from api import results
from api.tasklogs import stored
from crds import archive
from crds.archive import Chunk
from crds.frames import Kind, encode
from crds.records import Part, Result
from tests.unit.seen import task


def frames(count: int, text: str = "") -> list[bytes]:
    """The lines of a run with so many results, each in as many frames as it needs."""
    lines = encode("r", 1, 0, Kind.START, {"hosts": 1})
    for at in range(count):
        found = Result("h", f"t{at}", "ok", float(at), at + 1.0, stdout=text)
        lines += encode("r", len(lines) + 1, 0, Kind.TASK, found.data())
    return lines + encode("r", len(lines) + 1, 0, Kind.BEAT, {})


def chunk(lines: list[bytes], first: int, last: int, index: int = 0) -> Chunk:
    """The archived frames first..last."""
    return archive.pack("uid", index, first, lines[first - 1 : last])


def tasks(entries: list[results.Entry]) -> list[str]:
    return [entry.result.task for entry in entries]


def read(*pieces: Chunk | bytes, reader: results.SliceReader | None = None) -> list[results.Entry]:
    """The results that chunks, and after them the pod's log, bring."""
    reader = reader or results.SliceReader(0)
    return [
        entry
        for piece in pieces
        for entry in reader.feed(piece.splitlines() if isinstance(piece, bytes) else piece.lines())
    ]


def test_the_archive_alone() -> None:
    lines = frames(4)
    found = read(chunk(lines, 1, 3), chunk(lines, 4, 6))
    assert tasks(found) == ["t0", "t1", "t2", "t3"]
    assert [entry.seq for entry in found] == [2, 3, 4, 5]


def test_the_live_log_goes_on_where_the_archive_ends() -> None:
    lines = frames(4)
    live = b"".join(line + b"\n" for line in lines)
    assert tasks(read(chunk(lines, 1, 3), live)) == ["t0", "t1", "t2", "t3"]
    assert tasks(read(live)) == ["t0", "t1", "t2", "t3"]


def test_what_is_under_way_has_neither_result_nor_end() -> None:
    lines: list[bytes] = []
    for host, kind in (("a", Kind.BEGIN), ("b", Kind.BEGIN), ("a", Kind.TASK), ("a", Kind.BEGIN)):
        found = Result(host, "t", "ok" if kind is Kind.TASK else "", 1.0, 2.0)
        lines += encode("r", len(lines) + 1, 0, kind, found.data())
    reader = results.SliceReader(0)
    ended = read(b"\n".join(lines), reader=reader)
    assert [entry.seq for entry in ended] == [3]
    running = sorted([*ended, *reader.under_way()], key=lambda entry: entry.place)
    assert [(entry.result.host, entry.result.status) for entry in running] == [
        ("a", "ok"), ("b", ""), ("a", ""),
    ]  # fmt: skip


def test_half_a_line_at_the_end_of_a_live_log_is_left_out() -> None:
    lines = frames(2)
    assert tasks(read(lines[0] + b"\n" + lines[1] + b"\n" + lines[2][:20])) == ["t0"]


def test_a_result_in_parts_is_put_together_across_archive_and_live_log() -> None:
    lines = frames(1, "x" * 15_000)
    assert len(lines) > 4
    (found,) = read(chunk(lines, 1, 3), b"\n".join(lines[3:]))
    assert found.result.stdout == "x" * 15_000
    assert read(chunk(lines, 1, 3)) == [], "not while a part is missing"


def test_chunks_that_overlap_count_once() -> None:
    lines = frames(4)
    found = read(chunk(lines, 1, 3), chunk(lines, 1, 4), chunk(lines, 3, 6))
    assert [entry.seq for entry in found] == [2, 3, 4, 5]


def test_a_damaged_chunk_and_foreign_lines_are_left_out() -> None:
    lines = frames(2)
    damaged = Chunk("uid", 0, 1, 2, b"\x1f\x8bno gzip")
    assert tasks(read(damaged, chunk(lines, 3, 4))) == ["t1"]
    assert read(b'hello\n{"a": 1}\n\xff\xfe\n') == []


def test_a_result_in_short_form_is_told_only_where_its_whole_form_was_not_read() -> None:
    whole = [Result("h", f"t{at}", "ok", 0.0, at + 1.0, stdout="x" * 9000) for at in range(3)]
    beyond: list[bytes] = []
    lines = encode("r", 1, 0, Kind.START, {"hosts": 1})
    for each in whole:
        beyond += encode("r", len(beyond) + 1, 0, Kind.TASK, each.data())
        short = replace(each, stdout="x").data() | {"full": len(beyond)}
        lines += encode("r", len(lines) + 1, 0, Kind.TASK, short)
    half = len(beyond) * 2 // 3
    told = {"part": 0, "first": 1, "last": half, "results": 2, "bytes": 1}
    lines += encode("r", len(lines) + 1, 0, Kind.PART, told)
    reader = results.SliceReader(0)
    assert read(b"\n".join(lines), reader=reader) == []
    assert reader.parts == [Part(0, 1, half, 2, 1)]
    assert [len(entry.result.stdout or "") for entry in reader.short([])] == [1, 1, 1]
    assert [len(entry.result.stdout or "") for entry in reader.overflow(beyond[:half])] == [
        9000
    ] * 2
    assert tasks(reader.short(reader.parts)) == ["t2"]


@pytest.mark.parametrize(
    ("gaps", "count"),
    [([], 20), ([(0, 3, 5)], 17), ([(0, 1, 3), (0, 18, 22)], 14), ([(1, 3, 5), (0, 21, 0)], 20)],
)
def test_what_the_archive_must_hold(gaps: list[tuple[int, int, int]], count: int) -> None:
    missing = [{"slice": index, "first": first, "last": last} for index, first, last in gaps]
    part = {"index": 0, "lastSequence": 20}
    told = task(status={"slices": [part], "log": {"missing": missing}})
    assert stored(told, told.status.slices[0]) == count


def test_times_that_are_none_do_no_harm() -> None:
    odd = Result("h", "t", "ok", float("nan"), 1e300)
    assert results.rfc3339(1e300) == "1970-01-01T00:00:00Z"
    assert results.log_object(odd)["start"] == "1970-01-01 00:00:00.000000"
    endless = Result("h", "t", "ok", 0.0, 1e300)
    for result in (odd, endless):
        assert results.log_object(result)["delta"] == "0:00:00"
