"""Answers that are asked for once and kept for a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """The `most` answers asked for last, each kept for `seconds` from when it was asked for.

    Those who ask the same thing at once share one question. An error is not kept.
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._answers: OrderedDict[str, tuple[float, asyncio.Task[T]]] = OrderedDict()

    async def get(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer kept under a key, else the one that `ask` gives."""
        now = self._clock()
        asked, answer = self._answers.get(key, (0.0, None))
        if answer is None or now - asked >= self._seconds or _in_vain(answer):
            answer = asyncio.ensure_future(_awaited(ask))
            self._answers[key] = (now, answer)
            if len(self._answers) > self._most:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        # Shielded: the one who asked first may go away while others wait.
        return await asyncio.shield(answer)


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def _in_vain(answer: asyncio.Task[T]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
