"""HTTP connections: uvicorn's, with our words for what is no request and an end to slow clients."""

import asyncio
import re
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.answers import render

_HEAD_SECONDS: Final = 10.0
"""A request line and its headers must arrive within this."""
_HEAD_BYTES: Final = 64 * 1024


_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_UPGRADE = re.compile(rb"^upgrade[ \t]*:[^\n]*\n", re.IGNORECASE | re.MULTILINE)


class Connection(HttpToolsProtocol):
    """One connection; a client that sends its headers too slowly or too long is cut off."""

    _waiting: asyncio.TimerHandle | None = None
    _in_head = True
    _in_body = False
    _within = 0
    """Bytes so far of a head that the parser began with what stood behind a body."""
    _heads = 0
    """Heads that the parser has read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected: it has some seconds to say what it wants."""
        super().connection_made(transport)
        self._head = bytearray()
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._head_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._within = 1
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Its headers are there."""
        self._in_head, self._in_body = False, True
        self._within, self._heads = 0, self._heads + 1
        self._head_came()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is there, if it has one; what comes next is another request."""
        self._in_head, self._in_body = True, False
        self._head_came()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It was answered; what of its body nobody waited for may take a while, not for ever."""
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self._waiting = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def data_received(self, data: bytes) -> None:
        """More of a request; its headers may not grow without end, and are taken in whole.

        An offer to go on in another protocol (`Upgrade`, as Java's client makes with every request)
        is left out: that is allowed (RFC 9110, 7.8), and the parser would lose the body behind it.
        """
        if self._within:
            self._go_on_with_head(data)
            return
        if self._in_head and not self._head:
            data = data.lstrip(b"\r\n")  # RFC 9112, 2.2
            if not data:
                return
        if not self._in_head or not (self._head or data[:1].isalpha()):
            super().data_received(data)
            return
        if not self._head:
            self._unset_keepalive_if_required()
            self._wait_for_head()
        self._head += data
        end = _END_OF_HEAD.search(self._head)
        if (len(self._head) if end is None else end.start()) > _HEAD_BYTES:
            self._too_long()
        elif end is not None:
            head, rest = self._head[: end.end()], self._head[end.end() :]
            self._head = bytearray()
            super().data_received(_UPGRADE.sub(b"", head) + rest)

    def _go_on_with_head(self, data: bytes) -> None:
        heads = self._heads
        super().data_received(data)
        if self._within and self._heads == heads:
            self._within += len(data)
            if self._within > _HEAD_BYTES:
                self._too_long()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """Answer what is no HTTP request."""
        self._refuse(400, "this is no HTTP request")

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        content = render({"code": -1, "message": message})
        head = (
            b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            % len(content)
        )
        self.transport.write(STATUS_LINE[status] + head + content)
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._head_came()
        self._waiting = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def _head_came(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _too_long(self) -> None:
        self._refuse(431, f"the request headers must be at most {_HEAD_BYTES} bytes")

    def _too_slow(self) -> None:
        self._refuse(408, f"the request headers must arrive within {_HEAD_SECONDS:g} seconds")
