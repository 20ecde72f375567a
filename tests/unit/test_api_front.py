"""What the front does before a task is looked at: framing, sizes, rates, who may call.

The application runs in this process, without a cluster: none of these requests gets that far.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from kubernetes.aio.client import ApiClient, Configuration
from starlette.responses import StreamingResponse
from starlette.types import Message

from api import VERSION, app, auth
from api.elsewhere import Elsewhere
from api.front import Front
from api.limits import Rate, Rates
from api.recent import Recent
from api.settings import Settings
from api.tasklogs import TaskLogs
from api.upstream import PatientClient
from crds import names
from crds.archives import Archives
from crds.tasks import TaskStore
from tests.unit.clock import Clock
from tests.unit.files import pyproject

CALLS = ("run", "stop", "check", "getlog", "parallel_run")


def http(settings: Settings) -> httpx.AsyncClient:
    """A client of an application with these settings, whose lifespan has not begun."""
    application = app.create(settings)

    @application.get("/broken")
    async def broken() -> None:
        raise LookupError("the secret of the house")

    client = PatientClient(ApiClient(Configuration()))
    clock = Clock()
    tasks = TaskStore(client, settings.namespace)
    application.state.front = Front(
        settings=settings,
        tasks=tasks,
        logs=TaskLogs(tasks, Archives(client, settings.namespace, settings)),
        finalizers=(names.FINALIZER,),
        elsewhere=Elsewhere(tasks, clock),
        recent=Recent(clock),
        authenticator=auth.of(settings, client, clock),
        rates=Rates(Rate(settings.run_rate, settings.run_burst),
                    Rate(settings.other_rate, settings.other_burst), clock),
        memory=application.state.memory,
        waiting=asyncio.Semaphore(1),
    )  # fmt: skip
    transport = httpx.ASGITransport(app.wrapped(application, settings))
    return httpx.AsyncClient(transport=transport, base_url="http://octans")


@pytest.fixture
async def front() -> AsyncIterator[httpx.AsyncClient]:
    async with http(
        Settings(auth="none", max_body_bytes=4096, max_held_bytes=1024 * 1024)
    ) as client:
        yield client


def refused(answer: httpx.Response, status: int) -> str:
    """The message of an answer that must be an error in our shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"code", "message"}
    assert body["code"] == -1
    return str(body["message"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/api/run/", 404),
        ("GET", "/api/run", 405),
        ("OPTIONS", "/api/run", 405),
        ("POST", "/healthz", 405),
        ("GET", "/redoc", 404),
    ],
)
async def test_wrong_paths_and_methods(
    front: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await front.request(method, path)
    refused(answer, status)
    assert ("allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize("call", CALLS)
async def test_a_body_too_large_is_refused_while_it_is_read(
    front: httpx.AsyncClient, call: str
) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1024
            yield b"x" * 1024

    message = refused(await front.post(f"/api/{call}", content=endless()), 413)
    assert "4096" in message
    assert taken <= 9 * 1024 * 1024
    refused(await front.post(f"/api/{call}", content=b"x" * 5000), 413)


async def test_a_fault_is_answered_with_an_error_id_that_is_in_the_log(
    front: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await front.get("/broken")
    message = refused(answer, 500)
    assert "house" not in answer.text
    assert "Traceback" not in answer.text
    ids = [getattr(record, "error_id", None) for record in caplog.records]
    assert [known for known in ids if known and known in message]
    assert len([known for known in ids if known]) == 1


async def test_the_pages_beside_the_calls(front: httpx.AsyncClient) -> None:
    assert (await front.get("/")).json() == {"name": "octans", "version": VERSION}
    assert (await front.get("/healthz")).json() == {"status": "ok"}
    assert "octans_http_requests_total" in (await front.get("/metrics")).text


async def test_the_page_for_browsers_needs_no_other_host(front: httpx.AsyncClient) -> None:
    page = (await front.get("/docs")).text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) >= 3, page
    for link in links:
        assert link.startswith("/docs/files/"), link
        assert (await front.get(link)).status_code == 200, link
    refused(await front.get("/docs/files/nothing"), 404)
    for part in ("bytes=abc", "junk", "bytes=99999999-"):
        whole = await front.get("/docs/files/favicon.png", headers={"Range": part})
        assert whole.status_code == 200, part


async def test_an_answer_must_be_read_in_time_as_a_whole() -> None:
    application = app.create(Settings(auth="none"))

    @application.get("/long")
    async def long() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield b"x"

        return StreamingResponse(parts())

    edge = app.wrapped(application, Settings(auth="none", answer_seconds=0.2))
    sent = 0

    async def send(_: Message) -> None:
        nonlocal sent
        sent += 1
        await asyncio.sleep(0.05)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/long", "headers": [], "query_string": b"",
        "http_version": "1.1", "root_path": "", "scheme": "http", "client": None,
    }  # fmt: skip
    await edge(scope, receive, send)
    assert 1 < sent < 10


def test_the_version_is_the_projects() -> None:
    assert pyproject()["project"]["version"] == VERSION


async def test_the_openapi_document_describes_the_calls(front: httpx.AsyncClient) -> None:
    document = (await front.get("/openapi.json")).json()
    for call in CALLS:
        described = document["paths"][f"/api/{call}"]["post"]
        assert described["requestBody"]["content"]["application/json"]["schema"]["type"] == "object"
        assert {"200", "400", "413", "429", "500", "503"} <= described["responses"].keys()
        assert "422" not in described["responses"]


async def test_field_clients_need_a_correlation_id_to_run(front: httpx.AsyncClient) -> None:
    for call in ("run", "parallel_run"):
        answer = await front.post(f"/api/{call}", json={}, headers={"X-SOURCE": ""})
        assert refused(answer, 400) == "X-CORRELATION-ID is empyt"
        given = {"X-SOURCE": "s", "X-CORRELATION-ID": ""}
        assert "name" in refused(await front.post(f"/api/{call}", json={}, headers=given), 400)
        documented = await front.post(f"/api/{call}", json={}, headers={"X-RESOURCE": "s"})
        assert "name" in refused(documented, 400)


async def test_a_source_that_asks_too_often_waits_and_others_do_not() -> None:
    async with http(Settings(auth="none", run_rate=1, run_burst=2, other_burst=3)) as front:
        headers = {"X-RESOURCE": "a"}
        answers = [await front.post("/api/run", content=b"", headers=headers) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [400, 400, 429]
        assert int(answers[2].headers["retry-after"]) >= 1
        refused(answers[2], 429)
        other = await front.post("/api/run", content=b"", headers={"X-RESOURCE": "b"})
        assert other.status_code == 400
        check = await front.post("/api/check", content=b"", headers=headers)
        assert check.status_code == 400


async def test_bodies_of_all_requests_together_are_bounded() -> None:
    settings = Settings(auth="none", max_held_bytes=1024 * 1024, max_body_bytes=1024 * 1024)
    async with http(settings) as front:
        held, open_end = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"x" * 1_000_000
            held.set()
            await open_end.wait()

        first = asyncio.create_task(front.post("/api/run", content=slow()))
        await held.wait()
        refused(await front.post("/api/run", content=b"x" * 900_000), 429)
        open_end.set()
        refused(await first, 400)
        refused(await front.post("/api/run", content=b"x" * 900_000), 400)


async def test_the_shared_token() -> None:
    with pytest.raises(ValueError, match="OCTANS_AUTH_TOKEN"):
        auth.SharedToken("")
    async with http(Settings.model_validate({"auth": "token", "auth_token": "t0ken"})) as front:
        for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Basic t0ken"}):
            answer = await front.post("/api/run", content=b"", headers=headers)
            refused(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
        right = {"Authorization": "bearer t0ken"}
        refused(await front.post("/api/run", content=b"", headers=right), 400)
        assert (await front.get("/healthz")).status_code == 200


async def test_guesses_at_the_shared_token_have_a_rate() -> None:
    settings = Settings.model_validate(
        {"auth": "token", "auth_token": "t0ken", "other_rate": 1, "other_burst": 2}
    )
    async with http(settings) as front:
        wrong = {"Authorization": "Bearer no"}
        answers = [await front.post("/api/run", content=b"", headers=wrong) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        right = {"Authorization": "Bearer t0ken"}
        refused(await front.post("/api/run", content=b"", headers=right), 400)


def test_every_setting_is_described() -> None:
    for name, setting in Settings.model_fields.items():
        assert setting.description, name
    assert json.dumps(Settings.model_json_schema())
