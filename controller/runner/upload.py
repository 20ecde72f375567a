"""Parts of the overflow on their way to the object store: one thread, one PUT at a time.

The URLs are secrets, and so may be what a store answers: neither is ever told.
"""

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from controller.runner.overflow import Stored

TIMEOUT: Final = 10.0
"""Seconds for a connection, and for each piece that is sent or answered."""
FIRST_PAUSE: Final = 1.0
"""Seconds until a part that failed is tried again; twice as long each time."""
LONGEST_PAUSE: Final = 15.0
QUIET: Final = 10.0
"""Seconds that the end of a run waits at most without one part getting through."""
_BLOCK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A part was taken by the store; or, where it is not kept, its file is lost."""

    stored: Stored
    kept: bool


class Refused(Exception):
    """A PUT failed; says how, without secrets."""


class Uploader:
    """PUTs parts to the URL of their number, oldest first, until they are kept.

    What became of them comes as Uploaded through `messages`. Its thread ends with the process.
    """

    def __init__(
        self, urls: Sequence[str], headers: Mapping[str, str], messages: "SimpleQueue[Any]"
    ) -> None:
        self._urls = urls
        self._headers = headers
        self._messages = messages
        self._parts = SimpleQueue[Stored]()
        self._thread: threading.Thread | None = None
        self._again = threading.Event()
        self._told: list[bool] = []
        """Whether it was good or bad news, of what was said: each once."""

    def take(self, stored: Stored) -> None:
        """Upload a part, too; returns at once."""
        self._parts.put(stored)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="upload", daemon=True)
            self._thread.start()

    def hurry(self) -> None:
        """Try again now, and with short pauses from now on."""
        self._again.set()

    def _work(self) -> None:
        while True:
            stored = self._parts.get()
            self._messages.put(Uploaded(stored, self._kept(stored)))

    def _kept(self, stored: Stored) -> bool:
        pause = FIRST_PAUSE
        while True:
            try:
                # The play could have put a link to another file there.
                file = os.open(stored.file, os.O_RDONLY | os.O_NOFOLLOW)
            except OSError:
                self._say("a part of the output is lost: its file is gone", good=False)
                return False
            try:
                with os.fdopen(file, "rb") as body:
                    put(self._urls[stored.part.part], self._headers, body)
            except Refused as refused:
                self._say(f"output can't be stored yet: {refused}", good=False)
            else:
                with suppress(OSError):
                    stored.file.unlink()
                self._say("output can be stored again", good=True)
                return True
            if self._again.wait(pause):
                self._again.clear()
                pause = FIRST_PAUSE
            else:
                pause = min(pause * 2, LONGEST_PAUSE)

    def _say(self, text: str, *, good: bool) -> None:
        """Tell the first failure, and the first success after it."""
        if self._told == [False] * good:
            self._told.append(good)
            print(f"runner: {text}", file=sys.stderr)  # noqa: T201


def put(url: str, headers: Mapping[str, str], body: BinaryIO) -> None:
    """PUT a file; Refused unless the answer is a 2xx."""
    # 5 ms, TLS 30 ms; seldom needed
    import ssl  # noqa: PLC0415
    from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: PLC0415

    size = str(os.fstat(body.fileno()).st_size)
    sent = False
    try:
        at = urlsplit(url)
        kind = HTTPSConnection if at.scheme == "https" else HTTPConnection
        connection = kind(at.netloc, timeout=TIMEOUT, blocksize=_BLOCK)
        target = f"{at.path or '/'}?{at.query}" if at.query else at.path or "/"
        with closing(connection):
            with suppress(BrokenPipeError):  # it may have answered before it had all
                connection.request("PUT", target, body, {**headers, "Content-Length": size})
                sent = True
            status = connection.getresponse().status
    except TimeoutError:
        raise Refused("no answer in time") from None
    except ssl.SSLCertVerificationError:
        raise Refused("its certificate is not trusted") from None
    except (OSError, HTTPException, ValueError):
        raise Refused("no connection") from None
    if not (sent and 200 <= status < 300):
        raise Refused(f"HTTP {status}")


class Patience:
    """How long the end of a run waits for uploads, `most` seconds in all; `now` is of the
    monotonic clock."""

    def __init__(self, now: float, most: float) -> None:
        self._until = now + most
        self._quiet_until = now + QUIET

    def left(self, now: float) -> float:
        """Seconds that are left, none or less where it is over."""
        return min(self._until, self._quiet_until) - now

    def progress(self, now: float, *, kept: bool) -> None:
        """Nothing is to be waited for any more of a part, which got through where it is kept."""
        if kept:
            self._quiet_until = now + QUIET

    def shorten(self, now: float, most: float) -> None:
        """Wait `most` seconds from now on, if not less anyway."""
        self._until = min(self._until, now + most)
