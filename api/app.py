"""The application: routes, answers to problems, and what lives as long as it does."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import VERSION, auth, calls, health, openapi, problems
from api.answers import refusal
from api.edge import Edge
from api.elsewhere import Elsewhere
from api.front import Front
from api.limits import Memory, Rate, Rates
from api.problems import Internal, NotFound, Problem, TooLarge, WrongMethod
from api.recent import Recent
from api.settings import Settings
from api.tasklogs import TaskLogs
from api.upstream import PatientClient
from crds import archive, errors
from crds.archives import Archives
from crds.tasks import TaskStore

_log = logging.getLogger("octans.api")


def create(settings: Settings) -> FastAPI:
    """The application; it connects to the Kubernetes API when it is started."""

    memory = Memory(settings.max_held_bytes)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        clock = asyncio.get_running_loop().time
        client = await PatientClient.open(settings)
        try:
            tasks = TaskStore(client, settings.namespace)
            archives = Archives(client, settings.namespace, settings)
            app.state.front = Front(
                settings=settings,
                tasks=tasks,
                logs=TaskLogs(tasks, archives),
                finalizers=archive.finalizers(archives.current.place),
                elsewhere=Elsewhere(tasks, clock),
                recent=Recent(clock),
                authenticator=auth.of(settings, client, clock),
                rates=Rates(
                    Rate(settings.run_rate, settings.run_burst),
                    Rate(settings.other_rate, settings.other_burst),
                    clock,
                ),
                memory=memory,
                waiting=asyncio.Semaphore(max(1, settings.max_in_flight // 2)),
            )
            yield
        finally:
            await client.close()

    app = FastAPIOffline(
        title="Octans", version=VERSION, lifespan=lifespan, redirect_slashes=False, redoc_url=None,
        summary="Runs Ansible work on machines outside Kubernetes.", static_url="/docs/files",
        swagger_ui_parameters={"validatorUrl": None},  # a badge that another host would draw
    )  # fmt: skip
    app.state.registry = CollectorRegistry()
    app.state.memory = memory
    # Not include_router: its routers are matched anew for every request.
    app.router.routes[:0] = [*calls.router.routes, *health.router.routes]
    if settings.auth != "none":
        openapi.ask_for_token(app.openapi(), trusted=bool(settings.trusted_networks))
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(errors.ClusterError, _on_cluster_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_fault)
    return app


def wrapped(app: FastAPI, settings: Settings) -> Edge:
    """The application behind the layer that lets no fault out."""
    return Edge(
        app, app.state.registry, app.state.memory,
        most=settings.max_in_flight, answer_seconds=settings.answer_seconds,
    )  # fmt: skip


async def _on_problem(_: Request, problem: Exception) -> Response:
    return refusal(problem) if isinstance(problem, Problem) else _failed(problem)


async def _on_cluster_error(_: Request, error: Exception) -> Response:
    known = problems.of_cluster_error(error) if isinstance(error, errors.ClusterError) else None
    if known is None:
        return _failed(error)
    _log.warning("a call to the Kubernetes API failed", extra={"reason": str(error)})
    return refusal(known)


def _failed(error: Exception) -> Response:
    error_id = secrets.token_hex(6)
    _log.error("request failed", extra={"error_id": error_id}, exc_info=error)
    return refusal(Internal(error_id))


async def _on_fault(_: Request, error: Exception) -> Response:
    return _failed(error)


async def _on_http_exception(_: Request, error: Exception) -> Response:
    """The framework's own refusals, in our words."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return refusal(NotFound("there is nothing at this path"))
    if status == 405:
        allow = dict(getattr(error, "headers", None) or {})
        return refusal(WrongMethod("this path does not take this method", headers=allow))
    if status == 413:
        return refusal(TooLarge("the request is too large"))
    return _failed(error)
