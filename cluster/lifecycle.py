"""Takes a cluster up, and down again."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from cluster import addons, api, box, cgroups, configs, network, pki, scratch
from cluster.binaries import Binaries
from cluster.components import components
from cluster.locks import locked
from cluster.node import Node
from cluster.problems import Problem
from cluster.progress import step
from cluster.settings import Cluster, Link, Places

PATIENCE = 120.0
"""Seconds for each wait: ten times what it takes, for machines that are busy with other things."""


@contextlib.contextmanager
def alone(places: Places, cluster: Cluster) -> Iterator[None]:
    """Only one program at a time changes a cluster."""
    lock = places.clusters.parent / f"{cluster.name}.lock"
    with locked(lock, f"another program that changes the cluster “{cluster.name}”"):
        yield


def up(places: Places, cluster: Cluster, binaries: Binaries) -> None:
    """Ends when the node is ready and CoreDNS answers.

    Goes on from wherever an earlier one was cut off: a box that was not made to
    its end is made anew, components that do not run are started, objects stay.
    """
    found = box.find(cluster)
    if found and not found.furnished:
        found.kill()
        found = None
    node = node_in(cluster, found, binaries) if found else _make(places, cluster, binaries)
    with step("starting containerd, etcd and the API server"):
        node.start("etcd", "kube-apiserver", "containerd")
        node.until("containerd", node.containerd_listens, PATIENCE)
        for image in (scratch.pause(binaries), scratch.coredns(binaries)):
            node.take(image.name, image.archive(places.cache))
        node.until("the API server", node.api.ready, PATIENCE)
    with step("starting kubelet, controller manager, scheduler and kube-proxy: node ready"):
        node.start("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy")
        addons.apply(node.api, scratch.coredns(binaries).name)
        node.until("the node", node.ready, PATIENCE)
    with step("waiting for CoreDNS"):
        node.until("CoreDNS", node.resolves, PATIENCE)


def down(cluster: Cluster, *, keep_state: bool) -> None:
    """Leaves nothing of the cluster on the machine; with `keep_state`, its folder."""
    with step(f"taking the cluster “{cluster.name}” down"):
        if found := box.find(cluster):
            found.kill()
            if cluster.index.exists():
                network.gone(_link(cluster))
        cgroups.remove(cluster)
        if not cgroups.others(cluster):
            with contextlib.suppress(OSError):
                box.SCRATCH.rmdir()
        if not keep_state:
            _remove(cluster.state)


def running(cluster: Cluster, binaries: Binaries) -> Node:
    """The node of a cluster that is up."""
    found = box.find(cluster)
    if found is None or not found.furnished:
        raise Problem(
            f"The cluster “{cluster.name}” is not up: python3 -m cluster up --name {cluster.name}."
        )
    return node_in(cluster, found, binaries)


def node_in(cluster: Cluster, found: box.Box, binaries: Binaries) -> Node:
    parts = components(cluster, _link(cluster), binaries)
    return Node(cluster, found, parts, binaries, api.connect(cluster))


def _make(places: Places, cluster: Cluster, binaries: Binaries) -> Node:
    if cgroups.occupied(cluster):
        raise Problem(
            f"Another cluster named “{cluster.name}” runs here from another state folder;"
            " choose another --name."
        )
    with (
        locked(network.LOCK, "another cluster that takes its address"),
        step(f"making the box “{cluster.name}”, its keys and its link"),
    ):
        link = network.choose(places, cluster)
        pki.make(cluster, link)
        _new_logs(cluster)
        shutil.copyfile(cluster.pki / "admin.kubeconfig", cluster.kubeconfig)
        cluster.kubeconfig.chmod(0o600)
        configs.write(cluster, scratch.pause(binaries).name)
        # Folders of a box that lost power would keep the kubelet busy for minutes.
        cgroups.remove(cluster)
        cgroups.make(cluster)
        made = box.make(cluster, binaries.pause)
        network.connect(made, link)
    return node_in(cluster, made, binaries)


def _new_logs(cluster: Cluster) -> None:
    """An empty folder; the logs of the box before, whose end may need explaining, stay once."""
    if cluster.logs.exists():
        shutil.rmtree(cluster.logs_before, ignore_errors=True)
        cluster.logs.rename(cluster.logs_before)
    cluster.logs.mkdir()


def _link(cluster: Cluster) -> Link:
    return Link(int(cluster.index.read_text()))


def _remove(state: Path) -> None:
    """The state folder; never through a mount, which would be someone's files."""
    inside = [
        line.split()[1]
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if line.split()[1].startswith(f"{state}/")
    ]
    if inside:
        raise Problem(f"{inside[0]} is mounted inside {state}; unmount it first.")
    removed = state.with_name(f".removed-{state.name}")
    for folder in (removed, state):
        if folder.exists():
            folder.replace(removed)  # at once: half a state is no state
            shutil.rmtree(removed)
