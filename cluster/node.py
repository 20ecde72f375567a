"""One node inside its box: starts components, takes images, waits for conditions."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cluster import addons, scratch
from cluster.api import NODES, Api, Missing, Unreachable
from cluster.binaries import Binaries
from cluster.box import Box
from cluster.components import Component, ctr
from cluster.configs import SOCKET
from cluster.problems import Problem
from cluster.programs import output, tail
from cluster.settings import Home

PINNED = "io.cri-containerd.pinned=pinned"
"""An image with this label is never collected."""

STARTING = frozenset({"setsid", ""})
"""What a component is called from its fork until its program runs."""

KEEP_PODS_AWAY = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
"""The taints of a node that was not ready; they go some seconds after it is."""

LOG_LINES = 3
"""How much of the log of a component that died is said at once."""

PATIENCE = 120.0
"""Seconds for each wait: ten times what it takes, for machines that are busy with other things."""

POLL_SECONDS = 0.05
SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Node:
    home: Home
    box: Box
    components: dict[str, Component]
    binaries: Binaries
    api: Api
    started: set[str] = field(default_factory=set)

    def start(self, *names: str) -> None:
        """Starts those of the components that do not run."""
        for name in names:
            # An earlier `up` may have been cut off at the very moment it started this one.
            if name not in self._settled():
                component = self.components[name]
                self.box.start(component.argv, component.log(self.home))
            self.started.add(name)

    def running(self) -> dict[str, int]:
        """Names and process ids of what the box's init has started."""
        return {process.name: process.pid for process in self.box.processes()}

    def _settled(self) -> dict[str, int]:
        """What runs, once nothing is between its fork and its start."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while STARTING & (running := self.running()).keys() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return running

    def until(self, what: str, done: Callable[[], bool], seconds: float) -> None:
        """Waits for a condition, but not for a component that has died."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Unreachable):
                if done():
                    return
            self._check_components()
            if time.monotonic() > deadline:
                raise Problem(
                    f"Waited {seconds:.0f} s for {what} in vain; the logs are in {self.home.logs}."
                )
            time.sleep(POLL_SECONDS)

    def _check_components(self) -> None:
        running = self.running()
        if STARTING & running.keys():
            return
        if not self.box.alive:
            raise Problem("The box was ended by something else.")
        for name in self.components:
            if name in self.started and name not in running:
                log = self.components[name].log(self.home)
                raise Problem(f"{name} died: {tail(log, LOG_LINES)} — see {log}.")

    def containerd_listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.box.inside(SOCKET)))
            except OSError:
                return False
        return True

    def register(self) -> None:
        """Starts the kubelet; anew where its node object is gone, which it makes when it starts."""
        if "kubelet" in self._settled() and self._unknown():
            self._end("kubelet")
        self.start("kubelet")

    def _unknown(self) -> bool:
        with contextlib.suppress(Unreachable):
            try:
                self.api.get(self.path)
            except Missing:
                return True
        return False

    def _end(self, name: str) -> None:
        os.kill(self.running()[name], signal.SIGKILL)
        self.until(f"the end of {name}", lambda: name not in self.running(), SETTLE_SECONDS)

    @property
    def path(self) -> str:
        """Where the API server keeps the node object."""
        return f"{NODES}/{self.home.name}"

    def ready(self) -> bool:
        """Whether this box's kubelet says so, not only the one before it, and pods may come."""
        node = self.api.get(self.path)
        taints = {taint["key"] for taint in node["spec"].get("taints", [])}
        return not taints & KEEP_PODS_AWAY and any(
            condition["type"] == "Ready"
            and condition["status"] == "True"
            and datetime.fromisoformat(condition["lastHeartbeatTime"]) >= self.box.since
            for condition in node.get("status", {}).get("conditions", [])
        )

    def resolves(self) -> bool:
        """Whether this box's CoreDNS answers."""
        return addons.available(self.api, scratch.coredns(self.binaries).name, self.box.since)

    def ctr(self, *arguments: str, what: str, seconds: float = 60) -> str:
        """What containerd's own client prints."""
        return output(self.box.enter(ctr(self.binaries, *arguments)), what=what, seconds=seconds)

    def take(self, image: str, archive: Path) -> None:
        """One of the cluster's own images, when the node has it not: never to be collected."""
        what = f"Giving the node the image {image}"
        if self.ctr("images", "ls", "--quiet", f"name=={image}", what=what).strip():
            return
        self.ctr("images", "import", "--local", "--label", PINNED, str(archive), what=what)
