"""The dialect of the published document: flat content, bare arrays of lines. Pure."""

import json
from collections.abc import Sequence
from email.utils import format_datetime
from typing import Any, Final

from api.dialects.extras import extras
from api.loglines import Line
from api.request import Target
from api.view import TaskView

WORK_FIELDS: Final[tuple[str, ...]] = ("tasks", "content")
NEEDS_CORRELATION: Final[bool] = False
PARALLEL_WAITS: Final[bool] = True
MISSING_LOG: Final[str | None] = "task not found..."


def checked(task: TaskView) -> dict[str, Any]:
    """The content of a `check` answer; `log` and `nodes` are JSON text."""
    return {
        "create_time": format_datetime(task.created, usegmt=True),
        "err": task.err or None,
        "id": task.id,
        "log": json.dumps(task.log, ensure_ascii=False),
        "nodes": json.dumps([node.name for node in task.nodes], ensure_ascii=False),
        "status": task.status,
        "update_time": format_datetime(task.updated, usegmt=True),
        **extras(task),
    }


def log(lines: Sequence[Line]) -> list[str]:
    """The lines, bare."""
    return [line.text() for line in lines]


def unknown(target: Target, *, to_stop: bool) -> str:  # noqa: ARG001 - one text for all
    """Message about a task that is not there."""
    return "task not found..."
