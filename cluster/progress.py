"""Says what is being done and how long it took, on standard error."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HEARTBEAT_SECONDS = 30.0
"""Where no terminal shows a running clock, a long step says this often that it still runs."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """One line a step: a running clock while it lasts, its duration when it is over."""
    started = time.monotonic()
    finished = threading.Event()
    live = sys.stderr.isatty()
    clock = threading.Thread(target=_tick, args=(text, started, finished, live), daemon=True)
    clock.start()
    end = "not finished: "
    try:
        yield
        end = ""
    finally:
        finished.set()
        clock.join()
        clear = "\r\033[K" if live else ""
        say(f"{clear}{time.monotonic() - started:6.1f} s  {end}{text}")


def _tick(text: str, started: float, finished: threading.Event, live: bool) -> None:
    before, after = ("\r\033[K", "") if live else ("", "\n")
    while not finished.wait(1.0 if live else HEARTBEAT_SECONDS):
        passed = time.monotonic() - started
        print(f"{before}{passed:6.0f} s  {text} …", end=after, file=sys.stderr, flush=True)
