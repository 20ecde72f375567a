"""The outermost layer: counts, times and logs every request, and lets no fault out unanswered."""

import logging
import secrets
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import refusal
from api.problems import Internal, TooMany

_log = logging.getLogger("octans.api")
_access = logging.getLogger("octans.api.access")
_KNOWN = frozenset(
    [f"/api/{name}" for name in ("run", "stop", "check", "getlog", "parallel_run")]
    + ["/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"]
)
_QUIET = frozenset(["/healthz", "/readyz", "/metrics"])


class Edge:
    """Wraps the whole application; `most` requests are answered at a time."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, most: int) -> None:
        self.inner = app
        self._most = most
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
        begun = time.perf_counter()
        seen: dict[str, Any] = {"status": 0}

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                seen["task"] = dict(message["headers"]).get(b"x-task-id", b"").decode()
            await send(message)

        self._count += 1
        try:
            if self._count > self._most:
                busy = TooMany(f"too many requests at a time: at most {self._most}")
                await refusal(busy)(scope, receive, noted)
            else:
                await self.inner(scope, receive, noted)
        except Exception:
            error_id = secrets.token_hex(6)
            _log.exception("request failed", extra={"error_id": error_id, "path": scope["path"]})
            if not seen["status"]:
                await refusal(Internal(error_id))(scope, receive, noted)
        finally:
            self._count -= 1
            self._note(scope, seen, time.perf_counter() - begun)

    def _note(self, scope: Scope, seen: dict[str, Any], seconds: float) -> None:
        path = scope["path"] if scope["path"] in _KNOWN else "other"
        self._requests.labels(path, str(seen["status"])).inc()
        self._seconds.labels(path).observe(seconds)
        if path in _QUIET and seen["status"] == 200:
            return
        _access.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": seen["status"],
                "ms": round(seconds * 1000, 1),
                "task": seen.get("task", ""),
                "client": (scope.get("client") or ("",))[0],
            },
        )
