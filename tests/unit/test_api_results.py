"""Results out of frames: archived, live, both, damaged."""

from api import results
from api.view import in_time
from crds import archive
from crds.archive import Chunk
from crds.frames import Kind, encode
from crds.records import Result


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


def test_the_archive_alone() -> None:
    lines = frames(4)
    found = results.entries([chunk(lines, 4, 6), chunk(lines, 1, 3)])
    assert tasks(found) == ["t0", "t1", "t2", "t3"]
    assert [entry.seq for entry in found] == [2, 3, 4, 5]


def test_the_live_log_goes_on_where_the_archive_ends() -> None:
    lines = frames(4)
    live = b"".join(line + b"\n" for line in lines)
    assert tasks(results.entries([chunk(lines, 1, 3)], {0: live})) == ["t0", "t1", "t2", "t3"]
    assert tasks(results.entries([], {0: live})) == ["t0", "t1", "t2", "t3"]


def test_what_is_under_way_has_neither_result_nor_end() -> None:
    lines: list[bytes] = []
    for host, kind in (("a", Kind.BEGIN), ("b", Kind.BEGIN), ("a", Kind.TASK), ("a", Kind.BEGIN)):
        found = Result(host, "t", "ok" if kind is Kind.TASK else "", 1.0, 2.0)
        lines += encode("r", len(lines) + 1, 0, kind, found.data())
    live = {0: b"\n".join(lines)}
    assert [entry.seq for entry in results.entries([], live)] == [3]
    running = results.entries([], live, running=True)
    assert [(entry.result.host, entry.result.status) for entry in running] == [
        ("a", "ok"), ("b", ""), ("a", ""),
    ]  # fmt: skip
    assert [entry.result.host for entry in in_time(running)] == ["a", "b", "a"]


def test_half_a_line_at_the_end_of_a_live_log_is_left_out() -> None:
    lines = frames(2)
    live = lines[0] + b"\n" + lines[1] + b"\n" + lines[2][:20]
    assert tasks(results.entries([], {0: live})) == ["t0"]


def test_a_result_in_parts_is_put_together_across_archive_and_live_log() -> None:
    lines = frames(1, "x" * 15_000)
    assert len(lines) > 4
    live = b"\n".join(lines[3:])
    (found,) = results.entries([chunk(lines, 1, 3)], {0: live})
    assert found.result.stdout == "x" * 15_000
    assert results.entries([chunk(lines, 1, 3)]) == [], "not while a part is missing"


def test_chunks_written_twice_count_once_and_slices_stay_apart() -> None:
    lines = frames(2)
    found = results.entries([chunk(lines, 1, 3), chunk(lines, 1, 4), chunk(lines, 1, 4, index=1)])
    assert [(entry.index, entry.seq) for entry in found] == [(0, 2), (0, 3), (1, 2), (1, 3)]


def test_a_damaged_chunk_and_foreign_lines_are_left_out() -> None:
    lines = frames(2)
    damaged = Chunk("uid", 0, 1, 2, b"\x1f\x8bno gzip")
    assert tasks(results.entries([damaged, chunk(lines, 3, 4)])) == ["t1"]
    assert results.entries([], {0: b'hello\n{"a": 1}\n\xff\xfe\n'}) == []


def test_times_that_are_none_do_no_harm() -> None:
    odd = Result("h", "t", "ok", float("nan"), 1e300)
    assert results.rfc3339(1e300) == "1970-01-01T00:00:00Z"
    assert results.log_object(odd)["start"] == "1970-01-01 00:00:00.000000"
    endless = Result("h", "t", "ok", 0.0, 1e300)
    for result in (odd, endless):
        assert results.log_object(result)["delta"] == "0:00:00"
