"""Who calls, and whether they may.

Modes: `kubernetes` asks the cluster who a bearer token is (TokenReview, with our audience) and
whether that identity may do with AnsibleTasks what the call does (SubjectAccessReview); `token`
compares with one shared token; `none` asks nobody. Beside any mode, callers from trusted networks
need no token and are known by their source header.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from starlette.requests import Request

from api import address
from api.problems import NotAllowed, NotAuthenticated
from api.remembered import Remembered
from api.settings import Settings
from crds import names
from crds.client import Client

SHARED: Final = "token"
"""What everybody is called who has the shared token."""
VERBS: Final = {
    "run": "create",
    "parallel_run": "create",
    "stop": "patch",
    "check": "get",
    "getlog": "list",
}
"""What each call does with AnsibleTasks, as RBAC calls it."""
_MOST_REMEMBERED: Final = 10_000
_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCESS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class Authenticator(Protocol):
    """Knows callers by their bearer token; raises NotAuthenticated or NotAllowed."""

    async def caller(self, token: str, call: str, stranger: Callable[[], None]) -> str:
        """The identity that a token stands for; empty where nobody is asked.

        `stranger` counts a token that is not known, before it costs anything, and may raise.
        """


def of(settings: Settings, client: Client, clock: Callable[[], float]) -> Authenticator:
    """What the installation chose; ValueError where a choice is incomplete."""
    if settings.auth == "kubernetes":
        return Kubernetes(client, settings, clock)
    if settings.auth == "token":
        return SharedToken(settings.auth_token.get_secret_value())
    return Anybody()


async def identify(
    authenticator: Authenticator,
    settings: Settings,
    request: Request,
    call: str,
    stranger: Callable[[], None],
) -> str:
    """Who sends a request; empty where nobody was asked or a trusted network was enough.

    `stranger` is called for whoever is still to be got to know, and may raise.
    """
    peer = request.client.host if request.client else ""
    if settings.trusted_networks:
        where = address.of_caller(peer, request.headers.items(), settings.proxy_networks)
        if address.trusted(where, settings.trusted_networks):
            return ""
    return await authenticator.caller(_bearer(request), call, stranger)


def _bearer(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


class Anybody:
    """Mode `none`: whoever reaches the port may call."""

    async def caller(self, token: str, call: str, stranger: Callable[[], None]) -> str:  # noqa: ARG002 - the protocol's
        """Nobody is asked."""
        return ""


class SharedToken:
    """Mode `token`: one token for all callers."""

    def __init__(self, token: str) -> None:
        if not token:
            raise ValueError("OCTANS_AUTH=token needs OCTANS_AUTH_TOKEN")
        self._digest = _digest(token)

    async def caller(self, token: str, call: str, stranger: Callable[[], None]) -> str:  # noqa: ARG002 - the protocol's
        """SHARED for whoever has it."""
        if not token:
            raise NotAuthenticated("a bearer token is needed")
        # Digests of equal length, compared in constant time: nothing is learned from how long.
        if not hmac.compare_digest(_digest(token), self._digest):
            stranger()
            raise NotAuthenticated("the bearer token is not valid")
        return SHARED


@dataclass(frozen=True, slots=True)
class _Identity:
    name: str
    review: dict[str, Any]
    """The user as a SubjectAccessReview wants it."""


class Kubernetes:
    """Mode `kubernetes`: the cluster knows callers and their rights."""

    def __init__(self, client: Client, settings: Settings, clock: Callable[[], float]) -> None:
        self._client = client
        self._audience = settings.auth_audience
        self._namespace = settings.namespace
        # Asked anew before an answer is too old, so that a moment without the Kubernetes API turns
        # nobody away.
        kept, renewal = settings.auth_cache_seconds, settings.auth_cache_seconds / 2
        self._identities: Remembered[_Identity | None] = Remembered(
            kept, _MOST_REMEMBERED, clock, renewal=renewal
        )
        self._rights: Remembered[bool] = Remembered(kept, _MOST_REMEMBERED, clock, renewal=renewal)

    async def caller(self, token: str, call: str, stranger: Callable[[], None]) -> str:
        """The user name that the cluster gives the token's owner."""
        if not token:
            raise NotAuthenticated("a bearer token is needed")
        key = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        identity = await self._identities.get(
            key,
            lambda: self._review(token, stranger),
            renew=lambda: self._review(token, stranger=lambda: None),
        )
        if identity is None:
            raise NotAuthenticated("the bearer token is not valid")
        verb = VERBS[call]
        if not await self._rights.get(f"{verb} {key}", lambda: self._allowed(identity, verb)):
            raise NotAllowed(
                f"this identity may not {verb} {names.PLURAL} in the tasks' namespace",
                identity.name,
            )
        return identity.name

    async def _review(self, token: str, stranger: Callable[[], None]) -> _Identity | None:
        stranger()
        spec = {"token": token, "audiences": [self._audience]}
        answer = await self._client.post(
            _REVIEWS,
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec},
        )
        status = answer.get("status", {})
        # An authenticator that knows no audiences leaves the field out: not meant for us.
        if not status.get("authenticated") or self._audience not in status.get("audiences", []):
            return None
        user = status.get("user", {})
        told = {key: user[key] for key in ("uid", "groups", "extra") if key in user}
        return _Identity(user.get("username", ""), {**told, "user": user.get("username", "")})

    async def _allowed(self, identity: _Identity, verb: str) -> bool:
        attributes = {
            "namespace": self._namespace,
            "verb": verb,
            "group": names.GROUP,
            "resource": names.PLURAL,
        }
        answer = await self._client.post(
            _ACCESS,
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {**identity.review, "resourceAttributes": attributes},
            },
        )
        return answer.get("status", {}).get("allowed") is True


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
