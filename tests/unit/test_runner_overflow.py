"""Output beyond the budget: its numbers, its parts on disk, and what is told of it."""

import gzip
import os
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.runner import emit, events
from controller.runner.emit import Emitter
from controller.runner.overflow import Stored, Stream
from crds import frames
from crds.frames import Digest, Kind
from crds.records import Overflow, Part, Result
from tests.unit.test_runner_output import Sink, end

LINE = b"x" * (1024 * 1024 - 1)
"""Eight of them fill a part."""


class Spilled:
    """A stream and the parts that it handed on."""

    def __init__(self, root: Path, places: int = 9, **more: int) -> None:
        self.folder = root / "overflow"
        self.parts: list[Stored] = []
        self.stream = Stream(self.folder, places, self.parts.append, **more)

    def add(self, *lines: bytes, result: bool = False) -> bool:
        """Add a record."""
        return self.stream.add(lines, result=result)

    def spans(self) -> list[tuple[int, int, int, int, int]]:
        """What is told of each part."""
        return [(p.part, p.first, p.last, p.results, p.bytes) for p in self._told()]

    def _told(self) -> list[Any]:
        return [stored.part for stored in self.parts]

    def lines(self) -> list[bytes]:
        """All lines in the files of the parts that were handed on."""
        found = [gzip.decompress(stored.file.read_bytes()) for stored in self.parts]
        return b"".join(found).splitlines()


@pytest.fixture
def spilled(tmp_path: Path) -> Spilled:
    """Nothing written yet."""
    return Spilled(tmp_path)


def test_parts_are_cut_between_records(spilled: Spilled) -> None:
    records = [(LINE,) * 5, (LINE, LINE), (LINE, LINE), (b"a",), (LINE,) * 9, (b"b", b"c")]
    for at, record in enumerate(records):
        assert spilled.add(*record, result=at % 2 == 0)
    assert len(spilled.parts) == 3
    spilled.stream.close()
    spilled.stream.close()
    mib = 1024 * 1024
    assert spilled.spans() == [
        (0, 1, 7, 1, 7 * mib), (1, 8, 10, 1, 2 * mib + 2), (2, 11, 19, 1, 9 * mib),
        (3, 20, 21, 0, 4),
    ]  # fmt: skip
    lines = [line for record in records for line in record]
    assert spilled.lines() == lines
    digest = Digest()
    for line in lines:
        digest.add(line)
    assert spilled.stream.sum_up() == Overflow(21, digest.hex(), ())
    assert spilled.stream.waiting == 4


