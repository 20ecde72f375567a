"""An object store that the API and the controller keep logs in, and what is in it."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from crds import frames
from crds.frames import Frame
from tests.cluster.platform.calls import unique
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.programs import restarted
from tests.cluster.platform.s3 import ObjectServer


@dataclass(frozen=True, slots=True)
class Store:
    """The object store that the API and the controller keep logs in."""

    server: ObjectServer
    url: str
    folder: Path
    """The objects as files: those of a task are in one named by its uid."""
    environment: dict[str, str]

    def objects(self, uid: str) -> list[str]:
        """The names of a task's objects."""
        there = self.folder / uid
        return sorted(str(file.relative_to(there)) for file in there.rglob("*.gz"))

    async def has_some(self, uid: str) -> bool:
        """Whether anything of a task is kept."""
        return bool(self.objects(uid))

    def overflow(self, uid: str, index: int = 0) -> list[Frame]:
        """The frames in the parts of a slice's overflow, in order."""
        return self._frames(uid, index, "overflow-*.gz")

    def chunks(self, uid: str, index: int = 0) -> list[Frame]:
        """The frames in a slice's chunks, in order."""
        return self._frames(uid, index, "0*.gz")

    def _frames(self, uid: str, index: int, names: str) -> list[Frame]:
        files = sorted((self.folder / uid / str(index)).glob(names))
        lines = [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
        return [frame for line in lines if (frame := frames.parse(line)) is not None]


@asynccontextmanager
async def stored(
    object_server: ObjectServer, api: HostProcess, controller: HostProcess, tmp_path: Path
) -> AsyncIterator[Store]:
    """Both programs with credentials as the chart mounts them."""
    secret = tmp_path / "credentials"
    secret.mkdir()
    (secret / "aws_access_key_id").write_text(object_server.access_key)
    (secret / "aws_secret_access_key").write_text(object_server.secret_key)
    prefix = unique("logs")
    options = {"aws_endpoint": object_server.url, "aws_region": object_server.region}
    environment = {
        "OCTANS_ARCHIVE_URL": f"s3://{object_server.bucket}/{prefix}",
        "OCTANS_ARCHIVE_OPTIONS": json.dumps(options),
        "OCTANS_ARCHIVE_CREDENTIALS": str(secret),
        "OCTANS_RESYNC_SECONDS": "3",
    }
    async with restarted(api, **environment), restarted(controller, **environment):
        yield Store(
            object_server,
            environment["OCTANS_ARCHIVE_URL"],
            object_server.folder / object_server.bucket / prefix,
            environment,
        )
