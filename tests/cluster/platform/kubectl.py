"""The kubectl program against the tests' cluster."""

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """How a program ended and what it wrote."""

    code: int
    out: str
    err: str


class Kubectl:
    """kubectl with admin rights, optionally in one namespace."""

    def __init__(self, program: str, kubeconfig: Path, namespace: str = "default") -> None:
        self._start = (program, f"--kubeconfig={kubeconfig}", f"--namespace={namespace}")
        self.program = program
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def within(self, namespace: str) -> "Kubectl":
        """The same in another namespace."""
        return Kubectl(self.program, self.kubeconfig, namespace)

    async def ask(self, *arguments: str, stdin: object = None) -> Answer:
        """Run it, `stdin` as JSON; the answer whatever the exit code."""
        text = None if stdin is None else json.dumps(stdin).encode()
        process = await asyncio.create_subprocess_exec(
            *self._start,
            *arguments,
            stdin=asyncio.subprocess.PIPE if text is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(text)
        return Answer(process.returncode or 0, out.decode(errors="replace"), err.decode())

    async def __call__(self, *arguments: str, stdin: object = None) -> str:
        """What it writes to standard output; AssertionError where it fails."""
        answer = await self.ask(*arguments, stdin=stdin)
        assert answer.code == 0, f"kubectl {' '.join(arguments)}: {answer.err}"
        return answer.out

    async def json(self, *arguments: str) -> dict[str, Any]:
        """The object or list it prints with `-o json`."""
        found: dict[str, Any] = json.loads(await self(*arguments, "-o", "json"))
        return found

    async def spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        """One that goes on, with its output and errors to be read."""
        return await asyncio.create_subprocess_exec(
            *self._start,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    def now(self, *arguments: str) -> str:
        """Output and errors together, read at once; for reports outside the event loop."""
        done = subprocess.run(
            [*self._start, *arguments],
            capture_output=True,
            timeout=30,
            check=False,
            env=dict(os.environ),
        )
        return (done.stdout + done.stderr).decode(errors="replace")


async def run(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Standard output of another program; AssertionError with its errors where it fails."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"{' '.join(arguments)}: {err.decode()}"
    return out.decode()
