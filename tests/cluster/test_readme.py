"""The README's commands, run in order in one shell, as a reader would."""

import asyncio
import os
import re
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.platform.given import ROOT, Given
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.processes import HostProcess

_BLOCK: Final = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CALLS: Final = ("run", "check", "getlog", "parallel_run", "stop")


@pytest.fixture
def blocks() -> list[str]:
    """The README's blocks of commands, without the one that only the demo can serve."""
    found: list[str] = _BLOCK.findall((ROOT / "README.md").read_text())
    demo = 'eval "$(make env)"'
    assert found[0].startswith(demo)
    return [found[0].replace(demo, "set -euo pipefail"), *found[1:]]


async def test_the_readmes_commands_work_as_they_stand(
    blocks: list[str],
    given: Given,
    installation: Installation,
    api: HostProcess,
    controller: object,
    addresses: list[str],
    tmp_path: Path,
) -> None:
    assert controller
    (tmp_path / "kubectl").symlink_to(given.kubectl)
    script = "\n".join(f"{block}\necho; echo --- {at}" for at, block in enumerate(blocks))
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script,
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "KUBECONFIG": str(given.kubeconfig),
            "OCTANS_URL": api.url,
            "OCTANS_TOKEN": "none is asked for",
            "OCTANS_HOSTS": " ".join(addresses),
            "OCTANS_TASKS_NAMESPACE": installation.tasks_namespace,
            "no_proxy": "*",
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, f"{out.decode()}\n{err.decode()}"
    answers = re.split(r"\n--- \d+\n", out.decode())
    said = {call: answers[at] for call in _CALLS for at, block in enumerate(blocks)
            if f"/api/{call}\"" in block}  # fmt: skip
    assert said.keys() == set(_CALLS)
    for call in ("run", "check", "stop"):
        assert '"code":0' in said[call], said[call]
    assert said["parallel_run"].count("reuslt = ok") == 2 * len(addresses), "with facts"
    assert "ansibletask.octans.io/tidy condition met" in out.decode()
    assert "Throw old files away" in out.decode()
