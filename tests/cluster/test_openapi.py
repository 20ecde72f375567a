"""The API against the document that it serves: schemathesis, all checks, stateful."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from crds.client import TASKS
from tests.cluster.fuzz import __file__ as fuzz
from tests.cluster.platform.calls import unique
from tests.cluster.platform.given import ROOT
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.processes import HostProcess
from tests.cluster.platform.programs import another_api
from tests.cluster.platform.tasks import Tasks

TOKEN = "the-shared-one"
SERVER = {
    "OCTANS_AUTH": "token", "OCTANS_AUTH_TOKEN": TOKEN, "OCTANS_WAIT_SECONDS": "0",
    "OCTANS_RUN_RATE": "100000", "OCTANS_RUN_BURST": "100000",
    "OCTANS_OTHER_RATE": "100000", "OCTANS_OTHER_BURST": "100000",
}  # fmt: skip
EXAMPLES = 100
"""Of each operation in each phase."""


@pytest.fixture
async def unattended(controller_process: HostProcess) -> None:
    """No controller at work: what is made up here is to be run nowhere."""
    if controller_process.running:
        await controller_process.stop()


async def test_nothing_breaks_it_and_all_is_as_it_says(
    installation: Installation,
    unattended: None,  # noqa: ARG001 - must not be at work
    tasks: Tasks,
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    try:
        async with another_api(installation, log, **SERVER) as octans:
            said = await schemathesis(str(octans.http.base_url), tmp_path)
    finally:
        await tasks.wipe()
    assert " passed" in said, said
    assert re.search(r"API Links: +2 covered", said), f"run's id goes to check and stop:\n{said}"
    assert '"error_id"' not in log.read_text()
    assert [item["metadata"]["name"] for item in
            (await tasks.client.list(TASKS, tasks.namespace)).items] == []  # fmt: skip


async def schemathesis(url: str, folder: Path) -> str:
    """What it says; AssertionError where it found something."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        "--config-file", Path(fuzz).with_name("schemathesis.toml"),
        "run", f"{url}/openapi.json", "--max-examples", str(EXAMPLES),
        "--header", f"Authorization: Bearer {TOKEN}", "--header", f"X-TEST: {unique('fuzz')}",
        "--report-dir", folder, "--no-color",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    said = out.decode(errors="replace")
    print(said[-4000:])
    assert process.returncode == 0, said[-20_000:]
    return said
