"""What can go wrong between a part of Octans and the Kubernetes API, or its object store.

    ClusterError
    ├── NotFound         no such object (404)
    ├── AlreadyExists    an object of that name is there (409)
    ├── Conflict         a precondition failed: look again (409)
    ├── Invalid          the API server refused the object's content (400, 413, 422)
    ├── Expired          a resource version is too old (410)
    ├── Unauthorized     our own credentials are not accepted (401)
    ├── Forbidden        we may not do this (403)
    │   └── OverQuota    a ResourceQuota of the namespace is used up (403)
    ├── StoreNotConfigured  a log is in an object store that is not set up any more
    └── Unavailable      away, slow, overloaded: trying again may help (429, 5xx, network)
        └── NotLeading   not sent: this process does not hold the Lease at the moment

Messages are bounded and are the API server's own words, or a sentence about the object store; they
are for logs and conditions, not for HTTP callers.
"""

from typing import Final

MESSAGE_LIMIT: Final = 1000
"""Characters of an API server's message that are kept."""
EXCEEDED: Final = "exceeded quota"
"""How the API server and the Job controller say that a quota refuses something."""


class ClusterError(Exception):
    """A call to the Kubernetes API failed."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message[:MESSAGE_LIMIT])
        self.status = status
        self.reason = reason


class NotFound(ClusterError):
    """No such object."""


class AlreadyExists(ClusterError):
    """An object of that name is there."""


class Conflict(ClusterError):
    """A resourceVersion or uid precondition failed."""


class Invalid(ClusterError):
    """The API server refused the object's content."""


class Expired(ClusterError):
    """A resource version or a list's continuation is too old."""


class Unauthorized(ClusterError):
    """Our credentials are not accepted."""


class Forbidden(ClusterError):
    """Our credentials do not allow this."""


class OverQuota(Forbidden):
    """A ResourceQuota of the namespace is used up; the message names it."""


class StoreNotConfigured(ClusterError):
    """A log is in an object store that is not set up any more."""


class Unavailable(ClusterError):
    """The API server is away, slow or overloaded; `retry_after` is in seconds."""

    def __init__(
        self, message: str, *, status: int = 0, reason: str = "", retry_after: float = 1.0
    ) -> None:
        super().__init__(message, status=status, reason=reason)
        self.retry_after = retry_after


class NotLeading(Unavailable):
    """Not sent, because this process does not hold the Lease at the moment."""


_BY_STATUS: Final[dict[int, type[ClusterError]]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    413: Invalid,
    422: Invalid,
}


def from_answer(status: int, reason: str, message: str, retry_after: float = 1.0) -> ClusterError:
    """The error that an API server's answer means; status is HTTP's, reason Kubernetes'."""
    if status == 409 and reason == "AlreadyExists":
        return AlreadyExists(message, status=status, reason=reason)
    if status == 429 or status >= 500:
        return Unavailable(message, status=status, reason=reason, retry_after=retry_after)
    if status == 403 and EXCEEDED in message:
        return OverQuota(message, status=status, reason=reason)
    return _BY_STATUS.get(status, ClusterError)(message, status=status, reason=reason)
