"""What was asked: the body and headers of a call as values. Pure."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from api import nodes, params, work
from api.fields import Fields
from api.freeform import check_text, stored_size
from api.problems import ParamError, TooLarge
from api.settings import Settings
from crds import names
from crds.model import Spec

_MOST_HEADER: Final = 1024
"""Characters of a source, correlation id or idempotency key."""
_MOST_OBJECT: Final = 1024 * 1024
"""Bytes of a spec as stored; etcd refuses 1.5 MiB."""
_USER: Final = r"[A-Za-z0-9_.@+][A-Za-z0-9_.@+$-]*"
_LIMIT: Final = r"[^-@/\s][^@/\n\r]*"
_FIELDS: Final = (
    "name", "nodes", "tasks", "content", "tasktype", "params", "user", "fork_num", "timeout",
    "port", "gather_facts", "become", "pipelining", "check", "diff", "tags", "skip_tags", "limit",
)  # fmt: skip
"""All that a run looks at."""
_MOST_FORKS_AT_ONCE: Final = 50
"""A slice of a parallel run works on so many machines at a time, if it has them."""


@dataclass(frozen=True, slots=True)
class Headers:
    """What a call's headers say of the caller."""

    source: str | None
    """The requesting service; None where no such header came."""
    correlation: str | None
    field_dialect: bool
    idempotency_key: str | None = None
    respond_async: bool = False


def read_headers(headers: Mapping[str, str]) -> Headers:
    """The headers of a call; `headers` maps lower-case names to texts."""
    theirs, documented = _header(headers, "x-source"), _header(headers, "x-resource")
    prefer = headers.get("prefer", "").lower().replace(";", ",").split(",")
    return Headers(
        source=theirs if theirs is not None else documented,
        correlation=_header(headers, "x-correlation-id"),
        field_dialect=theirs is not None,
        idempotency_key=_header(headers, "idempotency-key"),
        respond_async="respond-async" in (word.strip() for word in prefer),
    )


def _header(headers: Mapping[str, str], name: str) -> str | None:
    raw = headers.get(name)
    if raw is None:
        return None
    raw = raw.strip(" \t")  # no part of the value (RFC 9110, 5.5)
    try:
        text = raw.encode("latin-1").decode("utf-8")  # as most clients send other letters
    except UnicodeError:
        text = raw
    if len(text) > _MOST_HEADER:
        raise ParamError(f"{name.upper()} must be at most {_MOST_HEADER} characters")
    return check_text(text, name.upper())


@dataclass(frozen=True, slots=True)
class RunAsk:
    """A piece of work that is asked for."""

    name: str
    spec: Spec
    """Whole but for source, correlation id and varsFrom."""
    params: dict[str, Any] = field(default_factory=dict)


def read_run(
    body: dict[str, Any], work_fields: tuple[str, ...], settings: Settings, *, parallel: bool
) -> RunAsk:
    """What a run or parallel_run body asks for; `work_fields` say where the work stands."""
    given = Fields(body)
    name = given.text("name", most=253)
    if name is None:
        raise ParamError("name must be given: a string of 1 to 253 characters")
    hosts = nodes.read(
        given.get("nodes"), most=settings.max_nodes, limit=settings.max_nodes_bytes,
        allow_loopback=settings.allow_loopback,
    )  # fmt: skip
    kind = given.text("tasktype", most=64) or "ansible_task"
    if kind not in ("ansible_task", "ansible_role"):
        raise ParamError("tasktype must be ansible_task or ansible_role")
    where = next((at for at in work_fields if given.get(at) is not None), work_fields[0])
    asked = work.read(
        given.get(where), kind, where, limit=settings.max_work_bytes, depth=settings.max_depth
    )
    variables = params.read(
        given.get("params"), limit=settings.max_params_bytes, depth=settings.max_depth
    )
    forks = given.whole("fork_num", least=1, most=500) or 5
    options = _options(given)
    # Patterns mean all hosts, so the controller makes one slice where there is a limit.
    slices = 1 if "limit" in options else settings.max_slices
    spec = Spec(
        task_name=name, hosts=hosts, tasks=asked.tasks, roles=asked.roles, playbook=asked.playbook,
        work=asked.text,
        **(_spread(len(hosts), forks, slices) if parallel else {"forks": forks}), **options,
    )  # fmt: skip
    if stored_size(spec.wire()) > _MOST_OBJECT:
        raise TooLarge(f"the task must be at most {_MOST_OBJECT} bytes as stored")
    return RunAsk(name, spec, variables)


def _spread(hosts: int, forks: int, most: int) -> dict[str, int]:
    """Slices of even size, none empty, and the forks of each."""
    slices = min(most, hosts)
    size = -(-hosts // slices)
    return {"slices": slices, "forks": max(forks, min(size, _MOST_FORKS_AT_ONCE))}


def _options(given: Fields) -> dict[str, Any]:
    """The optional fields that came, by their names in the spec."""
    found: dict[str, Any] = {
        "user": given.text(
            "user", most=64, pattern=_USER,
            must="a user name of letters, digits and _ . @ + $ - that starts with none of $ -",
        ),
        "port": given.whole("port", least=1, most=65535),
        "timeout_seconds": given.whole("timeout", least=1, most=86400),
        "tags": given.words("tags"),
        "skip_tags": given.words("skip_tags"),
        "limit": given.text(
            "limit", most=4096, pattern=_LIMIT,
            must="a host pattern that starts with none of - @ / and holds no @, / or line feed",
        ),
    }  # fmt: skip
    for flag in ("gather_facts", "become", "pipelining", "check", "diff"):
        found[flag] = given.flag(flag)
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Target:
    """Which task is meant: its id, or else its name."""

    id: int | None = None
    name: str = ""


def read_target(body: dict[str, Any]) -> Target:
    """Whose stop or check is asked for; an id that is there decides alone."""
    given = Fields(body)
    if given.get("id") is not None:
        return Target(id=given.whole("id", least=1, most=names.MAX_ID))
    name = given.text("name", most=253)
    if name is None:
        raise ParamError("id or name must be given")
    return Target(name=name)


@dataclass(frozen=True, slots=True)
class LogAsk:
    """Whose log lines are asked for; None: of any."""

    correlation: str
    source: str | None
    host: str | None


def read_log(body: dict[str, Any], headers: Headers) -> LogAsk:
    """The lines that a getlog asks for; the body's source goes before the header's."""
    given = Fields(body)
    source = given.text("source", most=_MOST_HEADER, empty=True)
    host = given.text("host", most=260, empty=True)
    return LogAsk(
        correlation=headers.correlation or "",
        source=source if source is not None else headers.source,
        host=host or None,
    )


def canonical(call: str, headers: Headers, body: dict[str, Any]) -> str:
    """A request as text; equal for equal requests, whatever their spacing and order of fields.

    Of the body only what is looked at. With an Idempotency-Key only call and body count: a repeat
    may have a new correlation id.
    """
    given = {name: body[name] for name in _FIELDS if body.get(name) is not None}
    if "tasks" in given:
        given.pop("content", None)
    keyed = headers.idempotency_key is not None
    asked = [call, given] if keyed else [call, headers.source, headers.correlation, given]
    return json.dumps(asked, sort_keys=True, separators=(",", ":"))


def fingerprint(key: str, asked: str) -> str:
    """What two equal requests share and two different ones do not: HMAC-SHA-256 in hex.

    A plain hash would let those who may read it, but not the request, try passwords against it.
    """
    return hmac.new(
        key.encode("utf-8", "surrogatepass"), asked.encode(), hashlib.sha256
    ).hexdigest()
