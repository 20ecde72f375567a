"""The two server programs as processes of this machine, measured by coverage."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import httpx

from tests.cluster.platform.given import ROOT

READY_SECONDS = 30.0
STOP_SECONDS = 40.0
FREEZE_SECONDS = 10.0
STANDING = frozenset("TZX")
"""States of threads, as in proc(5), that do nothing: stopped, ended."""


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port of an address of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((address, 0))
        port: int = listener.getsockname()[1]
        return port


def freeze(pid: int) -> None:
    """Stop the time of a process; when this returns, each of its threads stands still.

    Without the wait a thread may answer one more request on the other processor.
    """
    os.kill(pid, signal.SIGSTOP)
    until = monotonic() + FREEZE_SECONDS
    while moving := [task for task in _threads(pid) if _state(task) not in STANDING]:
        assert monotonic() < until, f"{moving} still run after SIGSTOP"
        sleep(0.001)


def _threads(pid: int) -> Iterator[Path]:
    return Path(f"/proc/{pid}/task").iterdir()


def _state(process: Path) -> str:
    # proc(5): the state is the first field after the name, which may hold anything.
    try:
        stat = (process / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X"  # it ended between the two looks
    return stat.rpartition(")")[2].split()[0]


class HostProcess:
    """One program, which serves HTTP at `url`."""

    def __init__(self, module: str, environment: dict[str, str], *, log: Path, url: str) -> None:
        self.module = module
        self.log = log
        self.url = url
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *, path: str = "/readyz", **more: str) -> None:
        """Start it, with some more environment, and wait until `path` answers 200."""
        await self.launch(**more)
        await self._answers(path)

    async def launch(self, **more: str) -> None:
        """Start it, with some more environment; it may end before it answers."""
        assert self._process is None, f"{self.module} runs already"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OCTANS_")}
        environment |= {"PYTHONUNBUFFERED": "1", **self._environment, **more}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(),
                cwd=ROOT,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "coverage", "run", "-p", "-m", self.module)

    async def _answers(self, path: str) -> None:
        until = monotonic() + READY_SECONDS
        seen = "nothing"
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            while monotonic() < until:
                assert self._process is not None
                if self._process.returncode is not None:
                    raise AssertionError(f"{self.module} ended at its start:\n{self.tail()}")
                try:
                    answer = await http.get(self.url + path)
                except httpx.HTTPError as error:
                    seen = repr(error)
                else:
                    if answer.status_code == 200:
                        return
                    seen = f"{answer.status_code} {answer.text[:500]}"
                await asyncio.sleep(0.1)
        raise AssertionError(f"{self.module} was not ready ({seen}):\n{self.tail()}")

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    def freeze(self) -> None:
        """Stop its time, as a paused virtual machine does."""
        assert self._process is not None
        freeze(self._process.pid)

    def wake(self) -> None:
        """Let its time go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def most_memory(self) -> int:
        """The most bytes that it has had in memory since it was started."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    @property
    def frozen(self) -> bool:
        """Whether its time stands still."""
        if not self.running or self._process is None:
            return False
        return _state(Path(f"/proc/{self._process.pid}")) == "T"

    def has_died(self) -> bool:
        """Whether it ended by itself since it was started; if so, it can be started again."""
        if self._process is None or self._process.returncode is None:
            return False
        self._process = None
        return True

    async def stop(self) -> None:
        """End it as a kubelet does, with SIGTERM; AssertionError where that takes too long."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)  # it may be frozen
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(
                f"{self.module} had not ended {STOP_SECONDS:g} s after SIGTERM:\n{self.tail()}"
            ) from None

    async def kill(self) -> None:
        """End it as a power cut does."""
        process, self._process = self._process, None
        assert process is not None, f"{self.module} does not run"
        process.kill()
        await process.wait()

    def tail(self, begin: int = 0, size: int = 20_000) -> str:
        """The end of its log, at most `size` bytes, nothing before offset `begin`."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[begin:][-size:].decode(errors="replace")

    @property
    def log_size(self) -> int:
        """Bytes logged so far."""
        return self.log.stat().st_size if self.log.exists() else 0
