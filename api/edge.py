"""The outermost layer: counts, times and logs every request, and lets no fault out unanswered."""

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import refusal
from api.limits import Memory
from api.problems import Internal, TooMany

_log = logging.getLogger("octans.api")
_access = logging.getLogger("octans.api.access")
_KNOWN = frozenset(
    [f"/api/{name}" for name in ("run", "stop", "check", "getlog", "parallel_run")]
    + ["/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"]
)
_QUIET = frozenset(["/healthz", "/readyz", "/metrics"])


class _NotRead(Exception):
    """The client did not read its answer in time."""


@dataclass(slots=True)
class Seen:
    """What is learned of one request while it is answered, for its line in the log."""

    status: int = 0
    task: str = ""
    call: str = ""
    caller: str = ""
    source: str = ""
    held: int = 0
    """Bytes of its body that are in memory."""


def seen(scope: Scope) -> Seen:
    """What is known of a request so far."""
    found = scope.setdefault("octans", Seen())
    if not isinstance(found, Seen):
        raise TypeError("the request did not come through the edge")
    return found


class Edge:
    """Wraps the whole application; `most` requests are answered at a time."""

    def __init__(
        self,
        app: ASGIApp,
        registry: CollectorRegistry,
        memory: Memory,
        *,
        most: int,
        answer_seconds: float,
    ) -> None:
        self.inner = app
        self._memory = memory
        self._most = most
        self._answer_seconds = answer_seconds
        self._count = 0
        self._requests = Counter(
            "octans_http_requests", "Requests answered.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "octans_http_request_seconds", "Seconds to the whole answer.", ["path"],
            registry=registry,
        )  # fmt: skip
        self._open = Gauge(
            "octans_http_requests_in_flight", "Requests being answered.", registry=registry
        )
        self._open.set_function(lambda: self._count)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of any kind."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        # Nothing here is served in parts, and the framework answers ranges in shapes of its own.
        scope["headers"] = [line for line in scope["headers"] if line[0] != b"range"]
        begun, known = time.perf_counter(), seen(scope)
        until = float("inf")

        async def noted(message: Message) -> None:
            nonlocal until
            if message["type"] == "http.response.start":
                until = asyncio.get_running_loop().time() + self._answer_seconds
                known.status = message["status"]
                known.task = dict(message["headers"]).get(b"x-task-id", b"").decode()
            # A client that does not read is given up; so is its connection.
            try:
                async with asyncio.timeout_at(until):
                    await send(message)
            except TimeoutError as error:
                raise _NotRead from error

        self._count += 1
        try:
            await self._answered(scope, receive, noted)
        finally:
            self._count -= 1
            self._memory.give(known.held)
            self._note(scope, known, time.perf_counter() - begun)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = seen(scope)
        try:
            if self._count > self._most and scope["path"] not in _QUIET:
                busy = TooMany(f"too many requests at a time: at most {self._most}")
                await refusal(busy)(scope, receive, send)
            else:
                await self.inner(scope, receive, send)
        except _NotRead:
            _log.warning("a client did not read its answer", extra={"path": scope["path"][:200]})
        except Exception:
            if known.status:
                return  # logged and answered, or cut off, by the application
            error_id = secrets.token_hex(6)
            _log.exception("request failed", extra={"error_id": error_id})
            await refusal(Internal(error_id))(scope, receive, send)

    def _note(self, scope: Scope, known: Seen, seconds: float) -> None:
        path = scope["path"] if scope["path"] in _KNOWN else "other"
        self._requests.labels(path, str(known.status)).inc()
        self._seconds.labels(path).observe(seconds)
        if path in _QUIET and known.status == 200:
            return
        _access.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": known.status,
                "ms": round(seconds * 1000, 1),
                "call": known.call,
                "task": known.task,
                "caller": known.caller,
                "source": known.source[:200],
                "client": (scope.get("client") or ("",))[0],
            },
        )
