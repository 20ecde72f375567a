"""How much may be asked at a time: requests of a source, and memory for bodies of all. Pure."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from api.problems import TooMany

_MOST_SOURCES: Final = 10_000
"""Sources remembered; the one that was quiet longest is forgotten, which fills its bucket."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second in the long run, so many at once."""

    per_second: float
    burst: int


class Rates:
    """The buckets of all sources; `clock` gives seconds."""

    def __init__(self, run: Rate, other: Rate, clock: Callable[[], float]) -> None:
        self._rates = {True: run, False: other}
        self._clock = clock
        self._buckets: OrderedDict[tuple[bool, str], tuple[float, float]] = OrderedDict()

    def take(self, source: str, *, runs: bool) -> None:
        """Count a request; TooMany where the source has sent too many. `runs`: it makes a task."""
        rate, now = self._rates[runs], self._clock()
        left, since = self._buckets.pop((runs, source), (float(rate.burst), now))
        left = min(float(rate.burst), left + (now - since) * rate.per_second)
        allowed = left >= 1
        self._buckets[(runs, source)] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MOST_SOURCES:
            self._buckets.popitem(last=False)
        if not allowed:
            raise TooMany(
                f"too many requests: at most {rate.per_second:g} a second and {rate.burst} at once",
                retry_after=(1 - left) / rate.per_second,
            )


class Memory:
    """How many bytes of request bodies may be held at a time by all requests together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def take(self, size: int) -> None:
        """Hold more; TooMany where there is no room."""
        if self._held + size > self._most:
            raise TooMany("too many large requests at a time, try again")
        self._held += size

    def give(self, size: int) -> None:
        """Hold less."""
        self._held -= size
