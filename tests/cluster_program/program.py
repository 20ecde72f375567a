"""The program under test, run as a person runs it, and kubectl against what it made."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster import binaries, box, settings
from cluster.box import Box

ROOT = Path(__file__).parents[2]

HOST = "kubernetes.io/hostname"

needs_own_cluster = pytest.mark.skipif(
    os.geteuid() != 0 or os.environ.get("CLUSTER") == "existing",
    reason="makes clusters on this machine, which needs root",
)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "cluster", *map(str, arguments)]


def program(
    *arguments: str | Path, env: Mapping[str, str] | None = None, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end; `before` goes in front of the command line."""
    return subprocess.run(
        [*before, *command(*arguments)],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def succeed(*arguments: str | Path) -> str:
    done = program(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Own:
    """A cluster that one test has for itself."""

    name: str

    @property
    def places(self) -> settings.Cluster:
        return settings.places(os.environ).cluster(self.name)

    @property
    def box(self) -> Box | None:
        return box.find(self.places.first)

    @property
    def boxes(self) -> list[Box]:
        """Its nodes' boxes."""
        return box.of(self.places)

    def box_of(self, node: str) -> Box | None:
        return box.find(self.places.further(node))

    def up(self) -> str:
        return succeed("up", "--name", self.name)

    def down(self) -> None:
        succeed("down", "--name", self.name)

    def node(self, verb: str, node: str) -> str:
        return succeed("node", verb, node, "--name", self.name)

    @staticmethod
    def program(name: str) -> Path:
        """One of the programs that Kubernetes is made of."""
        return binaries.Binaries(settings.places(os.environ).cache / "bin").kubernetes(name)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [self.program("kubectl"), "--kubeconfig", self.places.kubeconfig, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run_pod(self, name: str, node: str | None = None, **container: Any) -> None:
        """A pod, of the image that every node has, which waits; returns when it runs."""
        image = f"localhost/pause:{self._pause_tag()}"
        container = {"name": "main", "image": image, "imagePullPolicy": "Never", **container}
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
        pod: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"name": name}},
            # By the scheduler, which sees whether the node takes pods.
            "spec": {**spec, "nodeSelector": {HOST: node}} if node else spec,
        }
        self.kubectl("create", "-f", "-", stdin=json.dumps(pod))
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=50s")

    @staticmethod
    def _pause_tag() -> str:
        built = binaries.Binaries(settings.places(os.environ).cache / "bin")
        return built.folder("pause").name.removeprefix("pause-")


def wait_until(what: str, done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
