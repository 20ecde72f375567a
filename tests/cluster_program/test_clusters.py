"""Two clusters side by side, from nothing to nothing again."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster_program import traces
from tests.cluster_program.program import Own, needs_own_cluster, program, succeed, wait_until

pytestmark = needs_own_cluster


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Own, Own]]:
    clusters = Own(f"t-{os.getpid()}-a"), Own(f"t-{os.getpid()}-b")
    try:
        with ThreadPoolExecutor() as at_once:
            list(at_once.map(Own.up, clusters))
        yield clusters
    finally:
        for cluster in clusters:
            cluster.down()


def test_a_pod_runs_on_each(pair: tuple[Own, Own]) -> None:
    for cluster in pair:
        cluster.run_pod("waits")
        assert cluster.kubectl("get", "pod", "waits", "-o=jsonpath={.spec.nodeName}") == (
            cluster.name
        )


def test_they_never_meet(pair: tuple[Own, Own]) -> None:
    first, second = pair
    first.kubectl("create", "configmap", "of-the-first")
    assert "of-the-first" in first.kubectl("get", "configmaps", "-o=name")
    assert "of-the-first" not in second.kubectl("get", "configmaps", "-o=name")


def test_up_again_changes_nothing(pair: tuple[Own, Own]) -> None:
    before = pair[0].box
    pair[0].up()
    assert pair[0].box == before


def test_status_tells_of_every_component(pair: tuple[Own, Own]) -> None:
    status = succeed("status", "--name", pair[0].name)
    assert "ENDED" not in status
    assert "NOT" not in status
    assert "https://10.233." in status


def test_a_program_is_seen_from_the_moment_it_is_started(
    pair: tuple[Own, Own], tmp_path: Path
) -> None:
    """While the kernel replaces `setsid` by it, a living process has no command line at all."""
    found = pair[0].box
    assert found is not None
    kubectl = pair[0].program("kubectl")
    for _ in range(25):
        before = {process.pid for process in found.processes()}
        found.start([kubectl, "proxy", "--port=0", "--server=http://127.0.0.1:1"], tmp_path / "log")
        name = ""
        while name != "kubectl":
            new = [process for process in found.processes() if process.pid not in before]
            assert len(new) == 1, (tmp_path / "log").read_text()
            name = new[0].name
        os.kill(new[0].pid, signal.SIGKILL)
        wait_until("its end", lambda: not Path(f"/proc/{new[0].pid}").exists())  # noqa: B023 - called at once


def test_a_component_that_died_is_started_again(pair: tuple[Own, Own]) -> None:
    found = pair[0].box
    assert found is not None
    scheduler = next(p.pid for p in found.processes() if p.name == "kube-scheduler")
    os.kill(scheduler, signal.SIGKILL)
    wait_until("its end", lambda: not Path(f"/proc/{scheduler}").exists())
    pair[0].up()
    assert pair[0].box == found
    pair[0].run_pod("scheduled")


def test_an_image_is_sent_once(pair: tuple[Own, Own], tmp_path: Path) -> None:
    image = f"localhost/{pair[0].name}:1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    try:
        succeed("build", "--tag", image, tmp_path)
        first = program("load", "--name", pair[0].name, image)
        assert first.returncode == 0, first.stderr
        assert f"giving the node {pair[0].name} {image}" in first.stderr
        assert program("load", "--name", pair[0].name, image).stderr == (
            f"The node {pair[0].name} has {image} already.\n"
        )
    finally:
        subprocess.run(["buildah", "rmi", image], capture_output=True, check=False)


def test_objects_survive_a_power_cut(pair: tuple[Own, Own]) -> None:
    cut = pair[0]
    cut.kubectl("create", "configmap", "written-before")
    before = cut.box
    assert before is not None
    os.kill(before.init, signal.SIGKILL)
    wait_until("the box's end", lambda: cut.box is None)
    cut.up()
    assert cut.box != before
    assert "written-before" in cut.kubectl("get", "configmaps", "-o=name")
    cut.run_pod("after")


def test_down_leaves_nothing(pair: tuple[Own, Own]) -> None:
    removed, kept = pair
    machine = traces.machine_wide()
    before = traces.inside(removed.boxes)
    assert len(before.namespaces) >= 7, "its own five, and those of a pod"
    there = {line.split()[0] for line in traces.left_of(removed.places.first, before)}
    assert there == {"process", "cgroup", "interface", str(removed.places.state)}
    removed.down()
    assert traces.left_of(removed.places.first, before) == []
    assert traces.machine_wide() == machine
    assert kept.box is not None
    kept.run_pod("goes-on")
