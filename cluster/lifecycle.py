"""Takes a cluster up, and down again."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from cluster import addons, api, box, cgroups, configs, network, pki, scratch
from cluster.binaries import Binaries
from cluster.components import COMPONENTS, components
from cluster.locks import locked
from cluster.node import Node
from cluster.problems import Problem
from cluster.progress import say, step
from cluster.settings import Cluster, Link, Places


@contextlib.contextmanager
def alone(places: Places, cluster: Cluster) -> Iterator[None]:
    """Only one program at a time changes a cluster."""
    lock = places.clusters.parent / f"{cluster.name}.lock"
    with locked(lock, f"another program that changes the cluster “{cluster.name}”"):
        yield


def up(places: Places, cluster: Cluster, binaries: Binaries) -> None:
    """Ends when the node is ready and CoreDNS answers; finds what an earlier box left."""
    if found := box.find(cluster):
        if whole(node(cluster, found, binaries)):
            say(f"The cluster “{cluster.name}” is up.")
            return
        found.kill()
    if cgroups.occupied(cluster):
        raise Problem(
            f"Another cluster named “{cluster.name}” runs here from another state folder;"
            " choose another --name."
        )
    link = network.choose(places, cluster)
    with step(f"making the box “{cluster.name}”, its keys and its link {link.node}"):
        made = _furnish(cluster, link, binaries)
    with step("starting containerd, etcd and the API server"):
        made.start("etcd", "kube-apiserver", "containerd")
        made.until("containerd", made.containerd_listens, 30)
        for image in (scratch.pause(binaries), scratch.coredns(binaries)):
            made.take(image.name, image.archive(places.cache))
        made.until("the API server", lambda: made.api.get("/readyz") == "ok", 60)
    with step("starting controller manager, scheduler, kubelet and kube-proxy: node ready"):
        made.start("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy")
        addons.apply(made.api, scratch.coredns(binaries).name)
        made.until("the node", made.ready, 60)
    with step("waiting for CoreDNS"):
        made.until("CoreDNS", lambda: addons.available(made.api), 60)


def down(cluster: Cluster, *, keep_state: bool) -> None:
    """Leaves nothing of the cluster on the machine; with `keep_state`, its folder."""
    if found := box.find(cluster):
        found.kill()
    cgroups.remove(cluster)
    if cluster.index.exists():
        network.gone(Link(int(cluster.index.read_text())))
    if not cgroups.others(cluster):
        with contextlib.suppress(OSError):
            box.SCRATCH.rmdir()
    if not keep_state:
        _remove(cluster.state)


def running(cluster: Cluster, binaries: Binaries) -> Node:
    """The node of a cluster that is up."""
    found = box.find(cluster)
    if found is None:
        raise Problem(
            f"The cluster “{cluster.name}” is not up: python3 -m cluster up --name {cluster.name}."
        )
    return node(cluster, found, binaries)


def node(cluster: Cluster, found: box.Box, binaries: Binaries) -> Node:
    """The node that lives in a running box."""
    link = Link(int(cluster.index.read_text()))
    parts = components(cluster, link, binaries)
    return Node(cluster, found, parts, binaries, api.connect(cluster))


def whole(node: Node) -> bool:
    """Whether every component runs, the node is ready and CoreDNS answers."""
    names = {process.name for process in node.box.processes()}
    with contextlib.suppress(api.Unreachable):
        return names.issuperset(COMPONENTS) and node.ready() and addons.available(node.api)
    return False


def _furnish(cluster: Cluster, link: Link, binaries: Binaries) -> Node:
    pki.make(cluster, link)
    shutil.rmtree(cluster.logs, ignore_errors=True)
    cluster.logs.mkdir(parents=True)
    shutil.copyfile(cluster.pki / "admin.kubeconfig", cluster.kubeconfig)
    cluster.kubeconfig.chmod(0o600)
    configs.write(cluster, scratch.pause(binaries).name)
    cgroups.make(cluster)
    made = box.make(cluster, binaries.pause)
    network.connect(made, link)
    return node(cluster, made, binaries)


def _remove(state: Path) -> None:
    """The state folder; never through a mount, which would be someone's files."""
    inside = [
        line.split()[1]
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if line.split()[1].startswith(f"{state}/")
    ]
    if inside:
        raise Problem(f"{inside[0]} is mounted inside {state}; unmount it first.")
    if state.exists():
        shutil.rmtree(state)
