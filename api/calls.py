"""The five calls: unpack, one call, hand back."""

import asyncio
import logging
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import auth, body, dialects, front, loglines, lookup, openapi, submit, view
from api.answers import answer
from api.dialects import Dialect
from api.edge import seen
from api.front import Front
from api.newest import Newest
from api.problems import LogAway, NoCorrelation, NotAllowed, NotFound
from api.recent import Told
from api.request import (
    Headers,
    Target,
    canonical,
    read_headers,
    read_log,
    read_run,
    read_target,
)
from api.view import TaskView
from crds import errors, names, provenance, slicing
from crds.model import AnsibleTask

_log = logging.getLogger("octans.api")

router = APIRouter()
_LARGE = 32 * 1024
"""Bytes of a body."""
_POLL_SECONDS = 0.3
"""Between two looks at a task whose end is waited for."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose sender is known and whose body is read."""

    request: Request
    front: Front
    dialect: Dialect
    headers: Headers
    body: dict[str, Any]
    caller: str


async def _receive(request: Request, name: str, *, runs: bool = False) -> Call:
    """Let a request in: who it is, whether it is too much, what it says."""
    here, known = front.of(request), seen(request.scope)
    headers = read_headers(request.headers)
    known.call, known.source = name, headers.source or ""
    address = f"address {request.client.host if request.client else ''}"
    try:
        known.caller = await auth.identify(
            here.authenticator, here.settings, request, name,
            stranger=lambda: here.rates.take(f"stranger at {address}", runs=False),
        )  # fmt: skip
    except NotAllowed as refused:
        known.caller = refused.caller
        raise
    here.rates.take(_payer(address, headers, known.caller), runs=runs)
    dialect = dialects.of(headers)
    if runs and dialect.NEEDS_CORRELATION and headers.correlation is None:
        raise NoCorrelation

    def hold(size: int) -> None:
        here.memory.take(size)
        known.held += size

    limits = here.settings
    content = await body.read(
        request, limit=limits.max_body_bytes, seconds=limits.body_seconds, hold=hold
    )
    return Call(request, here, dialect, headers, content, known.caller)


def _payer(address: str, headers: Headers, caller: str) -> str:
    """Whose share a request takes: the caller's, else the source's, else the address's."""
    if caller and caller != auth.SHARED:
        return f"caller {caller}"
    if headers.source:
        return f"source {headers.source}"
    return address


@router.post("/api/run", **openapi.RUN)
async def run(request: Request) -> Response:
    """Carry out Ansible work on some machines."""
    call = await _receive(request, "run", runs=True)
    return _accepted(call, await _submitted(call, parallel=False))


@router.post("/api/parallel_run", **openapi.PARALLEL_RUN)
async def parallel_run(request: Request) -> Response:
    """Carry out Ansible work on some machines from several pods side by side."""
    call = await _receive(request, "parallel_run", runs=True)
    task = await _submitted(call, parallel=True)
    warning = slicing.warning(task.spec)
    if call.headers.respond_async or not call.dialect.PARALLEL_WAITS:
        return _accepted(call, task, warning)
    task = await _ended(call, task)
    label = f"{names.LABEL_TASK_UID}={task.metadata.uid}"
    lacking: list[AnsibleTask] = []
    try:
        logs = call.front.logs.each([task], label, loglines.line, lacking)
        lines = [line async for line in logs]
    except LogAway:
        lines = await call.front.logs.from_pods(task, loglines.line)
        lacking.append(task)
    return _about(call, task, call.dialect.log(lines), warning, loglines.warning([task], lacking))


@router.post("/api/stop", **openapi.STOP)
async def stop(request: Request) -> Response:
    """Stop a task; one that has ended stays as it ended."""
    call = await _receive(request, "stop")
    target = read_target(call.body)
    task = await _found(call, target, to_stop=True)
    if not task.finished and not task.spec.cancel:
        try:
            task = await call.front.tasks.cancel(task.metadata.name)
        except errors.NotFound:
            raise NotFound(call.dialect.unknown(target, to_stop=True)) from None
    return _about(call, task, {"code": 0, "content": {}})


@router.post("/api/check", **openapi.CHECK)
async def check(request: Request) -> Response:
    """Tell how a task stands."""
    call = await _receive(request, "check")
    recent, target, age = call.front.recent, read_target(call.body), None
    try:
        told = await _standing(call, target)
    except errors.Unavailable as error:
        if (before := recent.find(target)) is None:
            raise
        told, age = before, recent.age(before)
        _log.info("check answered from memory", extra={"reason": str(error)})
    return answer(
        {"code": 0, "content": call.dialect.checked(told.view)},
        task_id=told.view.id,
        task_status=told.view.status,
        correlation=call.headers.correlation or told.correlation,
        age=age,
        warnings=("the log can't be read, or not all of it",) if told.view.log_unread else (),
    )


