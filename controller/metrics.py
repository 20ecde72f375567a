"""Counters and histograms of the controller; labels are bounded lists only."""

from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from crds.conditions import Phase
from crds.model import AnsibleTask

_SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)

LEADER = Gauge("octans_leader", "1 while this process leads; a standby has 0.")
WATCH_AGE = Gauge(
    "octans_watch_age_seconds",
    "Since a watch was last known to show what lists find; NaN: not yet.", ["kind"],
)  # fmt: skip
FINISHED = Counter("octans_tasks_finished_total", "Tasks ended.", ["phase", "reason"])
WAITING = Gauge("octans_tasks_waiting", "Tasks that wait for a place or for hosts.")
ACTIVE = Gauge("octans_tasks_active", "Tasks that have a Job.")
QUEUE = Gauge("octans_workqueue_depth", "Tasks due to be looked at.")
ERRORS = Counter("octans_reconcile_errors_total", "Looks at a task that failed.", ["error"])
START = Histogram(
    "octans_task_start_seconds", "From a task's creation to its first pod's start.",
    buckets=_SECONDS,
)  # fmt: skip
RUN = Histogram(
    "octans_task_run_seconds", "From the first pod's start to the task's end.", buckets=_SECONDS
)


STOP = Histogram(
    "octans_task_stop_seconds",
    "From when a stop, or the deletion of what runs, was seen to the phase Stopped.",
    buckets=_SECONDS,
)


def count_end(task: AnsibleTask, stop_since: datetime | None, now: datetime) -> None:
    """Note a task that has just ended; `stop_since`: when it was first seen that it is to stop."""
    status = task.status
    if stop_since is not None and status.phase is Phase.STOPPED:
        STOP.observe((now - stop_since).total_seconds())
    FINISHED.labels(status.phase.value, status.reason).inc()
    if status.start_time is None:
        return
    START.observe((status.start_time - task.metadata.creation_timestamp).total_seconds())
    if status.completion_time is not None:
        RUN.observe((status.completion_time - status.start_time).total_seconds())
