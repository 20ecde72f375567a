"""A further node's life: killed, back again, removed; and what is left of it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster_program import traces
from tests.cluster_program.program import Own, needs_own_cluster, program, succeed, wait_until

pytestmark = needs_own_cluster

SECOND, THIRD = "second", "third"


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    cluster = Own(f"t-{os.getpid()}-l")
    try:
        cluster.up()
        cluster.node("add", SECOND)
        yield cluster
    finally:
        cluster.down()


def ready(own: Own, node: str) -> str:
    path = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    return own.kubectl("get", "node", node, path)


def test_a_killed_node_is_not_ready_and_returns_as_it_was(own: Own, tmp_path: Path) -> None:
    own.run_pod("lives-there", node=SECOND)
    own.node("kill", SECOND)
    assert own.box_of(SECOND) is None
    image = f"localhost/{own.name}:1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    try:
        succeed("build", "--tag", image, tmp_path)
        loaded_meanwhile = program("load", "--name", own.name, image)
        assert SECOND not in loaded_meanwhile.stderr
        # Kubernetes gives a node 40 seconds, and looks every 5.
        wait_until("NotReady", lambda: ready(own, SECOND) == "Unknown", seconds=120)
        status = program("status", "--name", own.name)
        assert status.returncode == 1
        assert f"node {SECOND}" in status.stdout
        assert "DOWN" in status.stdout
        own.node("add", SECOND)
        assert ready(own, SECOND) == "True"
        again = program("load", "--name", own.name, image)
        assert f"The node {SECOND} has {image} already." in again.stderr
    finally:
        subprocess.run(["buildah", "rmi", image], capture_output=True, check=False)
    own.run_pod("came-after", node=SECOND)
    own.kubectl("wait", "--for=condition=Ready", "pod/lives-there", "--timeout=50s")


def test_to_kill_what_does_not_run_changes_nothing(own: Own) -> None:
    own.node("kill", SECOND)
    done = program("node", "kill", SECOND, "--name", own.name)
    assert (done.returncode, done.stderr) == (0, f"The node {SECOND} does not run.\n")


def test_the_first_node_loses_power_while_another_has_none(own: Own) -> None:
    """Connections to a dead node keep the network of the first one's old box for a while."""
    first = own.box
    assert first is not None
    os.kill(first.init, signal.SIGKILL)
    wait_until("the box's end", lambda: own.box is None)
    own.up()
    assert own.box_of(SECOND) is None


def test_a_node_returns_whose_object_was_deleted_while_it_was_dead(own: Own) -> None:
    assert own.box_of(SECOND) is None
    own.kubectl("delete", "node", SECOND)
    own.node("add", SECOND)
    assert ready(own, SECOND) == "True"
    own.run_pod("on-a-new-object", node=SECOND)


UNKNOWN = "has no node “stranger”; its further nodes are: second."
SENTENCES = {
    "add ../other": "“../other” cannot be a node's name",
    "kill stranger": UNKNOWN,
    "remove stranger": UNKNOWN,
    "add {first}": "is the cluster's first node",
    "kill {first}": "is the cluster's first node",
    "remove {first}": "is the cluster's first node",
}


@pytest.mark.parametrize("words", SENTENCES)
def test_what_cannot_be_is_said_in_a_sentence(own: Own, words: str) -> None:
    done = program("node", *words.format(first=own.name).split(), "--name", own.name)
    assert done.returncode == 1
    assert SENTENCES[words] in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_component_that_died_is_started_again(own: Own) -> None:
    found = own.box_of(SECOND)
    assert found is not None
    kubelet = next(p.pid for p in found.processes() if p.name == "kubelet")
    os.kill(kubelet, signal.SIGKILL)
    wait_until("its end", lambda: not Path(f"/proc/{kubelet}").exists())
    own.node("add", SECOND)
    assert own.box_of(SECOND) == found
    assert "kubelet" in [process.name for process in found.processes()]


def test_remove_leaves_nothing_of_a_node(own: Own) -> None:
    own.node("add", THIRD)
    own.run_pod("on-the-third", node=THIRD)
    first, third = own.box, own.box_of(THIRD)
    assert first is not None
    assert third is not None
    interfaces = first.interfaces()
    home = own.places.further(THIRD)
    before = traces.inside([third])
    there = {line.split()[0] for line in traces.left_of(home, before)}
    assert there == {"process", "cgroup", str(home.state)}
    own.node("remove", THIRD)
    assert traces.left_of(home, before) == []
    assert len(interfaces - first.interfaces()) == 1
    names = own.kubectl("get", "nodes", "-o=jsonpath={.items[*].metadata.name}")
    assert names.split() == sorted([own.name, SECOND])


def test_a_node_that_was_killed_can_be_removed(own: Own) -> None:
    own.node("add", THIRD)
    own.node("kill", THIRD)
    own.node("remove", THIRD)
    assert traces.left_of(own.places.further(THIRD), traces.NOTHING) == []
    assert THIRD not in own.kubectl("get", "nodes", "-o=name")


def test_a_removal_that_was_cut_off_goes_on(own: Own) -> None:
    own.node("add", THIRD)
    own.node("kill", THIRD)
    state = own.places.further(THIRD).state
    half_removed = state.rename(state.with_name(f".removed-{THIRD}"))
    own.node("remove", THIRD)
    assert not half_removed.exists()
    assert THIRD not in own.kubectl("get", "nodes", "-o=name")


def test_after_down_with_its_state_a_node_is_down_until_it_is_added(own: Own) -> None:
    succeed("down", "--keep-state", "--name", own.name)
    assert own.boxes == []
    own.up()
    assert own.box_of(SECOND) is None
    assert "DOWN" in program("status", "--name", own.name).stdout
    own.node("add", SECOND)
    assert ready(own, SECOND) == "True"


def test_down_leaves_nothing_of_any_node(own: Own) -> None:
    machine = traces.machine_wide()
    own.run_pod("on-the-second", node=SECOND)
    own.node("add", THIRD)
    own.node("kill", THIRD)
    home = own.places.first
    before = traces.inside(own.boxes)
    there = {line.split()[0] for line in traces.left_of(home, before)}
    assert there == {"process", "cgroup", "interface", str(home.state)}
    own.down()
    assert traces.left_of(home, before) == []
    assert traces.machine_wide() == machine
