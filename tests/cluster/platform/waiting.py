"""Waiting for something to become true, and saying what was seen."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


async def wait_for(
    what: str,
    look: Callable[[], Awaitable[T]],
    until: Callable[[T], object],
    *,
    seconds: float,
    every: float = 0.2,
) -> T:
    """Look `every` seconds until what is seen is right; AssertionError after `seconds`.

    Prints how long it took, so that a slow cluster shows in the output of a passing test too.
    """
    began = monotonic()
    while True:
        seen = await look()
        spent = monotonic() - began
        if until(seen):
            print(f"{what}: after {spent:.1f} s, {_short(seen)}")
            return seen
        if spent > seconds:
            raise AssertionError(f"{what}: not within {seconds:g} s; last seen: {_short(seen)}")
        await asyncio.sleep(every)


def _short(seen: object) -> str:
    text = repr(seen)
    return text if len(text) <= 2000 else text[:1500] + " ... " + text[-500:]
