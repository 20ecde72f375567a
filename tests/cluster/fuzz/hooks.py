"""Makes every name that could make a task a new one: names in use are refused, by contract."""

import secrets
from typing import Any

import schemathesis

_LONGEST = 253
_NEW = 12
"""Characters that make it so; a name of any valid length keeps its length or grows by these."""


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:  # noqa: ARG001 - their form
    """Before each request is sent."""
    body = case.body
    if case.operation.path in ("/api/run", "/api/parallel_run") and isinstance(body, dict):
        name = body.get("name")
        if isinstance(name, str) and 1 <= len(name) <= _LONGEST:
            case.body = {**body, "name": name[: _LONGEST - _NEW] + secrets.token_hex(_NEW // 2)}
