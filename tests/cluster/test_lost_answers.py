"""A Kubernetes API that loses answers, is slow or silent, between it and our API a small proxy."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from crds import names
from tests.cluster.platform import programs
from tests.cluster.platform.calls import INIT, Octans, unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.tasks import Tasks

LARGE = 20_000
"""Bytes of a request's work, so that the proxy tells a creation from a look-up."""


class Faults:
    """A TCP proxy in front of the API server that can lose answers or keep silent."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._connections: set[asyncio.Task[None]] = set()
        self.lose = 0
        """So many answers to large requests are still to be lost."""
        self.speaks = asyncio.Event()
        """Not set: nothing comes back."""
        self.speaks.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            there, back = await asyncio.open_connection(*self._target)
            try:
                await self._pass_on(reader, back, there, writer)
            finally:
                back.close()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        sent, cut = 0, asyncio.Event()

        async def out() -> None:
            nonlocal sent
            while data := await reader.read(65536):
                back.write(data)
                sent += len(data)
                if sent > LARGE and self.lose:
                    self.lose -= 1
                    cut.set()
            back.close()

        async def home() -> None:
            while data := await there.read(65536):
                if cut.is_set():
                    break
                await self.speaks.wait()
                writer.write(data)
            writer.close()
            back.close()

        await asyncio.gather(out(), home(), return_exceptions=True)

    async def close(self) -> None:
        """End all connections."""
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


@asynccontextmanager
async def through_faults(
    installation: Installation, tmp_path: Path, **environment: str
) -> AsyncIterator[tuple[Octans, Faults]]:
    """An API that reaches the API server through the proxy only."""
    config = json.loads((await installation.kubeconfig_of("octans-api")).read_text())
    cluster = config["clusters"][0]["cluster"]
    server = urlsplit(cluster["server"])
    faults = Faults(server.hostname or "", server.port or 443)
    listener = await asyncio.start_server(faults.serve, "127.0.0.1", 0)
    cluster["server"] = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    cluster["tls-server-name"] = server.hostname
    path = tmp_path / "proxied.kubeconfig"
    path.write_text(json.dumps(config))
    process = await programs.api(installation, tmp_path / "log")
    await process.start(KUBECONFIG=str(path), **environment)
    async with httpx.AsyncClient(base_url=process.url, trust_env=False, timeout=30) as http:
        try:
            yield Octans(http), faults
        finally:
            faults.speaks.set()
            await process.stop()
            listener.close()
            await faults.close()


async def test_a_request_knows_the_task_whose_creation_was_not_answered(
    installation: Installation, tasks: Tasks, tmp_path: Path
) -> None:
    async with through_faults(installation, tmp_path) as (octans, faults):
        for params in (None, {"a": 1}):
            name = unique("lost")
            body = {
                "name": name, "nodes": ["192.0.2.1"], "params": params,
                "tasks": [{"raw": "x" * LARGE}],
            }  # fmt: skip
            faults.lose = 1
            number = (await octans.content("run", body))["id"]
            assert faults.lose == 0, "an answer was lost"
            task = await tasks.by_id(number)
            assert task.metadata.annotations.get(names.ANNOTATION_PARAMS) in (None, "ready")
            again = await octans.post("run", body)
            assert again.json()["message"] == "task name is duplicate"
            await octans.stop(number)


async def test_a_silent_kubernetes_api_is_answered_for_in_seconds(
    installation: Installation, tmp_path: Path
) -> None:
    async with through_faults(installation, tmp_path) as (octans, faults):
        faults.speaks.clear()
        body = {"nodes": ["192.0.2.1"], "tasks": [{"raw": "true"}]}
        began = time.monotonic()
        answers = await asyncio.gather(
            *(octans.post("check", {"id": number + 1}) for number in range(100)),
            *(octans.post("run", {**body, "name": unique("unheard")}) for _ in range(100)),
        )
        spent = time.monotonic() - began
        assert {answer.status_code for answer in answers} == {503}
        # A call is given up after 4 s and tried again for 2 s. Ten at a time, 200 would take 120 s;
        # the room below that is for a busy computer.
        assert spent < 30, "nobody waits for the others' silence"
        faults.speaks.set()
        assert (await octans.post("check", {"id": 1})).status_code == 404


async def test_check_tells_what_was_true_a_moment_ago_while_nothing_can_be_read(
    installation: Installation, tmp_path: Path
) -> None:
    async with through_faults(installation, tmp_path, OCTANS_CALL_SECONDS="1") as (octans, faults):
        work = [{"raw": "true"}]
        names_given = [unique("polled") for _ in range(10)]
        numbers = [await octans.run(name, ["192.0.2.1"], work) for name in names_given]
        asked = {"name": names_given[0]}
        fresh = await octans.post("check", asked)
        assert "Age" not in fresh.headers
        faults.speaks.clear()
        # One that was asked for before, and those that only their creation was heard of.
        answers = await asyncio.gather(
            octans.post("check", asked),
            *(octans.post("check", {"id": number}) for number in numbers),
            *(octans.post("check", {"name": name}) for name in names_given[1:]),
        )
        for answer in answers:
            assert answer.status_code == 200, answer.text
            assert 0 <= int(answer.headers["Age"]) <= 60
            assert answer.headers["X-TASK-STATUS"] == str(INIT)
            assert answer.json()["content"]["phase"] == "Queued"
        assert answers[0].json() == fresh.json()
        never_seen = await octans.post("check", {"id": 1})
        assert never_seen.status_code == 503, "what was never heard of can't be told"
        faults.speaks.set()
        again = await octans.post("check", asked)
        assert (again.status_code, "Age" in again.headers) == (200, False)
        for number in numbers:
            await octans.stop(number)
