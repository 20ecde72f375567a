"""A proxy between one of our programs and the API server; it does faults to requests."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from tests.cluster.platform.installation import Installation


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` without its query."""

    method: str
    path: str
    query: dict[str, str]

    @property
    def watch(self) -> bool:
        """Whether it is a watch."""
        return self.query.get("watch") == "true"

    @property
    def follow(self) -> bool:
        """Whether it follows a pod's log."""
        return self.path.endswith("/log") and self.query.get("follow") == "true"

    @property
    def listing(self) -> bool:
        """Whether it is a list of what the controller works on."""
        plural = self.path.rpartition("/")[2]
        return self.method == "GET" and not self.watch and plural in PLURALS

    @property
    def write(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


PLURALS: Final = ("ansibletasks", "jobs", "pods")


class Fault:
    """What is done to a request."""


@dataclass(frozen=True, slots=True)
class Refuse(Fault):
    """The API server is not asked; the answer is this status."""

    status: int
    reason: str = "InternalError"


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """It is passed on after some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class LoseAnswer(Fault):
    """It is carried out, and the connection ends without an answer."""


@dataclass(frozen=True, slots=True)
class Cut(Fault):
    """The connection ends after some seconds, whatever is under way."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Silence(Fault):
    """The answer begins and nothing follows; it never ends."""


@dataclass(frozen=True, slots=True)
class WatchError(Fault):
    """After some seconds an event of type ERROR with a status, then the end of the stream."""

    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Drop(Fault):
    """Watch events for which it is true of their object do not get through."""

    which: Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Replay(Fault):
    """The answer is what the first request of this kind was answered with while the fault lasts."""


Choose = Callable[[Request], Fault | None]


class Proxy:
    """Serves plain HTTP on a loopback port; `choose` decides on each request."""

    def __init__(self, server: str, trust: ssl.SSLContext) -> None:
        self._server = server
        self._trust = trust
        self._replays: dict[str, bytes] = {}
        self._open: set[asyncio.Transport] = set()
        self.choose: Choose = _nothing
        self.done: dict[str, int] = {}
        """How often each kind of fault was done."""

    def becomes(self, choose: Choose | None) -> None:
        """Another fault from now on; None: none. What is under way is cut, else the fault would
        not meet what was begun before it."""
        self.choose = choose or _nothing
        self._replays.clear()
        for transport in self._open:
            transport.abort()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address while it serves."""
        runner = web.ServerRunner(web.Server(self._serve), shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        limits = aiohttp.ClientTimeout(total=None, connect=10)
        connector = aiohttp.TCPConnector(ssl=self._trust, limit=0)
        async with aiohttp.ClientSession(
            connector=connector, timeout=limits, auto_decompress=False
        ) as self._session:
            try:
                yield site.name.rstrip("/")
            finally:
                await runner.cleanup()

    async def _serve(self, incoming: web.BaseRequest) -> web.StreamResponse:
        transport = incoming.transport
        assert transport is not None
        self._open.add(transport)
        try:
            return await self._fault(incoming)
        except ConnectionError:
            return web.Response()  # nobody listens any more
        finally:
            self._open.discard(transport)

    async def _fault(self, incoming: web.BaseRequest) -> web.StreamResponse:
        request = Request(incoming.method, incoming.path, dict(incoming.query))
        fault = self.choose(request)
        if fault is not None:
            title = type(fault).__name__
            self.done[title] = self.done.get(title, 0) + 1
        match fault:
            case Refuse(status, reason):
                return web.json_response(_status(status, reason), status=status)
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Cut(seconds):
                try:
                    async with asyncio.timeout(seconds):
                        return await self._pass_on(incoming, None)
                except TimeoutError:
                    return _hang_up(incoming)
            case Replay():
                return await self._replay(incoming)
        return await self._pass_on(incoming, fault)

    async def _replay(self, incoming: web.BaseRequest) -> web.StreamResponse:
        if incoming.path_qs not in self._replays:
            async with self._ask(incoming) as answer:
                self._replays[incoming.path_qs] = await answer.read()
        body = self._replays[incoming.path_qs]
        return web.Response(body=body, content_type="application/json")

    async def _pass_on(self, incoming: web.BaseRequest, fault: Fault | None) -> web.StreamResponse:
        async with self._ask(incoming) as answer:
            if isinstance(fault, LoseAnswer):
                await answer.read()
                return _hang_up(incoming)
            kept = {"Content-Type", "Retry-After"} & set(answer.headers)
            home = web.StreamResponse(
                status=answer.status, headers={name: answer.headers[name] for name in kept}
            )
            await home.prepare(incoming)
            match fault:
                case Silence():
                    await asyncio.Event().wait()
                case WatchError(status, seconds):
                    await self._break(answer, home, status, seconds)
                case Drop(which):
                    await _sift(answer, home, which)
                case _:
                    async for piece in answer.content.iter_any():
                        await home.write(piece)
            await home.write_eof()
            return home

    async def _break(
        self, answer: aiohttp.ClientResponse, home: web.StreamResponse, status: int, seconds: float
    ) -> None:
        try:
            async with asyncio.timeout(seconds):
                async for line in answer.content:
                    await home.write(line)
        except TimeoutError:
            event = {"type": "ERROR", "object": _status(status, "InternalError")}
            await home.write(json.dumps(event).encode() + b"\n")

    def _ask(self, incoming: web.BaseRequest) -> Any:
        passed = ("Accept", "Authorization", "Content-Type")
        headers = {name: incoming.headers[name] for name in passed if name in incoming.headers}
        headers["Accept-Encoding"] = "identity"  # else long lists come compressed
        body = incoming.content if incoming.can_read_body else None
        return self._session.request(
            incoming.method, self._server + incoming.path_qs, headers=headers, data=body
        )


async def _sift(
    answer: aiohttp.ClientResponse, home: web.StreamResponse, which: Callable[[Any], bool]
) -> None:
    rest = b""
    async for piece in answer.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not which(json.loads(line)["object"]):
                await home.write(line + b"\n")


def _nothing(request: Request) -> None:
    del request


def _hang_up(incoming: web.BaseRequest) -> web.StreamResponse:
    if incoming.transport is not None:
        incoming.transport.abort()
    return web.Response()


def _status(status: int, reason: str) -> dict[str, Any]:
    return {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
        "reason": reason, "message": f"a fault of the tests: {status}",
    }  # fmt: skip


@asynccontextmanager
async def proxied(
    installation: Installation, account: str, folder: Path
) -> AsyncIterator[tuple[Proxy, Path]]:
    """A proxy, and a kubeconfig of one of the installation's accounts that leads through it."""
    direct = await installation.kubeconfig_of(account)
    config = json.loads(direct.read_text())
    cluster = config["clusters"][0]["cluster"]
    proxy = Proxy(cluster["server"], _trust(cluster))
    async with proxy.serving() as address:
        config["clusters"][0]["cluster"] = {"server": address}
        path = folder / f"proxied-{account}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        yield proxy, path


def _trust(cluster: dict[str, str]) -> ssl.SSLContext:
    text = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return ssl.create_default_context(cadata=text)
