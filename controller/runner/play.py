"""ansible-runner at work: its events, as they happen, into a queue."""

import codecs
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

import ansible_runner.interface
from ansible_runner.utils import OutputEventFilter

from controller.runner.folder import Command
from controller.runner.paths import Paths

WAITING: Final = 64
"""Events that may wait to be written; Ansible is held up beyond it, instead of memory filling."""
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """Ansible's process is gone; negative `rc` means a signal."""

    rc: int


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing more comes out of Ansible."""


Message = Mapping[str, Any] | Ended | Drained
"""An event of ansible-runner, or one of the two ends; which come in either order."""


class Play:
    """One run of Ansible under ansible-runner, told through `messages`.

    ansible-runner's own way of reading its child either takes a terminal, which costs time and
    can answer prompts, or reads only at the end. So the child gets a pipe of ours, and
    ansible-runner's filter is fed from it here.
    """

    def __init__(self, paths: Paths, command: Command, messages: "SimpleQueue[Any]") -> None:
        self._messages = messages
        self._room = threading.Semaphore(WAITING)
        self._read, self._write = os.pipe()
        self._nothing = os.open(os.devnull, os.O_RDONLY)
        self._runner = ansible_runner.interface.init_command_config(
            sys.executable, command.arguments,
            private_data_dir=str(paths.run), host_cwd=str(command.folder), ident="octans",
            envvars=command.env, fact_cache_type="memory", quiet=True, suppress_env_files=True,
            runner_mode="subprocess", input_fd=self._nothing, output_fd=self._write,
            error_fd=self._write, event_handler=self._handle,
        )  # fmt: skip
        self._filter = OutputEventFilter(None, self._runner.event_callback, True, False)

    def start(self) -> None:
        """Begin; returns at once."""
        threading.Thread(target=self._pump, name="pump", daemon=True).start()
        threading.Thread(target=self._run, name="ansible", daemon=True).start()

    def taken(self) -> None:
        """Say that an event was taken from the queue."""
        self._room.release()

    def _handle(self, event: dict[str, Any]) -> bool:
        # Nothing but this: ansible-runner gives up a run whose handler is slow.
        self._room.acquire()
        self._messages.put(event)
        return False  # don't keep a file of it

    def _run(self) -> None:
        rc = 254
        try:
            _, rc = self._runner.run()
        finally:
            os.close(self._write)
            self._messages.put(Ended(rc))

    def _pump(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        try:
            while chunk := os.read(self._read, _CHUNK):
                self._filter.write(decode(chunk))
            self._filter.close()
        finally:
            # Should the filter have failed, Ansible must not wait for a reader for ever.
            os.close(self._read)
            self._messages.put(Drained())
