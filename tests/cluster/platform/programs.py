"""How the two programs are started on this machine, as the chart would start them in pods."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.cluster.platform.calls import Octans
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.processes import HostProcess, free_port

OLD_RUNNER = "py27"
"""Name of the runner for machines with an old Python."""
NO_SUCH_RUNNER = "missing"
"""Name of a runner whose image no node has and no registry serves."""


async def api(installation: Installation, log: Path, module: str = "api") -> HostProcess:
    """The API on a loopback port; not started yet."""
    port = free_port()
    process = HostProcess(
        module,
        {
            "KUBECONFIG": str(await installation.kubeconfig_of("octans-api")),
            "OCTANS_NAMESPACE": installation.tasks_namespace,
            "OCTANS_HOST": "127.0.0.1",
            "OCTANS_PORT": str(port),
            "OCTANS_WAIT_SECONDS": "20",
            "OCTANS_AUTH": "none",
        },
        log=log,
        url=f"http://127.0.0.1:{port}",
    )
    installation.processes.append(process)
    return process


async def controller(
    installation: Installation, log: Path, module: str = "controller"
) -> HostProcess:
    """The controller with its health on a loopback port; not started yet."""
    port = free_port()
    images = {
        "current": installation.given.runner_image,
        OLD_RUNNER: installation.given.old_runner_image,
        NO_SUCH_RUNNER: "127.0.0.1:1/octans-no-such-image:none",
    }
    process = HostProcess(
        module,
        {
            "KUBECONFIG": str(await installation.kubeconfig_of("octans-controller")),
            "OCTANS_NAMESPACE": installation.tasks_namespace,
            "OCTANS_HEALTH_PORT": str(port),
            "OCTANS_RUNNER_IMAGES": json.dumps(images),
            "OCTANS_RUNNER_IMAGE_PULL_POLICY": "IfNotPresent",
        },
        log=log,
        url=f"http://127.0.0.1:{port}",
    )
    installation.processes.append(process)
    return process


@asynccontextmanager
async def restarted(process: HostProcess, **environment: str) -> AsyncIterator[None]:
    """The program with some more environment for a while, afterwards as it was."""
    await process.stop()
    await process.start(**environment)
    try:
        yield
    finally:
        await process.stop()
        await process.start()


@asynccontextmanager
async def another_api(
    installation: Installation, log: Path, **environment: str
) -> AsyncIterator[Octans]:
    """A further API with other settings; it serves, but is not necessarily ready."""
    process = await api(installation, log)
    await process.start(path="/healthz", **environment)
    async with httpx.AsyncClient(base_url=process.url, trust_env=False, timeout=30) as http:
        try:
            yield Octans(http)
        finally:
            await process.stop()
