"""Takes a cluster up, and down again."""

import contextlib
import shutil
from collections.abc import Iterator

from cluster import addons, api, box, cgroups, further_nodes, homes, network, pki, scratch
from cluster.binaries import Binaries
from cluster.box import Box
from cluster.components import components
from cluster.locks import locked
from cluster.node import PATIENCE, Node
from cluster.problems import Problem
from cluster.progress import step
from cluster.settings import Cluster, Places


@contextlib.contextmanager
def alone(places: Places, cluster: Cluster) -> Iterator[None]:
    """Only one program at a time changes a cluster."""
    lock = places.clusters.parent / f"{cluster.name}.lock"
    with locked(lock, f"another program that changes the cluster “{cluster.name}”"):
        yield


def up(places: Places, cluster: Cluster, binaries: Binaries) -> None:
    """Ends when the first node is ready and CoreDNS answers.

    Goes on from wherever an earlier one was cut off: a box that was not made to
    its end is made anew, components that do not run are started, objects stay.
    """
    found = homes.furnished_box(cluster.first) or _make(places, cluster, binaries)
    further_nodes.reconnect(cluster, found)
    node = _node_in(cluster, found, binaries)
    with step("starting containerd, etcd and the API server"):
        node.start("etcd", "kube-apiserver", "containerd")
        node.until("containerd", node.containerd_listens, PATIENCE)
        for image in (scratch.pause(binaries), scratch.coredns(binaries)):
            node.take(image.name, image.archive(places.cache))
        node.until("the API server", node.api.ready, PATIENCE)
    with step("starting kubelet, controller manager, scheduler and kube-proxy: node ready"):
        node.register()
        node.start("kube-controller-manager", "kube-scheduler", "kube-proxy")
        addons.apply(node.api, scratch.coredns(binaries).name, cluster.name)
        node.until("the node", node.ready, PATIENCE)
    with step("waiting for CoreDNS"):
        node.until("CoreDNS", node.resolves, PATIENCE)


def down(cluster: Cluster, *, keep_state: bool) -> None:
    """Leaves nothing of the cluster and its nodes on the machine; with `keep_state`, its folder."""
    with step(f"taking the cluster “{cluster.name}” down"):
        for found in box.of(cluster):
            found.kill()
        if cluster.index.exists():
            network.disconnect(network.link_of(cluster), cluster.first)
        for name in cgroups.of(cluster):
            cgroups.remove(name)
        if not cgroups.of_any():
            with contextlib.suppress(OSError):
                box.SCRATCH.rmdir()
        if not keep_state:
            homes.remove_folder(cluster.state)


def running(cluster: Cluster, binaries: Binaries) -> Node:
    """The first node of a cluster that is up."""
    found = box.find(cluster.first)
    if found is None or not found.furnished:
        raise Problem(
            f"The cluster “{cluster.name}” is not up: python3 -m cluster up --name {cluster.name}."
        )
    return _node_in(cluster, found, binaries)


def _node_in(cluster: Cluster, found: Box, binaries: Binaries) -> Node:
    parts = components(cluster.first, network.link_of(cluster), binaries)
    return Node(cluster.first, found, parts, binaries, api.connect(cluster))


def _make(places: Places, cluster: Cluster, binaries: Binaries) -> Box:
    home = cluster.first
    if cgroups.occupied(home.cgroup):
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
        shutil.copyfile(home.pki / "admin.kubeconfig", cluster.kubeconfig)
        cluster.kubeconfig.chmod(0o600)
        made = homes.make_box(home, link, binaries)
        network.connect(made, link, home)
        made.finish()
    return made
