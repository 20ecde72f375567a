"""A way from this machine to a service in the cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.cluster.platform.installation import Installation
from tests.cluster.platform.processes import free_port


@asynccontextmanager
async def tunnel(installation: Installation, target: str, port: int) -> AsyncIterator[str]:
    """URL of a port of a service or pod of the release's namespace, through kubectl."""
    local = free_port()
    process = await asyncio.create_subprocess_exec(
        installation.given.kubectl,
        f"--kubeconfig={installation.given.kubeconfig}",
        f"--namespace={installation.namespace}",
        "port-forward", target, f"{local}:{port}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        assert said.startswith("Forwarding from"), said
        yield f"http://127.0.0.1:{local}"
    finally:
        process.terminate()
        await process.wait()
