"""Judges what was seen of a task against what must hold whatever fails. Pure.

I1  at most one run: one start marker a host, one pod a slice whose gate was ever open
I2  no loss, no double: the archive holds what the runner wrote, or says what it lacks
I3  phases go forward only; one terminal phase, which is never rewritten
I4  terminal in time, once the fault is over
I5  nothing is left of a task that was deleted
I6  bounded: the object's size, and how often its status is written
I7  no secret anywhere
I8  the same request twice makes one task
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crds import frames, names, ranges
from crds.archive import Chunk
from crds.frames import Frame, Kind
from crds.records import Overflow, Summary

Object = Mapping[str, Any]

MOST_BYTES: Final = 256 * 1024
"""Of an object as JSON."""
_RANK: Final = {"": 0, "Queued": 1, "Starting": 2, "Running": 3}
"""Phases before the end; all others are terminal."""
_INDEX: Final = "batch.kubernetes.io/job-completion-index"
_MOVES: Final = 12
"""Status writes of a run that are not progress: phases, claims, the end, the log's."""
_EVERY: Final = 2.0
"""Seconds between two writes that tell progress only."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was at a moment, seconds on any clock."""

    at: float
    object: Object


@dataclass(slots=True)
class History:
    """What was seen of one task, from its creation to long after its end."""

    states: Sequence[Seen] = ()
    """Of the task object, each that a watch brought, in order."""
    pods: Sequence[Object] = ()
    """States of its pods, in order."""
    strangers: frozenset[str] = frozenset()
    """Uids of pods that others made for it: those may open their own, but no host may feel it."""
    chunks: Sequence[Chunk] | None = ()
    """What its archive held at last; None: it went with the task before it was read."""
    marks: Mapping[str, int] = field(default_factory=dict)
    """How often the play's first task ran, by host."""
    due: float | None = None
    """When it had to be terminal at the latest: deadline, grace and 30 s after the fault."""
    leftovers: Sequence[str] = ()
    """What there still was of it after its deletion."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """All that may be read of it, by where it stands."""
    secrets: Sequence[str] = ()
    """What must not be readable."""
    made: int = 1
    """Tasks that its request made."""


def violations(history: History) -> list[str]:
    """A sentence for everything that must not be."""
    return [f"{title}: {said}" for title, judge in _JUDGES.items() for said in judge(history)]


def _one_run(history: History) -> Iterator[str]:
    marked = history.marks.values()
    for host, count in history.marks.items():
        if count > 1:
            yield f"the play began {count} times on {host}"
    last = _last(history)
    said = last.get("status", {}).get("message", "")
    if last.get("spec", {}).get("slices", 1) == 1 and "never ran" in said and any(marked):
        yield "it is said that it never ran, and it did"
    opened: dict[str, set[str]] = defaultdict(set)
    for pod in history.pods:
        meta = pod["metadata"]
        gates = [gate.get("name") for gate in pod.get("spec", {}).get("schedulingGates") or ()]
        if names.GATE not in gates and meta["uid"] not in history.strangers:
            opened[meta.get("annotations", {}).get(_INDEX, "?")].add(meta["uid"])
    for index, uids in opened.items():
        if len(uids) > 1:
            yield f"{len(uids)} pods of slice {index} were open"


def _nothing_lost(history: History) -> Iterator[str]:
    last = _last(history)
    log = last.get("status", {}).get("log")
    slices = last.get("status", {}).get("slices", [])
    if history.chunks is None or not _terminal(last):
        return
    ran, silent = any(history.marks.values()), log is None or not log.get("missing")
    whole = log is not None and log.get("complete", False)
    if ran and silent and not whole and not history.chunks:
        yield "it ran, and neither is anything kept of its log nor declared missing"
    if log is None:
        return
    missing: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for gap in log.get("missing", []):
        missing[gap.get("slice", 0)].append((gap.get("first", 0), gap.get("last", 0)))
    for part in slices:
        index = part.get("index", 0)
        whole = part.get("logComplete", False)
        told = _last_word(history.pods, part.get("podUid", ""))
        yield from _slice(
            history.chunks, index, missing[index], whole=whole, told=told, why=log.get("message")
        )
    if log.get("complete") and any(missing.values()):
        yield "the log is called complete and lacks something"


def _last_word(pods: Sequence[Object], uid: str) -> Summary | None:
    """A pod's termination message, where its runner wrote one."""
    for pod in reversed(pods):
        if pod["metadata"]["uid"] != uid:
            continue
        for container in pod.get("status", {}).get("containerStatuses", []):
            ended = container["state"].get("terminated") or {}
            if container["name"] == names.CONTAINER and ended.get("message", "").startswith("{"):
                return Summary.read(json.loads(ended["message"]))
    return None


def _slice(
    chunks: Sequence[Chunk],
    index: int,
    missing: list[tuple[int, int]],
    *,
    whole: bool,
    told: Summary | None,
    why: str | None,
) -> Iterator[str]:
    """What is wrong with one slice's archive; `told` is its pod's termination message, `why` what
    is said of what is missing."""
    kept: dict[int, Frame] = {}
    yield from (f"slice {index}: {said}" for said in _unpacked(chunks, index, kept))
    end = next((frame for frame in kept.values() if frame.kind is Kind.END), None)
    last = end.seq if end else max(kept, default=0)
    declared = {n for first, to in missing for n in range(first, (to or max(first, last)) + 1)}
    silent = [n for n in range(1, last + 1) if n not in kept and n not in declared]
    if silent:
        yield f"slice {index}: frames {silent[:5]} are lost and not declared"
    proof = _proof(kept, end, told)
    if whole and (missing or proof is None):
        yield f"slice {index}: called complete without proof"
    if whole and proof is not None and not _proven(kept, *proof):
        yield f"slice {index}: called complete, but its digest is another one"
    lacking = _lacking((end.data or {}) if end else {})
    if whole and lacking:
        yield f"slice {index}: called complete, and the runner left out {lacking} records"
    if not whole and not missing and kept and not (lacking and why):
        yield f"slice {index}: called incomplete without a word on what is missing"


