"""The dialect of the clients in the field: content with parts, ids at once. Pure."""

import json
from collections.abc import Sequence
from typing import Any, Final

from api.dialects.extras import extras
from api.loglines import Line
from api.request import Target
from api.view import TaskView

WORK_FIELDS: Final[tuple[str, ...]] = ("tasks",)
NEEDS_CORRELATION: Final[bool] = True
PARALLEL_WAITS: Final[bool] = False
MISSING_LOG: Final[str | None] = None


def checked(task: TaskView) -> dict[str, Any]:
    """The content of a `check` answer; a node's `log` is JSON text."""
    return {
        "task": {"id": task.id, "status": task.status, "err": task.err, **extras(task)},
        "nodes": [
            {
                "ip": node.name,
                "status": node.status,
                "log": json.dumps(node.log, ensure_ascii=False),
            }
            for node in task.nodes
        ],
    }


def log(lines: Sequence[Line]) -> dict[str, Any]:
    """The lines in their envelope; a space follows each result."""
    return {"code": 0, "content": {"log": [line.text(after_result=" ") for line in lines]}}


def unknown(target: Target, *, to_stop: bool) -> str:
    """Message about a task that is not there."""
    if to_stop:
        return "task not found"
    if target.id is not None:
        return f"no task found for specified id:{target.id}"
    return f"no task found for specified name:{target.name}"
