"""Says how a cluster is, and shows its components' logs."""

import os
from dataclasses import dataclass

from cluster.api import Unreachable
from cluster.node import Node
from cluster.problems import Problem
from cluster.settings import Home

WIDTH = 26


@dataclass(frozen=True)
class NodeStatus:
    """What was seen of one node."""

    name: str
    running: dict[str, int]
    """Process ids of what runs."""
    components: tuple[str, ...]
    """What should run; nothing where there is no box."""
    ready: bool

    @property
    def whole(self) -> bool:
        return self.ready and self.running.keys() >= set(self.components)

    def __str__(self) -> str:
        state = "Ready" if self.ready else "NOT READY" if self.components else "DOWN"
        return "\n".join(
            [_line(f"node {self.name}", state)]
            + [_line(f"  {part}", self._process(part)) for part in self.components]
        )

    def _process(self, part: str) -> str:
        return f"running, process {self.running[part]}" if part in self.running else "ENDED"


@dataclass(frozen=True)
class Status:
    """What was seen of a cluster that is up."""

    api: str
    dns: bool
    nodes: tuple[NodeStatus, ...]

    @property
    def whole(self) -> bool:
        return self.dns and all(node.whole for node in self.nodes)

    def __str__(self) -> str:
        ends = [
            _line("CoreDNS", "available" if self.dns else "NOT AVAILABLE"),
            _line("API server", self.api),
        ]
        return "\n".join([*map(str, self.nodes), *ends])


def of(first: Node, further: list[Node], known: list[Home]) -> Status:
    """The first node, further ones that run, and those known that do not."""
    there = {node.home.name: _of_node(node) for node in further}
    nodes = [there.get(home.name) or NodeStatus(home.name, {}, (), ready=False) for home in known]
    try:
        dns = first.resolves()
    except Unreachable:
        dns = False  # what was not seen is not so
    return Status(first.api.server, dns, (_of_node(first), *nodes))


def _of_node(node: Node) -> NodeStatus:
    try:
        ready = node.ready()
    except Unreachable:
        ready = False
    return NodeStatus(node.home.name, node.running(), tuple(node.components), ready)


def _line(name: str, text: str) -> str:
    return f"{name:<{WIDTH}} {text}"


def show_logs(home: Home, component: str | None, *, lines: int, follow: bool) -> None:
    """Becomes `tail` over one component's log, or over all of a node's."""
    there = {path.stem: str(path) for path in sorted(home.logs.glob("*.log"))}
    if not there:
        raise Problem(f"There is no cluster or node named “{home.name}” that has logs.")
    if component is not None and component not in there:
        raise Problem(f"No log of {component}; there are {', '.join(there)}.")
    files = list(there.values()) if component is None else [there[component]]
    os.execvp("tail", ["tail", f"--lines={lines}", *(["-F"] if follow else []), "--", *files])
