"""What can go wrong with a request: each problem is one HTTP status and one sentence.

    Problem
    ├── BadJson            400  the body is no JSON object
    ├── ParamError         400  a field is missing or of the wrong kind
    ├── NoCorrelation      400  the field dialect needs X-CORRELATION-ID
    ├── DuplicateName      400  the task name is in use
    ├── NotAuthenticated   401
    ├── NotAllowed         403
    ├── NotFound           404  no such task, or no such path
    ├── WrongMethod        405
    ├── TooSlow            408  the body took too long to arrive
    ├── TooLarge           413
    ├── TooMany            429
    ├── Internal           500
    ├── NoRoom             503  a ResourceQuota of the tasks' namespace is used up
    └── Away               503  the Kubernetes API cannot be reached

Texts and statuses are those of the error table of the HTTP contract.
"""

from crds import errors


class Problem(Exception):
    """A request that is answered with `{"code":-1,"message":...}`."""

    status = 500

    def __init__(self, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}

    def body(self) -> dict[str, object]:
        """The answer."""
        return {"code": -1, "message": self.message}


class BadJson(Problem):
    """The body is not JSON, or not an object."""

    status = 400

    def __init__(self) -> None:
        super().__init__("json encode error")


class ParamError(Problem):
    """A field is missing or of the wrong kind; the sentence names it."""

    status = 400

    def __init__(self, sentence: str) -> None:
        super().__init__(f"param error, error: {sentence}")


class NoCorrelation(Problem):
    """A field client sent no correlation id where one is needed."""

    status = 400

    def __init__(self) -> None:
        super().__init__("X-CORRELATION-ID is empyt")  # the misspelling is part of the contract


class DuplicateName(Problem):
    """A task of this name is kept already."""

    status = 400

    def __init__(self) -> None:
        super().__init__("task name is duplicate")


class NotAuthenticated(Problem):
    """Nobody we know."""

    status = 401

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})


class NotAllowed(Problem):
    """Known as `caller`, but without the right."""

    status = 403

    def __init__(self, message: str, caller: str) -> None:
        super().__init__(message)
        self.caller = caller


class NotFound(Problem):
    """No such task, or nothing at this path."""

    status = 404


class WrongMethod(Problem):
    """The path is there, but not for this method."""

    status = 405


class TooSlow(Problem):
    """The client took too long to send its request; its connection is closed."""

    status = 408

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Connection": "close"})


class TooLarge(Problem):
    """The body or a part of it exceeds a limit."""

    status = 413


class TooMany(Problem):
    """The caller asks too often; `retry_after` in seconds."""

    status = 429

    def __init__(self, message: str, retry_after: float = 1) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, round(retry_after)))})


class NoRoom(Problem):
    """A ResourceQuota takes no more tasks, or none of the Secrets that parameters are kept in.

    The same request succeeds once there is room again.
    """

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "a quota of the tasks' namespace is used up, try again later",
            headers={"Retry-After": "15"},
        )


class Away(Problem):
    """The Kubernetes API cannot be reached; nothing is known to have been done."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "the Kubernetes API cannot be reached at the moment, try again",
            headers={"Retry-After": "2"},
        )


class LogAway(Problem):
    """The object store with a task's log can't be read; its status is known all the same."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "the archive of the logs cannot be read at the moment, try again",
            headers={"Retry-After": "15"},
        )


class Internal(Problem):
    """A fault of ours; the log has the rest under the same error id."""

    def __init__(self, error_id: str) -> None:
        super().__init__(f"internal error, see error id {error_id} in the log of the API")


def of_cluster_error(error: errors.ClusterError) -> Problem | None:
    """The problem that a failed call to the Kubernetes API is for the caller; None: a fault of
    ours or of the installation, to be answered as an internal error."""
    if isinstance(error, errors.OverQuota):
        return NoRoom()
    # A conflict is a quota's: its own bookkeeping collides where much is made at once. Credentials
    # are refused when our own pod is being removed; another one answers then.
    passing = errors.Unavailable | errors.Conflict | errors.Unauthorized
    return Away() if isinstance(error, passing) else None
