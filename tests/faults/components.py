"""The programs of the cluster under test: killed, stopped for a while, started again."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.platform.given import ROOT, Given
from tests.cluster.platform.kubectl import run
from tests.cluster.platform.processes import freeze
from tests.faults.tally import TALLY

_RUNNING = re.compile(r"^ +(\S+) +running, process (\d+)$", re.MULTILINE)
_NODE = re.compile(r"^node ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Components:
    """Those of a cluster that `python3 -m cluster` made, by its name."""

    cluster: str

    @classmethod
    def of(cls, given: Given) -> "Components":
        """Of the cluster that the tests are given; its kubeconfig stands in its own folder."""
        return cls(given.kubeconfig.parent.name)

    @property
    def own(self) -> bool:
        """Whether it is a cluster of this machine's program at all."""
        return (self.state / "etc" / "kubelet.yaml").exists()

    @property
    def state(self) -> Path:
        """The cluster's folder."""
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        return home / "octans" / "clusters" / self.cluster

    async def pids(self) -> dict[str, int]:
        """Process ids of what runs on the first node, by component."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cluster", "status", "--name", self.cluster),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        _, first, *_ = _NODE.split(out.decode())
        return {name: int(pid) for name, pid in _RUNNING.findall(first)}

    async def kill(self, *components: str) -> None:
        """End them at once."""
        pids = await self.pids()
        for component in components:
            TALLY.injected(f"{component} killed")
            os.kill(pids[component], signal.SIGKILL)

    async def up(self) -> None:
        """Start what does not run, and wait until the node is ready."""
        await run(sys.executable, "-m", "cluster", "up", "--name", self.cluster)

    async def node(self, does: str, node: str) -> None:
        """Add, kill or remove a further node."""
        if does == "kill":
            TALLY.injected("node killed")
        await run(sys.executable, "-m", "cluster", "node", does, node, "--name", self.cluster)

    async def power_cut(self) -> None:
        """Everything ends at once, pods too, and comes up again on what is stored."""
        TALLY.injected("power cut")
        await run(sys.executable, "-m", "cluster", "down", "--keep-state", "--name", self.cluster)
        await self.up()

    @asynccontextmanager
    async def stopped(self, *components: str) -> AsyncIterator[None]:
        """Their time stands still meanwhile."""
        pids = await self.pids()
        for component in components:
            TALLY.injected(f"{component} stopped for a while")
            freeze(pids[component])
        try:
            yield
        finally:
            for component in components:
                os.kill(pids[component], signal.SIGCONT)
