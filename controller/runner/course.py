"""Where a run stands, and when something is to be done at the latest."""

import time
from dataclasses import dataclass, field
from typing import Final

BEAT: Final = 20.0
"""Seconds between signs of life."""
DRAIN: Final = 5.0
"""Seconds that output may still come after Ansible's end."""
TERM_WAIT: Final = 5.0
"""Seconds, at most, between SIGTERM and SIGKILL to Ansible; a quarter of a shorter grace."""
TERM_AGAIN: Final = 0.1
"""Seconds until it is looked whether a process has appeared that got no SIGTERM yet."""
UPLOADS: Final = 60.0
"""Seconds, at most, that the end waits for uploads; a third of the grace where it was asked for."""


@dataclass(slots=True)
class Course:
    """Where the run stands; times are of the monotonic clock."""

    deadline: float
    next_beat: float
    stopped: bool = False
    timed_out: bool = False
    asked_at: float | None = None
    """When the end was asked for, by SIGTERM or the deadline."""
    kill_at: float | None = None
    told: set[int] = field(default_factory=set)
    """Processes that got their SIGTERM."""
    rc: int | None = None
    drained: bool = False
    drain_until: float | None = None
    """Set once Ansible is gone: its output is waited for no longer."""

    def due(self) -> float:
        """When something is to be done at the latest."""
        look_again = time.monotonic() + TERM_AGAIN if self.kill_at is not None else None
        times = (self.next_beat, self.kill_at, self.drain_until, look_again)
        deadline = [] if self.ending else [self.deadline]
        return min(deadline + [when for when in times if when is not None])

    def for_uploads(self, grace: float) -> float:
        """Seconds that uploads may still take; of the grace something is left in any case."""
        if self.asked_at is None:
            return UPLOADS
        return min(grace / 3, self.asked_at + grace * 5 / 6 - time.monotonic())

    @property
    def ending(self) -> bool:
        """Whether Ansible is gone or was told to go."""
        return self.stopped or self.timed_out or self.rc is not None
