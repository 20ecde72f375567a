"""Answers: JSON, and the headers that say which task they are about. Pure."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from api.problems import Problem

_FITS = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def render(content: Any) -> bytes:  # noqa: ANN401 - any JSON
    """JSON in UTF-8; a lone surrogate out of some program's output becomes a question mark."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def answer(
    content: Any,  # noqa: ANN401 - any JSON
    *,
    status: int = 200,
    task_id: int | None = None,
    task_status: int | None = None,
    correlation: str | None = None,
    warnings: Sequence[str] = (),
    age: float | None = None,
) -> Response:
    """A JSON answer; a correlation id that fits no header is left out.

    `age` is how many seconds ago it was true, where it comes from memory.

    `warnings` are ASCII texts without quotes; each becomes a header as Kubernetes writes them.
    """
    response = Response(render(content), status, media_type="application/json")
    if task_id is not None:
        response.headers["X-TASK-ID"] = str(task_id)
    if task_status is not None:
        response.headers["X-TASK-STATUS"] = str(task_status)
    if correlation and _FITS.fullmatch(correlation):
        response.headers["X-CORRELATION-ID"] = correlation
    if age is not None:
        response.headers["Age"] = str(math.ceil(age))
    for warning in filter(None, warnings):
        response.headers.append("Warning", f'299 - "{warning}"')
    return response


def refusal(problem: Problem) -> Response:
    """The answer that a problem is."""
    response = answer(problem.body(), status=problem.status)
    response.headers.update(problem.headers)
    return response
