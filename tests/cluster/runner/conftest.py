"""Fixtures of the runner's tests; they need no cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.runner.ground import Ground, Server, serve


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An SSH server on loopback."""
    found, process = serve(tmp_path_factory.mktemp("sshd"))
    yield found
    process.terminate()
    process.wait(10)


@pytest.fixture
def ground(tmp_path: Path, server: Server) -> Ground:
    """A pod's folders, fresh."""
    return Ground(tmp_path, server)
