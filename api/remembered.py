"""Answers that are asked for once and kept for a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    asked: float
    coming: asyncio.Task[T]
    before: "_Answer[T] | None"
    """The one that it is to replace."""


class Remembered(Generic[T]):
    """The `most` answers asked for last, each kept for `seconds` from when it was asked for.

    Those who ask the same thing at once share one question. An error is not kept. For the last
    `renewal` seconds of its life an answer is still given, while it is asked for anew; where there
    is no new one because the Kubernetes API is away, nobody notices for so long.
    """

    def __init__(
        self, seconds: float, most: int, clock: Callable[[], float], *, renewal: float = 0
    ) -> None:
        self._seconds = seconds
        self._renewal = renewal
        self._most = most
        self._clock = clock
        self._answers: OrderedDict[str, _Answer[T]] = OrderedDict()

    async def get(
        self,
        key: str,
        ask: Callable[[], Awaitable[T]],
        renew: Callable[[], Awaitable[T]] | None = None,
    ) -> T:
        """The answer kept under a key, else the one that `ask` gives; `renew`, where it is given,
        asks for that which is to replace a kept one."""
        now, found = self._clock(), self._answers.get(key)
        if found is None or _in_vain(found.coming) or self._old(found, now):
            before = _last(found)
            if before is not None and now - before.asked >= self._seconds:
                before = None
            asking = ask if before is None or renew is None else renew
            found = _Answer(now, asyncio.ensure_future(_awaited(asking)), before)
            found.coming.add_done_callback(_in_vain)  # nobody may be waiting for its error
            self._answers[key] = found
            if len(self._answers) > self._most:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        before = found.before
        if before is not None and not found.coming.done() and now - before.asked < self._seconds:
            return before.coming.result()
        # Shielded: the one who asked first may go away while others wait.
        return await asyncio.shield(found.coming)

    def _old(self, answer: _Answer[T], now: float) -> bool:
        return answer.coming.done() and now - answer.asked >= self._seconds - self._renewal


def _last(answer: _Answer[T] | None) -> _Answer[T] | None:
    """The last answer that has come, without those before it."""
    if answer is None or not _in_vain(answer.coming):
        return answer and _Answer(answer.asked, answer.coming, None)
    return answer.before


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def _in_vain(answer: asyncio.Task[T]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