def test_files_are_private_and_say_neither_name_nor_time(spilled: Spilled) -> None:
    spilled.add(b"a")
    spilled.stream.close()
    (stored,) = spilled.parts
    assert spilled.folder.stat().st_mode & 0o777 == 0o700
    assert stored.file.stat().st_mode & 0o777 == 0o600
    assert stored.file.stat().st_size == stored.size
    assert stored.file.read_bytes()[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_what_is_kept_is_told_in_ranges(spilled: Spilled) -> None:
    for _ in range(4):
        spilled.add(b"a", b"b")
        spilled.stream.close()
    first, second, third, fourth = spilled.parts
    for stored, kept in ((third, True), (first, True), (fourth, False), (second, True)):
        spilled.stream.gone(stored, kept=kept)
    told = spilled.stream.sum_up()
    assert told is not None
    assert (told.last, told.kept, spilled.stream.waiting) == (8, ((1, 6),), 0)


def test_nothing_written_is_nothing_told(spilled: Spilled) -> None:
    spilled.stream.close()
    assert (spilled.stream.sum_up(), spilled.parts, spilled.folder.exists()) == (None, [], False)


def test_no_more_parts_than_there_are_places(tmp_path: Path) -> None:
    spilled = Spilled(tmp_path, places=2)
    taken = [spilled.add(*[LINE] * 5) for _ in range(4)]
    assert taken == [True, True, False, False]
    spilled.stream.close()
    assert not spilled.add(b"a")
    assert (spilled.stream.last, len(spilled.lines())) == (10, 10)


def test_the_disk_has_room_again_once_a_part_is_gone(tmp_path: Path) -> None:
    spilled = Spilled(tmp_path, most=12 * 1024 * 1024)
    noise = random.Random(1)
    record = [noise.randbytes(600_000).hex().encode() for _ in range(4)]
    taken = [spilled.add(*record) for _ in range(5)]
    on_disk = sum(file.stat().st_size for file in spilled.folder.iterdir())
    assert on_disk < 12 * 1024 * 1024
    assert taken == [True, True, True, False, False]
    spilled.parts[0].file.unlink()
    spilled.stream.gone(spilled.parts[0], kept=True)
    assert spilled.add(*record)
    assert spilled.stream.last == 16


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """A disk that takes no more than so many bytes of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_nothing_that_was_taken(spilled: Spilled) -> None:
    noise = random.Random(2)
    records = [noise.randbytes(100_000).hex().encode() for _ in range(12)]
    with files_end_at(250_000):
        taken = [spilled.add(record) for record in records]
        assert taken[:2] == [True, True]
        assert not any(taken[4:])
        spilled.stream.close()
        assert spilled.parts == [], "it can't be closed"
        assert not spilled.add(b"small")
    assert spilled.add(b"there is room")
    spilled.stream.close()
    assert spilled.lines() == [*records[: sum(taken)], b"there is room"]
    assert len(spilled.parts) == 2


def test_a_folder_that_cannot_be_made_takes_nothing(spilled: Spilled) -> None:
    spilled.folder.touch()
    assert not spilled.add(b"a")
    spilled.folder.unlink()
    assert spilled.add(b"a")
    assert spilled.stream.last == 1


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    """Nothing written yet."""
    return Sink(tmp_path)


RESULT = Result("h", "t", "failed", 0.0, 1.0, stdout="y" * 6000, msg="m")
SHORT = events.short(RESULT).data()


def filled(sink: Sink, spilled: Spilled | None) -> Emitter:
    """An emitter that has not a kilobyte left."""
    emitter = Emitter(sink.out, "n", lambda: 1.0, 0, spilled.stream if spilled else None)
    while sink.stream.stat().st_size + 48 * len(sink.frames()) < emit.FULL - 72_000:
        for _ in range(100 if sink.stream.stat().st_size < emit.FULL - 1_000_000 else 1):
            emitter.line({"text": "x" * 6000})
    assert emitter.dropped == 0
    return emitter


def test_beyond_the_budget_all_is_in_the_overflow(sink: Sink, spilled: Spilled) -> None:
    emitter = filled(sink, spilled)
    before = len(sink.frames())
    emitter.line({"text": "z" * 9000})
    emitter.task(RESULT.data(), SHORT)
    emitter.line({"text": "would still fit"})
    emitter.task(SHORT, SHORT)
    emitter.end(end())
    spilled.stream.close()
    parsed = [frame for line in spilled.lines() if (frame := frames.parse(line)) is not None]
    records = list(frames.records(parsed))
    assert [frame.seq for frame in parsed] == list(range(1, spilled.stream.last + 1))
    assert {frame.run for frame in parsed} == {"n"}
    assert [(record.kind, record.data) for record in records] == [
        (Kind.LINE, {"text": "z" * 9000}), (Kind.TASK, RESULT.data()),
        (Kind.LINE, {"text": "would still fit"}), (Kind.TASK, SHORT),
    ]  # fmt: skip
    *short, last = sink.frames()[before:]
    assert [frame.data for frame in short] == [
        SHORT | {"full": records[1].seq}, SHORT | {"full": records[3].seq},
    ]  # fmt: skip
    assert last.data is not None
    assert last.data["overflow"]["last"] == spilled.stream.last
    told = sink.told()
    assert (told.dropped, told.overflow) == (0, spilled.stream.sum_up())


def test_results_that_have_not_even_a_short_form_are_not_dropped(
    sink: Sink, spilled: Spilled
) -> None:
    emitter = filled(sink, spilled)
    for _ in range(9000):
        emitter.task(RESULT.data(), SHORT)
    emitter.end(end())
    spilled.stream.close()
    assert sum(frame.kind is Kind.TASK for frame in sink.frames()) < 9000
    assert sum(stored.part.results for stored in spilled.parts) == 9000
    assert sink.told().dropped == 0
    assert sum(len(frame.line) + 49 for frame in sink.frames()) < emit.SHORT


def test_what_the_overflow_has_no_room_for_is_dropped(sink: Sink, tmp_path: Path) -> None:
    spilled = Spilled(tmp_path, most=100_000)
    emitter = filled(sink, spilled)
    before = len(sink.frames())
    emitter.line({"text": "z" * 200_000})
    emitter.task(RESULT.data() | {"stdout": "z" * 200_000}, SHORT)
    assert emitter.dropped == 2
    emitter.task(RESULT.data(), SHORT)
    assert emitter.dropped == 2
    assert [frame.data for frame in sink.frames()[before:]] == [SHORT, SHORT | {"full": 1}]
    assert spilled.stream.last == 1


def test_without_a_store_nothing_is_different(sink: Sink) -> None:
    emitter = filled(sink, None)
    emitter.task(RESULT.data() | {"stdout": "z" * 20_000}, SHORT)
    emitter.line({"text": "fits"})
    emitter.end(end())
    *_, short, line, last = sink.frames()
    assert (short.data, line.data) == (SHORT, {"text": "fits"})
    assert "overflow" not in (last.data or {})
    assert sink.told().dropped == 1


def test_the_end_fits_with_many_ranges(sink: Sink) -> None:
    class Torn(Stream):
        """With as much to tell as can be."""

        def sum_up(self) -> Overflow:
            wide = tuple((10**9 + 2 * n, 10**9 + 2 * n) for n in range(200))
            return Overflow(10**10, "f" * 64, wide)

    stream = Torn(Path(), 0, lambda _: None)
    emitter = Emitter(sink.out, "n" * 32, lambda: 1.0, 0, stream)
    emitter.end(end(message="\udcff\u4e16" * 5000, inflight=("\u754c" * 260,) * 30))
    (frame,) = sink.frames()
    assert len(frame.line) <= frames.MAX_LINE
    assert sink.message.stat().st_size <= emit.TERMINATION_LIMIT
    told = sink.told()
    assert told.overflow == replace(stream.sum_up(), kept=stream.sum_up().kept[:50])
    assert told.message != ""


def test_a_part_costs_no_more_than_is_kept_back(sink: Sink) -> None:
    emitter = Emitter(sink.out, "n" * 32, lambda: 1764000000.123)
    part = Part(10**6, 10**10, 10**10, 10**9, 10**9)
    emitter.always(Kind.PART, part.data())
    (frame,) = sink.frames()
    assert len(frame.line) + 1 + emit.LINE_COST <= emit.PART_COST
    assert os.fstat(sink.out.stream).st_size == len(frame.line) + 1
