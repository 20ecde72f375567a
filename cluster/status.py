"""Says how a cluster is, and shows its components' logs."""

import os
from dataclasses import dataclass

from cluster.api import Unreachable
from cluster.components import COMPONENTS
from cluster.node import Node
from cluster.problems import Problem
from cluster.settings import Cluster


@dataclass(frozen=True)
class Status:
    """What was seen of a running box."""

    name: str
    api: str
    pids: dict[str, int]
    ready: bool
    dns: bool

    @property
    def whole(self) -> bool:
        return self.ready and self.dns and self.pids.keys() >= set(COMPONENTS)

    def __str__(self) -> str:
        parts = [
            f"{part:<24} {f'running, process {self.pids[part]}' if part in self.pids else 'ENDED'}"
            for part in COMPONENTS
        ]
        ends = [
            f"{'node ' + self.name:<24} {'Ready' if self.ready else 'NOT READY'}",
            f"{'CoreDNS':<24} {'available' if self.dns else 'NOT AVAILABLE'}",
            f"{'API server':<24} {self.api}",
        ]
        return "\n".join(parts + ends)


def of(node: Node) -> Status:
    ready = dns = False
    try:
        ready = node.ready()
        dns = node.resolves()
    except Unreachable:
        pass  # what was not seen is not so
    return Status(node.cluster.name, node.api.server, node.running(), ready, dns)


def show_logs(cluster: Cluster, component: str | None, *, lines: int, follow: bool) -> None:
    """Becomes `tail` over one component's log, or over all of them."""
    there = {path.stem: str(path) for path in sorted(cluster.logs.glob("*.log"))}
    if not there:
        raise Problem(f"There is no cluster named “{cluster.name}” that has logs.")
    if component is not None and component not in there:
        raise Problem(f"No log of {component}; there are {', '.join(there)}.")
    files = list(there.values()) if component is None else [there[component]]
    os.execvp("tail", ["tail", f"--lines={lines}", *(["-F"] if follow else []), "--", *files])
