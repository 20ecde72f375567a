"""The request's body as a JSON object, bounded while it is read."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from api.problems import BadJson, TooLarge, TooSlow


async def read(
    request: Request, *, limit: int, seconds: float, hold: Callable[[int], None]
) -> dict[str, Any]:
    """The body's JSON object, whatever Content-Type says.

    At most `limit` bytes are kept in memory, each told to `hold` before; a client slower than
    `seconds` is given up.
    """
    problem = TooLarge(f"the request body must be at most {limit} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:12]) > limit:
        raise problem
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                if len(data) + len(piece) > limit:
                    raise problem
                hold(len(piece))
                data += piece
    except TimeoutError as error:
        raise TooSlow(f"the request body must arrive within {seconds:g} seconds") from error
    except ClientDisconnect as error:
        raise TooSlow("the client went away before the request was complete") from error
    return parse(bytes(data))


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