@router.post("/api/getlog", **openapi.GETLOG)
async def getlog(request: Request) -> Response:
    """Give the log lines of all tasks of one correlation id."""
    call = await _receive(request, "getlog")
    ask = read_log(call.body, call.headers)
    label = f"{names.LABEL_CORRELATION}={names.label_value(ask.correlation)}"
    tasks = [
        task async for task in call.front.tasks.list(labels=label) if loglines.matches(task, ask)
    ]
    if not tasks and call.dialect.MISSING_LOG is not None:
        raise NotFound(call.dialect.MISSING_LOG)
    tasks.sort(key=lambda task: (task.metadata.creation_timestamp, provenance.number(task)))
    line = partial(loglines.line, host=ask.host)
    lacking: list[AnsibleTask] = []
    lines = [found async for found in call.front.logs.each(tasks, label, line, lacking)]
    return answer(
        call.dialect.log(lines),
        correlation=call.headers.correlation,
        warnings=(loglines.warning(tasks, lacking),),
    )


async def _submitted(call: Call, *, parallel: bool) -> AnsibleTask:
    name = "parallel_run" if parallel else "run"
    read = partial(
        read_run, call.body, call.dialect.WORK_FIELDS, call.front.settings, parallel=parallel
    )
    # A large one may take a second, in which others want to be answered.
    ask = await asyncio.to_thread(read) if seen(call.request.scope).held > _LARGE else read()
    headers = call.headers
    origin = submit.Origin(
        request_id=uuid.uuid4().hex,
        source=headers.source,
        correlation=_correlation(headers),
        asked=canonical(name, headers, call.body),
        key=headers.idempotency_key,
        caller=call.caller,
    )
    tasks, elsewhere = call.front.tasks, call.front.elsewhere
    task = await submit.submit(tasks, elsewhere, ask, origin, call.front.finalizers)
    targets = Target(id=provenance.number(task)), Target(name=task.task_name)
    if not task.finished and call.front.recent.find(targets[0]) is None:
        call.front.recent.note(task, _view(task, Newest(call.front.settings.log_bytes)), *targets)
    return task


def _correlation(headers: Headers) -> str:
    if headers.correlation is None or (not headers.correlation and not headers.field_dialect):
        return uuid.uuid4().hex
    return headers.correlation


async def _standing(call: Call, target: Target) -> Told:
    """How a task stands; noted for whoever asks again when nothing can be read."""
    try:
        task = await _found(call, target, to_stop=False)
    except NotFound:
        call.front.recent.forget(target)
        raise
    found = await call.front.logs.newest(task, call.front.settings.log_bytes)
    return call.front.recent.note(task, _view(task, found), target)


def _view(task: AnsibleTask, found: Newest) -> TaskView:
    return view.view(task, provenance.number(task), found)


async def _found(call: Call, target: Target, *, to_stop: bool) -> AnsibleTask:
    task = await lookup.find(call.front.tasks, target)
    if task is None:
        raise NotFound(call.dialect.unknown(target, to_stop=to_stop))
    return task


async def _ended(call: Call, task: AnsibleTask) -> AnsibleTask:
    """The task at its end, or when the wait is over, the caller gone or the program to end; at
    once where so many wait that other calls would find no place."""
    if call.front.waiting.locked():
        return task
    async with call.front.waiting:
        return await _wait(call, task)


async def _wait(call: Call, task: AnsibleTask) -> AnsibleTask:
    clock = asyncio.get_running_loop().time
    until = clock() + call.front.settings.wait_seconds
    while not task.finished and clock() < until and not call.front.stopping.is_set():
        await asyncio.sleep(_POLL_SECONDS)
        if await call.request.is_disconnected():
            break
        try:
            task = await call.front.tasks.get(task.metadata.name, cached=True) or task
        except errors.ClusterError:
            continue  # the task goes on meanwhile, whatever keeps us from seeing it
    return task


def _accepted(call: Call, task: AnsibleTask, warning: str = "") -> Response:
    content = {"code": 0, "content": {"id": provenance.number(task)}}
    return _about(call, task, content | ({"message": warning} if warning else {}), warning)


def _about(
    call: Call,
    task: AnsibleTask,
    content: Any,  # noqa: ANN401 - any JSON
    *warnings: str,
) -> Response:
    """An answer about a task, with the headers that say which."""
    correlation = call.headers.correlation or task.spec.correlation_id
    return answer(
        content,
        task_id=provenance.number(task),
        task_status=view.status_of(task),
        correlation=correlation,
        warnings=warnings,
    )
