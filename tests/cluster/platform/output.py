"""Plays that write much, and whether an object store has it to the last line."""

import re
from typing import Final

from crds.frames import Digest, Kind, records
from crds.model import AnsibleTask
from crds.records import Summary
from tests.cluster.platform.calls import Work
from tests.cluster.platform.stores import Store

SAID: Final = "line of text " * 1000
AT_ONCE: Final = 500
"""Results of one loop: Ansible holds all of them in its memory until the loop's end."""


def much(results: int) -> Work:
    """Work that says so many times 13 kB, and tells each time a result of as much."""
    say = {"name": "say", "debug": {"msg": "{{ item }} {{ 'line of text ' * 1000 }}"}}
    loops = [
        say | {"loop": f"{{{{ range({begin}, {min(begin + AT_ONCE, results)}) | list }}}}"}
        for begin in range(0, results, AT_ONCE)
    ]
    return [*loops, {"name": "last", "raw": "true"}]


async def overflow_is_whole(store: Store, task: AnsibleTask, results: int) -> None:
    """What a task said, in the pod's log and beyond its limit, is there to the last line."""
    frames = store.overflow(task.metadata.uid)
    (end,) = [frame for frame in store.chunks(task.metadata.uid) if frame.kind is Kind.END]
    summary = Summary.read(end.data or {})
    assert summary is not None
    assert summary.overflow is not None
    digest = Digest()
    for at, frame in enumerate(frames, start=1):
        assert frame.seq == at
        digest.add(frame.line)
    assert (summary.overflow.last, summary.overflow.sha256) == (len(frames), digest.hex())
    text = "".join(
        str(record.data["text"])
        for record in (*records(store.chunks(task.metadata.uid)), *records(frames))
        if record.kind is Kind.LINE
    )
    said = re.findall(r'"msg": "(\d+) ((?:line of text )+)"', text)
    assert said == [(str(at), SAID) for at in range(results)]
    print(f"{len(text) / 1e6:.0f} MB in {len(frames)} frames beyond the limit: whole")
