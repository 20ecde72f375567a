"""A command killed on its way: the next one goes on, whatever the first had got to."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import binaries, locks
from tests.cluster_program.program import ROOT, Own, command, needs_own_cluster, program, wait_until

pytestmark = needs_own_cluster


@pytest.fixture
def own() -> Iterator[Own]:
    cluster = Own(f"t-{os.getpid()}-i")
    try:
        yield cluster
    finally:
        cluster.down()


def runs(name: str) -> Callable[[Own], bool]:
    def check(cluster: Own) -> bool:
        found = cluster.box
        return found is not None and any(p.name == name for p in found.processes())

    return check


POINTS: dict[str, Callable[[Own], bool]] = {
    "while keys are made": lambda own: (own.places.state / "unfinished-pki").exists(),
    "as soon as there is a box": lambda own: own.box is not None,
    "when etcd runs": runs("etcd"),
    "when the API server runs": runs("kube-apiserver"),
    "when the kubelet runs": runs("kubelet"),
}


def kill_at(point: str, reached: Callable[[Own], bool], own: Own, *words: str) -> None:
    """Starts a command and kills it as soon as it has got there."""
    started = subprocess.Popen(
        command(*words, "--name", own.name), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    with started:
        wait_until(f"{words[0]} to be {point}", lambda: reached(own))
        started.send_signal(signal.SIGKILL)


def test_up_goes_on_after_a_kill_at_any_point(own: Own) -> None:
    for point, reached in POINTS.items():
        kill_at(point, reached, own, "up")
    own.up()
    own.run_pod("runs")


ADDED = "added"


def runs_added(name: str) -> Callable[[Own], bool]:
    def check(cluster: Own) -> bool:
        found = cluster.box_of(ADDED)
        return found is not None and any(p.name == name for p in found.processes())

    return check


ADD_POINTS: dict[str, Callable[[Own], bool]] = {
    "while keys are made": lambda own: (
        own.places.further(ADDED).state / "unfinished-pki"
    ).exists(),
    "as soon as there is a box": lambda own: own.box_of(ADDED) is not None,
    "when containerd runs": runs_added("containerd"),
    "when the kubelet runs": runs_added("kubelet"),
}


def test_node_add_goes_on_after_a_kill_at_any_point(own: Own) -> None:
    own.up()
    for point, reached in ADD_POINTS.items():
        kill_at(point, reached, own, "node", "add", ADDED)
    own.node("add", ADDED)
    own.run_pod("runs", node=ADDED)


def test_a_component_that_dies_is_named(own: Own) -> None:
    (own.places.state / "etcd").mkdir(parents=True)
    (own.places.state / "etcd" / "member").write_text("This is no folder.")
    done = program("up", "--name", own.name)
    assert done.returncode == 1
    assert "octans: etcd died: " in done.stderr
    assert str(own.places.first.logs / "etcd.log") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_build_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    """The smallest module stands for all: the folder appears at once and whole."""
    pause = binaries.MODULES[0]
    left = tmp_path / "bin" / f"unfinished-{pause.name}"
    left.mkdir(parents=True)
    (left / "half-a-program").write_text("")
    binaries.build(tmp_path, [pause])
    made = binaries.Binaries(tmp_path / "bin").folder(pause.name)
    assert [path.name for path in made.iterdir()] == [pause.name]
    assert not left.exists()


def test_a_lock_goes_with_its_program(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("left by a program that was killed")
    with locks.locked(path, "nobody"):
        assert path.exists()
    assert not path.exists()
