"""An S3 server on this machine: versitygw, which keeps objects as files of a folder."""

import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cluster.programs import DIES_WITH_US
from tests.cluster.platform.given import ROOT
from tests.cluster.platform.kubectl import Kubectl, run
from tests.cluster.platform.processes import HostProcess, free_port

_HEALTH: Final = "/readyz"


class ObjectServer(HostProcess):
    """One S3 server with one bucket, at `url` with path-style addresses.

    Stopped or killed and started again, it has the same address, keys and objects. Whatever becomes
    of pytest, it ends with it.
    """

    region = "us-east-1"
    bucket = "octans"

    def __init__(self, program: str, home: Path, *, address: str) -> None:
        self.folder = home / "objects"
        """What is put to the key `a/b` is the file `BUCKET/a/b` here."""
        self.access_key = f"test-{secrets.token_hex(8)}"
        self.secret_key = secrets.token_hex(32)
        self._home = home
        self._program = program
        self._listen = f"{address}:{free_port(address)}"
        keys = {"ROOT_ACCESS_KEY_ID": self.access_key, "ROOT_SECRET_ACCESS_KEY": self.secret_key}
        super().__init__("versitygw", keys, log=home / "log", url=f"http://{self._listen}")

    async def launch(self, **more: str) -> None:
        """Start it; its bucket is there at once, since a bucket is a folder."""
        (self.folder / self.bucket).mkdir(parents=True, exist_ok=True)
        await super().launch(**more)

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """For a while nobody listens at its address."""
        await self.stop()
        try:
            yield
        finally:
            await self.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """For a while it takes connections and requests, and answers none until it wakes."""
        self.freeze()
        try:
            yield
        finally:
            self.wake()

    def _command(self) -> tuple[str, ...]:
        # Beside the objects, metadata need no file system with extended attributes.
        metadata = self._home / "metadata"
        metadata.mkdir(exist_ok=True)
        return (
            *DIES_WITH_US, self._program,
            f"--port={self._listen}", f"--region={self.region}", f"--health={_HEALTH}",
            "posix", f"--sidecar={metadata}", str(self.folder),
        )  # fmt: skip


async def object_server(kubectl: Kubectl, home: Path, environ: Mapping[str, str]) -> ObjectServer:
    """One that pods of kubectl's cluster reach as well; not started yet.

    OCTANS_TEST_VERSITYGW may name the program, which else is built once, in a minute;
    OCTANS_TEST_ADDRESS may say how pods reach this machine.
    """
    named = environ.get("OCTANS_TEST_VERSITYGW")
    program = named or (await run(str(ROOT / "scripts/program"), "versitygw")).strip()
    address = environ.get("OCTANS_TEST_ADDRESS") or await _address_towards(kubectl)
    return ObjectServer(program, home, address=address)


async def _address_towards(kubectl: Kubectl) -> str:
    """This machine's address on its way to the API server: pods of a cluster here reach it, too."""
    server = urlsplit(
        await kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    )
    # A datagram socket that is connected has chosen its way and has sent nothing.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((server.hostname, server.port or 443))
        address: str = way.getsockname()[0]
        return address
