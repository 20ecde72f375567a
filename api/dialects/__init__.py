"""What was found -> the answers of the two generations of callers. Pure; the core knows neither."""

from collections.abc import Sequence
from typing import Any, Protocol

from api.dialects import documented, field
from api.loglines import Line
from api.request import Headers, Target
from api.view import TaskView


class Dialect(Protocol):
    """How one generation of callers is spoken to."""

    WORK_FIELDS: tuple[str, ...]
    """Where the work stands in the body, the first that is there."""
    NEEDS_CORRELATION: bool
    """Whether run and parallel_run are refused without X-CORRELATION-ID."""
    PARALLEL_WAITS: bool
    """Whether parallel_run answers when the task has ended."""
    MISSING_LOG: str | None
    """Message of the 404 when getlog matches nothing; None: it is an empty log."""

    def checked(self, task: TaskView) -> dict[str, Any]:
        """The content of a `check` answer."""

    def log(self, lines: Sequence[Line]) -> Any:  # noqa: ANN401 - a whole answer of any shape
        """The whole `getlog` answer."""

    def unknown(self, target: Target, *, to_stop: bool) -> str:
        """Message about a task that is not there."""


DOCUMENTED: Dialect = documented
FIELD: Dialect = field


def of(headers: Headers) -> Dialect:
    """The dialect that a caller speaks."""
    return FIELD if headers.field_dialect else DOCUMENTED
