"""What the routes work with: made when the program starts, closed when it ends."""

import asyncio
from dataclasses import dataclass, field

from starlette.requests import Request

from api.auth import Authenticator
from api.elsewhere import Elsewhere
from api.limits import Memory, Rates
from api.recent import Recent
from api.settings import Settings
from api.tasklogs import TaskLogs
from crds.tasks import TaskStore


@dataclass(frozen=True, slots=True)
class Front:
    """The settings, the tasks, and who may do how much."""

    settings: Settings
    tasks: TaskStore
    logs: TaskLogs
    finalizers: tuple[str, ...]
    """Of new tasks."""
    elsewhere: Elsewhere
    recent: Recent
    authenticator: Authenticator
    rates: Rates
    memory: Memory
    waiting: asyncio.Semaphore
    """One place for each parallel_run that may wait for its end: half of all requests."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the program is to end: nobody is kept waiting any longer."""


def of(request: Request) -> Front:
    """The front that a request came to."""
    front = request.app.state.front
    if not isinstance(front, Front):
        raise TypeError("the application was not started")
    return front
