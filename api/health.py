"""Whether the program works, and what it is."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from api import VERSION, front
from api.answers import answer
from api.openapi import error
from api.problems import Away
from crds import errors, names

router = APIRouter(tags=["health"])


@router.get("/")
async def about() -> Response:
    """Name and version."""
    return answer({"name": "octans", "version": VERSION})


@router.get("/healthz")
async def healthz() -> Response:
    """The process answers."""
    return answer({"status": "ok"})


@router.get("/readyz", responses={503: error("The Kubernetes API cannot be reached.")})
async def readyz(request: Request) -> Response:
    """The Kubernetes API is reachable and serves AnsibleTasks."""
    client = front.of(request).tasks.client
    try:
        served = await client.read(f"/apis/{names.API_VERSION}")
    except errors.ClusterError as error:
        raise Away from error
    if names.PLURAL not in {kind.get("name") for kind in served.get("resources", [])}:
        raise Away
    return answer({"status": "ok"})


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
