"""An SSH server, folders as a pod has them, and runs of the runner in them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crds import frames, runinput
from crds.frames import Frame, Kind, Record
from crds.records import Result, Summary
from crds.runinput import RunInput
from tests.cluster.platform.processes import free_port
from tests.cluster.runner import sshd

REPOSITORY = Path(__file__).parents[3]
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""As in a pod: whoever the user is, no capability that opens other processes."""


SECRETS = {
    "ssh_key_secret": runinput.SSH_KEY_FILE,
    "known_hosts_secret": runinput.KNOWN_HOSTS_FILE,
    "become_password_secret": runinput.BECOME_PASSWORD_FILE,
    "vault_password_secret": runinput.VAULT_PASSWORD_FILE,
}
"""Fields of RunInput that name a Secret, and the file that is asked for in it."""


@dataclass(frozen=True, slots=True)
class Server:
    """An sshd of our own on loopback; `port` is where, `folder` holds its keys."""

    port: int
    folder: Path

    @property
    def host(self) -> str:
        """What a caller writes."""
        return f"127.0.0.1:{self.port}"

    @property
    def key(self) -> Path:
        """The private key that it lets in."""
        return self.folder / "id"


def serve(folder: Path) -> tuple[Server, "subprocess.Popen[bytes]"]:
    """Start an sshd; the caller ends it."""
    port = free_port()
    for name in ("hostkey", "id"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    options = {
        "ListenAddress": "127.0.0.1", "AuthorizedKeysFile": folder / "id.pub", "UsePAM": "no",
        "StrictModes": "no", "PidFile": "none", "PermitRootLogin": "yes", "MaxStartups": "100",
        # Whatever the user's own shell is set up to do.
        "ForceCommand": 'exec env PATH=/usr/bin:/bin /bin/sh -c "$SSH_ORIGINAL_COMMAND"',
    }  # fmt: skip
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    words: list[str | Path] = [
        "-D",
        "-e",
        "-f",
        "/dev/null",
        "-h",
        folder / "hostkey",
        "-p",
        str(port),
        *given,
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*sshd.command(), *words], stdin=subprocess.DEVNULL, stderr=log)
    public = " ".join((folder / "hostkey.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
    return Server(port, folder), process


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run left behind."""

    rc: int
    lines: list[bytes]
    frames: list[Frame]
    records: list[Record]
    end: Summary
    told: Summary
    """The termination message."""
    errors: str

    def of(self, kind: Kind) -> list[dict[str, Any]]:
        """Data of all records of a kind."""
        return [record.data for record in self.records if record.kind is kind]

    @property
    def counts(self) -> dict[str, int]:
        """How many hosts ended how, of the outcomes that there are."""
        return {outcome: count for outcome, count in self.end.counts.items() if count}

    @property
    def results(self) -> list[Result]:
        """All results in order."""
        return [Result.read(data) for data in self.of(Kind.TASK)]

    @property
    def output(self) -> str:
        """All raw output."""
        return "\n".join(str(data["text"]) for data in self.of(Kind.LINE))


class Ground:
    """One pod's folders under `root`."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self.server = server
        for file in (
            runinput.INPUT_FILE, runinput.SSH_KEY_FILE, runinput.KNOWN_HOSTS_FILE,
            runinput.BECOME_PASSWORD_FILE, runinput.VAULT_PASSWORD_FILE,
            runinput.TERMINATION_FILE, f"{runinput.HOME_DIR}/any",
        ):  # fmt: skip
            self.path(file).parent.mkdir(parents=True, exist_ok=True)
        self.path(runinput.TERMINATION_FILE).touch()
        shutil.copy(server.key, self.path(runinput.SSH_KEY_FILE))
        shutil.copy(server.folder / "known_hosts", self.path(runinput.KNOWN_HOSTS_FILE))

    def path(self, path: str) -> Path:
        """A file of the pod."""
        return self.root / path.lstrip("/")

    def put(self, **given: Any) -> None:
        """Write the run's input: one raw task on the server unless told otherwise."""
        given.setdefault("slices", ((self.server.host,),))
        given.setdefault("gather_facts", False)
        for name, file in SECRETS.items():
            if self.path(file).parent.is_dir() and any(self.path(file).parent.iterdir()):
                given.setdefault(name, f"octans-{name}")
        if not {"roles", "playbook"} & set(given):
            given.setdefault("tasks", [{"raw": "echo hello"}])
        text = RunInput(**{"task_name": "a task", **given}).dump()
        self.path(runinput.INPUT_FILE).write_text(text)

    def put_variables(self, index: int, files: Mapping[str, str]) -> None:
        """Write a Secret of `varsFrom`."""
        folder = self.path(f"{runinput.VARS_DIR}/{index}")
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)

    def start(self, *, index: int = 0) -> "subprocess.Popen[bytes]":
        """Start the runner, under coverage."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
        return subprocess.Popen(
            [*WITHOUT_RIGHTS, sys.executable, "-m", "coverage", "run", "-p",
             "-m", "controller.runner", str(self.root)],
            cwd=REPOSITORY, env=environment | {"JOB_COMPLETION_INDEX": str(index)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            bufsize=0,  # communicate() does not see what a buffer has read ahead of it
        )  # fmt: skip

    def run(self, *, index: int = 0, **given: Any) -> Ran:
        """Run with this input to the end."""
        self.put(**given)
        return self.finish(self.start(index=index))

    def finish(self, process: "subprocess.Popen[bytes]", before: bytes = b"") -> Ran:
        """Wait for the end and check what holds for every run."""
        try:
            out, errors = process.communicate(timeout=120)
        finally:
            process.kill()
        lines = (before + out).splitlines()
        found = [frame for line in lines if (frame := frames.parse(line)) is not None]
        records = list(frames.records(found))
        end = Summary.read(records[-1].data)
        told = Summary.read(json.loads(self.path(runinput.TERMINATION_FILE).read_bytes()))
        assert end is not None
        assert told is not None
        ran = Ran(process.returncode, lines, found, records, end, told, errors.decode())
        _check(ran, self.path(runinput.TERMINATION_FILE))
        return ran


def _check(ran: Ran, termination: Path) -> None:
    """What DESIGN.md 3.6 promises of every run."""
    assert len(ran.frames) == len(ran.lines), ran.lines
    assert {frame.run for frame in ran.frames} == {ran.end.run} == {ran.told.run}
    assert [frame.seq for frame in ran.frames] == list(range(1, len(ran.frames) + 1))
    assert max(map(len, ran.lines)) <= frames.MAX_LINE
    assert ran.records[0].kind is Kind.START
    assert ran.records[-1].kind is Kind.END
    digest = frames.Digest()
    for line in ran.lines[:-1]:
        digest.add(line)
    assert (ran.end.last, ran.end.sha256) == (len(ran.lines) - 1, digest.hex())
    digest.add(ran.lines[-1])
    assert (ran.told.last, ran.told.sha256) == (len(ran.lines), digest.hex())
    assert ran.told.status is ran.end.status
    assert ran.told.counts == ran.end.counts
    assert termination.stat().st_size <= 3584


def read_until(process: "subprocess.Popen[bytes]", seen: Callable[[Frame], bool]) -> bytes:
    """Read frames until one is seen; gives all that was read."""
    assert process.stdout is not None
    read = b""
    for line in process.stdout:
        read += line
        frame = frames.parse(line.rstrip(b"\n"))
        if frame is not None and seen(frame):
            return read
    raise AssertionError(f"the runner ended before it was seen: {read!r}")


def begin_of(task: str) -> Callable[[Frame], bool]:
    """Whether a frame says that a host begins a task; Ansible's own output says so before."""
    return lambda frame: frame.kind is Kind.BEGIN and task in str(frame.data)


def terminate(process: "subprocess.Popen[bytes]") -> float:
    """Send SIGTERM; gives the time (monotonic) at which."""
    process.send_signal(signal.SIGTERM)
    return time.monotonic()
