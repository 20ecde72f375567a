"""Locks between programs, held by the kernel: nothing is left locked when one dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cluster.progress import step


@contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[None]:
    """Holds the lock on `path`, waiting for another program that has it and saying so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _take(path, waiting_for)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _take(path: Path, waiting_for: str) -> TextIO:
    while True:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"waiting for {waiting_for}"):
                fcntl.flock(file, fcntl.LOCK_EX)
        if _is(file, path):
            return file
        file.close()  # the one before us removed the file it had locked: take the new one


def _is(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
