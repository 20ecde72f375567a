"""An API process of this checkout in front of a namespace of its own, which nobody watches."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import aiohttp

from bench.work import FailedError, unique
from crds import errors
from crds.client import TASKS, Client
from crds.tasks import TaskStore

_READY_SECONDS = 30.0
_AT_ONCE = 32
_UNLIMITED = {"OCTANS_RUN_RATE": "1000000", "OCTANS_RUN_BURST": "1000000",
              "OCTANS_OTHER_RATE": "1000000", "OCTANS_OTHER_BURST": "1000000"}  # fmt: skip
"""All requests come from one source here, and no rate is what is measured."""


@dataclass(frozen=True, slots=True)
class Served:
    """The API's address, and its tasks through a client of our own."""

    url: str
    store: TaskStore


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """Both as long as they are needed; afterwards nothing of them is left."""
    namespace = unique()
    await _kubectl("create", "namespace", namespace)
    with TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"  # in a folder that only we may read
        kubeconfig.write_text(await _account(namespace))
        client = await Client.connect(kubeconfig=kubeconfig)
        store = TaskStore(client, namespace)
        try:
            async with _process(namespace, kubeconfig) as url:
                yield Served(url, store)
        finally:
            await _let_go(store)
            await client.close()
            await _kubectl("delete", "namespace", namespace, "--timeout=600s")


async def _account(namespace: str) -> str:
    """A kubeconfig with a service account's token, as the API has one in its pod: a client's
    certificate, which the API server verifies for every call, would cost more."""
    await _kubectl("create", "serviceaccount", "bench", "-n", namespace)
    role = ("--clusterrole=cluster-admin", f"--serviceaccount={namespace}:bench")
    await _kubectl("create", "rolebinding", "bench", *role, "-n", namespace)
    token = await _kubectl("create", "token", "bench", "-n", namespace, "--duration=2h")
    value = json.loads(
        await _kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    )
    value["users"] = [{"name": value["users"][0]["name"], "user": {"token": token.strip()}}]
    return json.dumps(value)


@asynccontextmanager
async def _process(namespace: str, kubeconfig: Path) -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"OCTANS_NAMESPACE": namespace, "OCTANS_HOST": "127.0.0.1", "OCTANS_PORT": str(port),
           "OCTANS_AUTH": "none", "KUBECONFIG": str(kubeconfig)}  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api",
        cwd=Path(__file__).parents[1],
        env={**os.environ, **own, **_UNLIMITED},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        await _ready(url, process)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    until = monotonic() + _READY_SECONDS
    async with aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass  # it does not listen yet
            if process.returncode is not None or monotonic() > until:
                raise FailedError("the API did not start, or was not ready in time")
            await asyncio.sleep(0.1)


async def _let_go(store: TaskStore) -> None:
    """Take the finalizers off, which a controller would: else the namespace stays."""
    page = await store.client.list(TASKS, store.namespace, metadata_only=True)
    left = iter([item["metadata"]["name"] for item in page.items
                 if item["metadata"].get("finalizers")])  # fmt: skip

    async def worker() -> None:
        for name in left:
            try:
                patch = {"metadata": {"finalizers": None}}
                await store.client.patch(TASKS, store.namespace, name, patch)
            except errors.NotFound:
                continue

    await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))


async def _kubectl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "kubectl", *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise FailedError(f"kubectl {' '.join(arguments)} failed")
    return out.decode()