def _unpacked(chunks: Sequence[Chunk], index: int, kept: dict[int, Frame]) -> Iterator[str]:
    """Put a slice's archived frames into `kept`; what is wrong with the chunks."""
    for chunk in sorted(chunks, key=lambda chunk: chunk.first):
        if chunk.index != index:
            continue
        found = [frames.parse(line) for line in chunk.lines()]
        sound = [frame for frame in found if frame is not None]
        if [frame.seq for frame in sound] != list(range(chunk.first, chunk.last + 1)):
            yield f"a chunk of {chunk.first}..{chunk.last} holds something else"
        for frame in sound:
            if frame.seq in kept and kept[frame.seq].line != frame.line:
                yield f"frame {frame.seq} is archived in two versions"
            kept[frame.seq] = frame
    if len({frame.run for frame in kept.values()}) > 1:
        yield "frames of several runs are archived"


def _lacking(end: Mapping[str, Any]) -> int:
    """How much a run could not write at all, in its own word: records left out or shortened, and
    lines of its overflow that were not uploaded."""
    spilled = Overflow.read(end.get("overflow"))
    unkept = spilled.last - ranges.count(spilled.kept) if spilled else 0
    return int(end.get("dropped", 0)) + unkept


def _proof(
    kept: Mapping[int, Frame], end: Frame | None, told: Summary | None
) -> tuple[int, str] | None:
    """How many frames there must be and their digest, in the runner's word; None: it had none.

    A runner that was killed wrote no end frame; its termination message counts where it is of
    the last frame that there is.
    """
    if end is not None:
        return end.seq - 1, str((end.data or {}).get("sha256"))
    if told is not None and told.last == max(kept, default=0):
        return told.last, told.sha256
    return None


def _proven(kept: Mapping[int, Frame], last: int, sha256: str) -> bool:
    digest = frames.Digest()
    for number in range(1, last + 1):
        if number not in kept:
            return False
        digest.add(kept[number].line)
    return sha256 == digest.hex()


def _forward(history: History) -> Iterator[str]:
    rank, ended = 0, None
    for seen in history.states:
        status = seen.object.get("status", {})
        phase = status.get("phase", "")
        if ended is not None and _frozen(status) != ended:
            yield f"the end was rewritten: {ended} became {_frozen(status)}"
            return
        if ended is None and phase in _RANK:
            if _RANK[phase] < rank:
                yield f"the phase went back to {phase or 'none'}"
            rank = _RANK[phase]
        if phase not in _RANK:
            ended = _frozen(status)


def _frozen(status: Object) -> str:
    """What an end says for good: all but what is said of the log, and of newer generations."""
    kept = {key: value for key, value in status.items() if key not in ("log", "observedGeneration")}
    kept["slices"] = [
        {key: value for key, value in part.items() if key not in ("lastSequence", "logComplete")}
        for part in status.get("slices", [])
    ]
    kept["conditions"] = [
        {key: value for key, value in condition.items() if key != "observedGeneration"}
        for condition in status.get("conditions", [])
    ]
    return json.dumps(kept, sort_keys=True)


def _in_time(history: History) -> Iterator[str]:
    if history.due is None:
        return
    ended = next((seen.at for seen in history.states if _terminal(seen.object)), None)
    if ended is None:
        yield "it has not ended"
    elif ended > history.due:
        yield f"it ended {ended - history.due:.1f} s too late"


def _tidy(history: History) -> Iterator[str]:
    if history.leftovers:
        yield f"left behind: {', '.join(history.leftovers)}"


def _bounded(history: History) -> Iterator[str]:
    sizes = [len(json.dumps(seen.object, separators=(",", ":"))) for seen in history.states]
    if sizes and max(sizes) > MOST_BYTES:
        yield f"the object has {max(sizes)} bytes"
    writes, before = 0, None
    for seen in history.states:
        status = seen.object.get("status")
        writes += status != before
        before = status
    if not history.states:
        return
    most = _MOVES + (history.states[-1].at - history.states[0].at) / _EVERY
    if writes > most:
        yield f"its status was written {writes} times, at most {most:.0f} are right"


def _secret(history: History) -> Iterator[str]:
    for where, text in history.texts.items():
        for number, secret in enumerate(history.secrets):
            if secret in text:
                yield f"secret {number} stands in {where}"


def _once(history: History) -> Iterator[str]:
    if history.made != 1:
        yield f"the request made {history.made} tasks"


def _last(history: History) -> Object:
    return history.states[-1].object if history.states else {}


def _terminal(task: Object) -> bool:
    return task.get("status", {}).get("phase", "") not in _RANK


_JUDGES: Final[dict[str, Callable[[History], Iterator[str]]]] = {
    "I1": _one_run,
    "I2": _nothing_lost,
    "I3": _forward,
    "I4": _in_time,
    "I5": _tidy,
    "I6": _bounded,
    "I7": _secret,
    "I8": _once,
}
INVARIANTS: Final = tuple(_JUDGES)
