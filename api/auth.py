"""Who calls, and whether they may."""

from typing import Protocol

from starlette.requests import Request


class Authenticator(Protocol):
    """Knows callers; raises NotAuthenticated or NotAllowed."""

    async def caller(self, request: Request, call: str) -> str:
        """The identity of whoever sends a request; empty where nobody is asked."""


class Anybody:
    """Mode `none`: whoever reaches the port may call."""

    async def caller(self, request: Request, call: str) -> str:  # noqa: ARG002
        """Nobody is asked."""
        return ""
