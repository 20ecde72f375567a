"""The archive in an object store: S3 and what speaks like it, GCS, Azure, or a folder.

A task's objects are all under its uid, which no other task of any cluster has, so installations may
share a prefix:

    UID/SLICE/FIRST-LAST.gz       a chunk of frames, as in archive.Chunk
    UID/SLICE/overflow-PART.gz    a part of the output beyond the pod's limit, uploaded by the pod

An object's name says what is in it, so writing it a second time changes nothing.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url
from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings

from crds import errors
from crds.archive import UNPACKED, Chunk, unpack
from crds.model import AnsibleTask

PARTS: Final = 48
"""Parts of a slice's overflow at most, of 8 MiB each (controller/runner/overflow.py)."""
_URLS: Final = 384 * 1024
"""Bytes that the URLs of a task may take in its input, which a Secret holds: at most 1 MiB."""
_SCHEMES: Final = ("s3", "gs", "az", "file")
_CHUNK: Final = re.compile(r"(\d+)/(\d+)-(\d+)\.gz\Z")
_REASON: Final = "ObjectStore"
_ATTEMPT: Final = timedelta(seconds=1)
"""Of a call; it is tried again for about twice as long."""
_CLIENT: Final = re.compile(
    r"(aws_|google_|azure_)?(allow_|connect_timeout|default_content_type|http1_|http2_|pool_|proxy_"
    r"|randomize_|read_timeout|timeout|user_agent)",
    re.IGNORECASE,
)
"""Options of obstore's client. Where they stand among a store's own, obstore ends the process."""
_MOMENT: Final = 4.0
"""Seconds in which a list or a chunk is there."""
_LONG: Final = 12.0
"""Seconds in which a part of an overflow is there."""
_AHEAD: Final = 16
"""Chunks that are read at a time."""
_PUT: Final = 2.5
"""Seconds in which a chunk is written; see controller/archiving.py."""
_PAUSE: Final = 2.0
"""Seconds for which nothing is asked of a store that did not answer."""
_LONGEST: Final = timedelta(days=7)
"""For which S3 takes a pre-signed URL."""


def _url(text: str) -> str:
    if not text:
        return ""
    parts = urlsplit(text)
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"must begin with {', '.join(f'{name}://' for name in _SCHEMES)}")
    if parts.scheme == "file" and (parts.netloc or not parts.path.strip("/")):
        raise ValueError("must name a folder with an absolute path, such as file:///archive")
    if parts.scheme != "file" and not parts.netloc:
        raise ValueError(f"must name a bucket, such as {parts.scheme}://bucket/prefix")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must hold a bucket and a prefix only; the rest goes into the options")
    return text.rstrip("/")


class StoreSettings(BaseSettings):
    """Which object store, if any; the settings of both programs begin with these."""

    archive_url: Annotated[str, AfterValidator(_url)] = Field(
        "",
        description="Object store for logs: s3://BUCKET/PREFIX, gs://, az:// or file:///FOLDER; "
        "empty: ConfigMaps.",
    )
    archive_options: dict[str, str] = Field(
        {}, description="Options of the store, such as aws_region and aws_endpoint."
    )
    archive_credentials: str = Field(
        "", description="Folder with a file for each further, secret option."
    )

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.archive_url:
            try:
                _connect(self.archive_url, self.archive_options)
            except OSError as error:
                why = (error.strerror or "no such volume").lower()
                text = f"OCTANS_ARCHIVE_URL: {self.archive_url} can't be used: {why}"
                raise ValueError(text) from error
        return self


@dataclass(frozen=True, slots=True)
class Uploads:
    """Where pods may upload their overflow."""

    urls: tuple[tuple[str, ...], ...] = ()
    """For each slice pre-signed URLs for PUT, one a part; empty: nowhere."""
    headers: dict[str, str] = field(default_factory=dict)
    """Which each upload needs."""


