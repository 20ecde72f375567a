"""The keys that both dialects' `check` answers carry beyond what their callers expect. Pure."""

from typing import Any

from api.view import TaskView


def extras(task: TaskView) -> dict[str, Any]:
    """Where and why a task stands, in the resource's own words."""
    return {
        "phase": task.phase,
        "reason": task.reason,
        "message": task.message,
        "queue_position": task.queue_position,
        "log_complete": task.log_complete,
    }
