"""The one play that both sides run: one task on one machine, facts not gathered."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, Final, Protocol

TASKS: Final[list[dict[str, Any]]] = [{"name": "one task", "raw": "true"}]
LONGEST: Final = 300.0
"""Seconds after which a run counts as lost."""


class FailedError(Exception):
    """A run did not end well; the text says how."""


class Side(Protocol):
    """One of the two ways to run the play."""

    async def start(self, name: str, host: str) -> None:
        """Ask for it."""

    async def done(self, name: str) -> bool:
        """Whether its success is visible; FailedError where it failed."""


def unique() -> str:
    """A name for one run."""
    return f"bench-{secrets.token_hex(4)}"


async def measure(side: Side, hosts: Sequence[str], *, every: float) -> float:
    """Seconds from the first request until the success of all is visible, a run for each host.

    `every` is the pause between two looks at one run, in seconds.
    """
    began = monotonic()
    await asyncio.gather(*(_one(side, host, every) for host in hosts))
    return monotonic() - began


async def _one(side: Side, host: str, every: float) -> None:
    name = unique()
    await side.start(name, host)
    await poll(lambda: side.done(name), every=every)


async def poll(done: Callable[[], Awaitable[bool]], *, every: float) -> None:
    """Look until it is done; FailedError where that takes too long."""
    until = monotonic() + LONGEST
    while not await done():
        if monotonic() > until:
            raise FailedError(f"not done after {LONGEST:g} s")
        await asyncio.sleep(every)
