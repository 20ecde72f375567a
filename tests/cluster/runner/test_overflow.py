"""Output beyond what the pod's log holds: it goes to an object store, and never holds a run up."""

import itertools
import time
from typing import Any

from crds import frames
from crds.frames import Digest, Frame, Kind, Record
from crds.records import Overflow, Part, RunStatus
from tests.cluster.platform.processes import free_port
from tests.cluster.runner.ground import Ground, Ran, read_until, terminate
from tests.cluster.runner.store import Store, serving

LONG = {"name": "long", "raw": "sleep 60"}


def much(megabytes: int, text: str = "'x' * 16000") -> dict[str, Any]:
    """A task that says so much, in numbered texts of 16 KB; an expression gives the rest."""
    return {
        "name": "much",
        "debug": {"msg": f"number {{{{ item }}}} {{{{ {text} }}}}"},
        "loop": f"{{{{ range({megabytes * 64}) | list }}}}",
        "loop_control": {"label": "{{ item }}"},
    }


def begun_to_spill(frame: Frame) -> bool:
    """Whether a frame is a short form whose result is in the overflow."""
    return frame.kind is Kind.TASK and "full" in (frame.data or {})


def overflow(ran: Ran) -> Overflow:
    """What the end frame tells; the termination message tells the same."""
    assert ran.end.overflow is not None
    assert ran.told.overflow == ran.end.overflow
    return ran.end.overflow


def kept(store: Store, ran: Ran) -> list[Record]:
    """All records of the overflow, which is whole."""
    told = overflow(ran)
    parts = [Part(**data) for data in ran.of(Kind.PART)]
    assert [part.part for part in parts] == list(range(len(parts)))
    lines = [store.lines(part.part) for part in parts]
    found = [frame for line in itertools.chain(*lines) if (frame := frames.parse(line))]
    assert [frame.seq for frame in found] == list(range(1, told.last + 1))
    assert {frame.run for frame in found} == {ran.end.run}
    assert told.kept == ((1, told.last),)
    digest = Digest()
    for line in itertools.chain(*lines):
        digest.add(line)
    assert digest.hex() == told.sha256
    for part, mine in zip(parts, lines, strict=True):
        of = [record for record in frames.records(found) if part.first <= record.seq <= part.last]
        assert of[0].first == part.first, "parts are cut between records"
        assert part.results == sum(record.kind is Kind.TASK for record in of)
        assert part.bytes == sum(len(line) + 1 for line in mine) <= 8 * 2**20
    records = list(frames.records(found))
    whole = {record.seq: record.data for record in records if record.kind is Kind.TASK}
    for short in ran.results:
        if short.full is not None:
            data = whole.pop(short.full)
            assert (data["task"], data["start"]) == (short.task, short.start)
    assert whole == {}
    return records


def test_all_output_is_kept(ground: Ground) -> None:
    """Thirty-five megabytes, numbered by the play."""
    cut = {"name": "fails", "shell": "head -c 16000 /dev/zero | tr '\\0' y; exit 3"}
    with serving() as store:
        ran = ground.run(
            tasks=[*[much(5)] * 7, cut], uploads=(store.urls(20),), upload_headers={"x-a": "b"}
        )
    records = kept(store, ran)
    assert sum(part["bytes"] for part in ran.of(Kind.PART)) > 25 * 2**20
    assert (ran.rc, ran.end.dropped, ran.errors) == (1, 0, "")
    said = ran.output + "\n".join(r.data["text"] for r in records if r.kind is Kind.LINE)
    for number in range(5 * 64):
        assert said.count(f"number {number} x") == 7, "on either side of the limit, or twice"
    last = ran.results[-1]
    (whole,) = (record for record in records if record.seq == last.full)
    assert (last.stdout, whole.data["stdout"]) == (None, "y" * 16_000)
    assert {headers["x-a"] for _, headers in store.asked} == {"b"}
    assert [frame.kind for frame in ran.frames][-1] is Kind.END


def test_a_store_that_is_away_for_a_while(ground: Ground) -> None:
    with serving(lambda nth: 503 if nth < 3 else 200) as store:
        ran = ground.run(tasks=[*[much(5)] * 3], uploads=(store.urls(20),))
    kept(store, ran)
    assert (ran.rc, ran.end.dropped) == (0, 0)
    assert ran.errors.splitlines() == [
        "runner: output can't be stored yet: HTTP 503",
        "runner: output can be stored again",
    ]


