"""The request's body as a JSON object, bounded while it is read."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, NoReturn

from starlette.requests import ClientDisconnect, Request

from api.problems import BadJson, TooLarge, TooSlow

_DISCARD_BYTES: Final = 8 * 1024 * 1024
_DISCARD_SECONDS: Final = 2.0
"""So much of a body that is too large is read and thrown away."""


async def read(
    request: Request, *, limit: int, seconds: float, hold: Callable[[int], None]
) -> dict[str, Any]:
    """The body's JSON object, whatever Content-Type says.

    At most `limit` bytes are kept in memory, each told to `hold` before; a client slower than
    `seconds` is given up.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:12]) > limit:
        raise await _too_large(request, limit)
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                if len(data) + len(piece) > limit:
                    raise await _too_large(request, limit)
                hold(len(piece))
                data += piece
    except TimeoutError as error:
        raise TooSlow(f"the request body must arrive within {seconds:g} seconds") from error
    except ClientDisconnect as error:
        raise TooSlow("the client went away before the request was complete") from error
    return parse(bytes(data))


async def _too_large(request: Request, limit: int) -> TooLarge:
    """The refusal of a body, some of which is read and thrown away before.

    A connection that is closed while its client still sends is reset, and many a client then never
    sees the answer. One that waits for `100 Continue` sends nothing more.
    """
    thrown = 0
    if "expect" not in request.headers:
        try:
            async with asyncio.timeout(_DISCARD_SECONDS):
                while thrown < _DISCARD_BYTES:
                    message = await request.receive()
                    thrown += len(message.get("body", b""))
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            pass  # it is answered all the same
    return TooLarge(
        f"the request body must be at most {limit} bytes", headers={"Connection": "close"}
    )


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object in a body; of a key given twice the last counts."""
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadJson from error
    if not isinstance(value, dict):
        raise BadJson
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")  # NaN, Infinity, -Infinity