class ObjectArchive:
    """The archive under one URL; see archive.Archive."""

    bounded = False

    def __init__(self, settings: StoreSettings, fence: Callable[[str], None]) -> None:
        """`fence` raises errors.NotLeading where this process may not write."""
        self.place = settings.archive_url
        self._settings = settings
        self._fence = fence
        self._away_until = 0.0
        self._made: tuple[dict[str, str], ObjectStore] | None = None

    async def append(self, task: AnsibleTask, chunk: Chunk) -> Chunk:
        """Keep a chunk."""
        name = _chunk(task.metadata.uid, chunk.index, chunk.first, chunk.last)
        self._fence(f"PUT {name}")
        try:
            async with self._answered(_PUT):
                await obstore.put_async(self._store(), name, chunk.data)
        except errors.NotFound as error:
            # What stores say of a bucket that is not there, and some of a key that they don't know.
            text = f"{self.place} is not there, or does not know our key."
            raise errors.Forbidden(text, reason=_REASON) from error
        return chunk

    async def remove(self, task: AnsibleTask, index: int, first: int) -> None:
        """Nothing goes for want of room."""

    async def read(self, task: AnsibleTask) -> AsyncIterator[Chunk]:
        """All chunks of one task, by slice and first frame, a few in memory at a time."""
        uid = task.metadata.uid
        found = [match for name in await self._names(uid) if (match := _CHUNK.search(name))]
        spans = sorted(tuple(map(int, match.groups())) for match in found)

        async def one(index: int, first: int, last: int) -> Chunk | None:
            try:
                data = await self._get(_chunk(uid, index, first, last))
                return Chunk(uid, index, first, last, data)
            except errors.NotFound:
                return None  # it is being removed

        for at in range(0, len(spans), _AHEAD):
            for chunk in await asyncio.gather(*(one(*span) for span in spans[at : at + _AHEAD])):
                if chunk is not None:
                    yield chunk

    def walk(self, task: AnsibleTask) -> AsyncIterator[Chunk]:
        """The same: a list of a prefix is cheap here."""
        return self.read(task)

    async def overflow(self, task: AnsibleTask, index: int, part: int) -> list[bytes]:
        """The lines of a part of a slice's overflow; none where it is damaged."""
        name = _part(task.metadata.uid, index, part)
        return await asyncio.to_thread(unpack, await self._get(name, _LONG))

    async def clear(self, task: AnsibleTask) -> None:
        """Remove all of a task's objects."""
        uid = task.metadata.uid
        # Again, since others may do the same: then a deletion may end half-way.
        while names := await self._names(uid):
            self._fence(f"DELETE {uid}/")
            try:
                with self._words():
                    await obstore.delete_async(self._store(), names)
            except errors.NotFound:
                continue

    async def uploads(self, task: AnsibleTask) -> Uploads:
        """Where the task's pods may upload their overflow, for 7 days, since how long they wait for
        a node is not known; nowhere where the store is a folder, which pods don't have."""
        store = self._store()
        if not isinstance(store, S3Store | GCSStore | AzureStore):
            return Uploads()
        slices, uid = task.spec.slice_count, task.metadata.uid
        with self._words():
            first = await obstore.sign_async(store, "PUT", _part(uid, 0, 0), _LONGEST)
            parts = min(PARTS, _URLS // (slices * (len(first) + 3)))
            names = [_part(uid, at, part) for at in range(slices) for part in range(parts)]
            urls = await obstore.sign_async(store, "PUT", names, _LONGEST) if names else ()
        azure = isinstance(store, AzureStore)
        return Uploads(
            tuple(tuple(urls[at : at + parts]) for at in range(0, len(urls), parts or 1)),
            {"x-ms-blob-type": "BlockBlob"} if azure else {},
        )

    async def _names(self, uid: str) -> list[str]:
        async with self._answered(_MOMENT):
            stream = obstore.list(self._store(), prefix=f"{uid}/")
            return [str(found["path"]) async for page in stream for found in page]

    async def _get(self, name: str, seconds: float = _MOMENT) -> bytes:
        async with self._answered(seconds):
            found = await obstore.get_async(self._store(), name)
            if found.meta["size"] > UNPACKED:
                return b""  # none of ours
            return bytes(await found.bytes_async())

    @asynccontextmanager
    async def _answered(self, seconds: float) -> AsyncIterator[None]:
        """A call may take so long; where one gets no answer, others don't wait for one, either."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until:
            raise errors.Unavailable(f"{self.place} did not answer.", reason=_REASON)
        try:
            with self._words():
                async with asyncio.timeout(seconds):
                    yield
        except errors.Unavailable:
            self._away_until = loop.time() + _PAUSE
            raise

    def _store(self) -> ObjectStore:
        """The client, made anew when the mounted credentials have changed."""
        try:
            mounted = _mounted(self._settings.archive_credentials)
        except (OSError, UnicodeError) as error:
            text = f"{self.place}: the mounted credentials can't be read."
            raise errors.Forbidden(text, reason=_REASON) from error
        options = self._settings.archive_options | mounted
        if self._made is None or self._made[0] != options:
            try:
                self._made = options, _connect(self.place, options)
            except ValueError as error:
                text = f"{self.place}: with the mounted ones, {error}."
                raise errors.Forbidden(text, reason=_REASON) from error
        return self._made[1]

    @contextmanager
    def _words(self) -> Iterator[None]:
        """Make the store's errors ours, in sentences without its own words, which quote URLs."""
        try:
            yield
        except (exceptions.NotFoundError, FileNotFoundError) as error:
            raise errors.NotFound(f"{self.place} does not hold it.", reason=_REASON) from error
        except (
            exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError,
        ) as error:  # fmt: skip
            raise errors.Forbidden(f"{self.place} refused it.", reason=_REASON) from error
        except (exceptions.BaseError, OSError, TimeoutError) as error:
            raise errors.Unavailable(f"{self.place} did not answer.", reason=_REASON) from error


def _connect(url: str, options: dict[str, str]) -> ObjectStore:
    """ValueError, with a sentence that quotes no value, where the options are wrong."""
    if wrong := sorted(filter(_CLIENT.match, options)):
        raise ValueError(f"the options can't hold {', '.join(wrong)}")
    if url.startswith("file:"):
        return LocalStore(urlsplit(url).path, mkdir=True, automatic_cleanup=True)
    plain = any(value.startswith("http://") for value in options.values())
    config: Any = options
    try:
        return from_url(
            url,
            config=config,
            client_options={
                # A chunk takes milliseconds; a part of an overflow takes longer to read.
                "timeout": 10 * _ATTEMPT, "connect_timeout": _ATTEMPT, "allow_http": plain,
            },
            retry_config={"max_retries": 3, "retry_timeout": 2 * _ATTEMPT},
        )  # fmt: skip
    except (exceptions.BaseError, ValueError) as error:
        # Its own words would quote options.
        raise ValueError("the options do not fit the store") from error


def _mounted(folder: str) -> dict[str, str]:
    """The files of a mounted Secret: name to content."""
    if not folder:
        return {}
    files = (file for file in Path(folder).iterdir() if not file.name.startswith("."))
    return {file.name: file.read_text(encoding="utf-8").strip() for file in files}


def _chunk(uid: str, index: int, first: int, last: int) -> str:
    return f"{uid}/{index}/{first:09}-{last:09}.gz"


def _part(uid: str, index: int, part: int) -> str:
    return f"{uid}/{index}/overflow-{part:03}.gz"