def test_a_store_that_is_away(ground: Ground) -> None:
    urls = tuple(f"http://127.0.0.1:{free_port()}/planted/{number}" for number in range(20))
    ran = ground.run(tasks=[*[much(5)] * 3], uploads=(urls,))
    assert (ran.rc, ran.end.status, ran.end.dropped) == (0, RunStatus.DONE, 0)
    assert (overflow(ran).kept, ran.of(Kind.PART)) == ((), [])
    assert overflow(ran).last > 1000
    assert len(ran.results) == 3
    assert ran.errors == "runner: output can't be stored yet: no connection\n"


def test_a_store_that_is_silent(ground: Ground) -> None:
    with serving(lambda _: None) as store:
        ground.put(tasks=[*[much(5)] * 2, {"name": "last", "raw": "true"}],
                   uploads=(store.urls(20),))  # fmt: skip
        process = ground.start()
        before = read_until(process, lambda frame: frame.kind is Kind.HOSTS)
        at = time.monotonic()
        ran = ground.finish(process, before)
    assert 9 < time.monotonic() - at < 30, "10 s without one part getting through"
    assert (ran.rc, ran.end.status, ran.end.dropped) == (0, RunStatus.DONE, 0)
    assert overflow(ran).kept == ()


def test_a_stop_waits_for_a_third_of_the_grace(ground: Ground) -> None:
    with serving(lambda _: None) as store:
        ground.put(tasks=[*[much(5)] * 2, LONG], uploads=(store.urls(20),), grace=15)
        process = ground.start()
        before = read_until(process, begun_to_spill)
        at = terminate(process)
        ran = ground.finish(process, before)
    assert 5 < time.monotonic() - at < 15
    assert (ran.rc, ran.end.status) == (4, RunStatus.STOPPED)
    assert (ran.end.dropped, overflow(ran).kept) == (0, ())


def test_a_stop_while_the_end_waits(ground: Ground) -> None:
    """Ansible came to its end before: that counts."""
    with serving(lambda _: None) as store:
        ground.put(tasks=[*[much(5)] * 2], uploads=(store.urls(20),), grace=12)
        process = ground.start()
        before = read_until(process, lambda frame: frame.kind is Kind.HOSTS)
        at = terminate(process)
        ran = ground.finish(process, before)
    assert time.monotonic() - at < 9, "a third of the grace, where it was 10 s"
    assert (ran.rc, ran.end.status) == (0, RunStatus.DONE)


def test_a_stop_keeps_what_can_be_kept(ground: Ground) -> None:
    with serving() as store:
        ground.put(tasks=[*[much(5)] * 2, LONG], uploads=(store.urls(20),))
        process = ground.start()
        before = read_until(process, begun_to_spill)
        terminate(process)
        ran = ground.finish(process, before)
    kept(store, ran)
    assert (ran.rc, ran.end.status, ran.end.dropped) == (4, RunStatus.STOPPED, 0)


def test_beyond_the_last_url_it_is_dropped(ground: Ground) -> None:
    with serving() as store:
        ran = ground.run(tasks=[*[much(5)] * 6], uploads=((store.urls(2)),))
    records = kept(store, ran)
    assert len(ran.of(Kind.PART)) == 2
    assert len(records) + ran.end.dropped + len(ran.of(Kind.LINE)) >= 6 * (5 * 64 + 1)
    assert ran.end.dropped > 100
    assert ran.results[-1].full is None


def test_no_secret_and_no_url_is_in_the_overflow(ground: Ground) -> None:
    with serving(lambda nth: 200 if nth else 403) as store:
        ran = ground.run(
            tasks=[*[much(5, "password ~ 'x' * 16000 ~ password")] * 3,
                   {"shell": "echo {{ password }}; exit 1"}],
            variables={"password": "planted-secret-of-the-play"},
            uploads=(store.urls(20),),
        )  # fmt: skip
    kept(store, ran)
    lines = [line for part in ran.of(Kind.PART) for line in store.lines(part["part"])]
    assert sum(b"********" in line for line in lines) > 300
    everything = b"\n".join([*lines, *ran.lines, ran.errors.encode()])
    assert b"planted" not in everything
    assert b"/bucket/" not in everything
