"""A cluster with a further node: pods, logs, the network between the nodes, images."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cluster_program.program import Own, needs_own_cluster, program, succeed, wait_until

pytestmark = needs_own_cluster

SECOND = "second"
PORT = 8000
FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).status)"


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    """Two nodes, each with a web server in a pod and a service before it."""
    cluster = Own(f"t-{os.getpid()}-n")
    try:
        cluster.up()
        image = succeed("base")
        # Before there is another node, which is to have it too.
        succeed("load", "--name", cluster.name, image)
        assert cluster.node("add", SECOND) == SECOND
        for node in (cluster.name, SECOND):
            serve(cluster, node, image)
        yield cluster
    finally:
        cluster.down()


def serve(cluster: Own, node: str, image: str) -> None:
    port = {"port": PORT}
    cluster.run_pod(
        f"on-{node}",
        node=node,
        image=image,
        command=["python3", "-u", "-m", "http.server", str(PORT)],
        readinessProbe={"httpGet": port, "periodSeconds": 1},
    )
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"of-{node}"},
        "spec": {"type": "NodePort", "selector": {"name": f"on-{node}"}, "ports": [port]},
    }
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(service))


def ways(own: Own) -> list[tuple[str, str]]:
    """From where to where: each node's pod to each, its own service too."""
    nodes = (own.name, SECOND)
    return [(here, there) for here in nodes for there in nodes]


def address(own: Own, node: str) -> str:
    return own.kubectl("get", "pod", f"on-{node}", "-o=jsonpath={.status.podIP}")


def fetch(own: Own, node: str, url: str) -> str:
    return own.kubectl("exec", f"on-{node}", "--", "python3", "-c", FETCH, url)


def answers(own: Own, node: str, url: str) -> bool:
    return fetch(own, node, url) == "200"


def test_a_nodes_pod_runs_where_it_is_told_and_its_log_can_be_read(own: Own) -> None:
    where = own.kubectl("get", "pod", f"on-{SECOND}", "-o=jsonpath={.spec.nodeName}")
    assert where == SECOND
    assert "GET / " in own.kubectl("logs", f"on-{SECOND}")


def test_pods_reach_one_another_and_know_each_others_address(own: Own) -> None:
    for here, there in ways(own):
        assert fetch(own, here, f"http://{address(own, there)}:{PORT}/?from-{here}") == "200"
        seen = own.kubectl("logs", f"on-{there}").splitlines()
        from_here = [line for line in seen if f"/?from-{here} " in line]
        assert from_here[0].startswith(address(own, here)), from_here


def test_services_are_reached_by_name_and_address(own: Own) -> None:
    for here, there in ways(own):
        service = own.kubectl("get", "service", f"of-{there}", "-o=jsonpath={.spec.clusterIP}")
        assert fetch(own, here, f"http://{service}:{PORT}") == "200"
        name = f"of-{there}.default.svc.cluster.local"
        wait_until(f"the name {name}", partial(answers, own, here, f"http://{name}:{PORT}"))


def test_node_ports_are_reached_from_this_machine_at_every_node(own: Own) -> None:
    port = own.kubectl("get", "service", f"of-{SECOND}", "-o=jsonpath={.spec.ports[0].nodePort}")
    for node in (own.name, SECOND):
        host = own.kubectl("get", "node", node, "-o=jsonpath={.status.addresses[0].address}")
        with urllib.request.urlopen(f"http://{host}:{port}", timeout=5) as answer:
            assert answer.status == 200


def test_add_again_changes_nothing(own: Own) -> None:
    before = own.boxes
    assert own.node("add", SECOND) == SECOND
    assert own.boxes == before


def test_status_and_logs_tell_of_every_node(own: Own) -> None:
    status = succeed("status", "--name", own.name)
    assert "ENDED" not in status
    assert "NOT" not in status
    assert [line.split()[1] for line in status.splitlines() if line.startswith("node ")] == [
        own.name,
        SECOND,
    ]
    log = succeed("logs", "kubelet", "--node", SECOND, "--name", own.name)
    assert log
    assert log != succeed("logs", "kubelet", "--name", own.name)


def test_an_image_is_given_to_both(own: Own, tmp_path: Path) -> None:
    image = f"localhost/{own.name}:1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    try:
        succeed("build", "--tag", image, tmp_path)
        first = program("load", "--name", own.name, image)
        assert first.returncode == 0, first.stderr
        again = program("load", "--name", own.name, image)
        for node in (own.name, SECOND):
            assert f"giving the node {node} {image}" in first.stderr
            assert f"The node {node} has {image} already.\n" in again.stderr
    finally:
        subprocess.run(["buildah", "rmi", image], capture_output=True, check=False)


def test_a_node_object_that_was_deleted_returns(own: Own) -> None:
    before = own.box_of(SECOND)
    own.kubectl("delete", "node", SECOND)
    own.node("add", SECOND)
    assert own.box_of(SECOND) == before
    own.run_pod("after-its-return", node=SECOND)


def test_it_goes_on_when_the_first_node_has_lost_power(own: Own) -> None:
    image = succeed("base")
    own.run_pod("goes-on", node=SECOND, image=image, command=["sleep", "infinity"])
    first, second = own.box, own.box_of(SECOND)
    assert first is not None
    os.kill(first.init, signal.SIGKILL)
    wait_until("the box's end", lambda: own.box is None)
    own.up()
    assert own.box_of(SECOND) == second
    to_first = f"http://{address(own, own.name)}:{PORT}"
    code = own.kubectl("exec", "goes-on", "--", "python3", "-c", FETCH, to_first)
    assert code == "200"
    restarts = "-o=jsonpath={.status.containerStatuses[0].restartCount}"
    assert own.kubectl("get", "pod", "goes-on", restarts) == "0"
