"""The nodes that a cluster has besides its first: added, killed and removed one by one."""

from cluster import api, box, cgroups, homes, load, network, pki, scratch
from cluster.addresses import Link
from cluster.binaries import Binaries
from cluster.box import Box
from cluster.components import components
from cluster.node import PATIENCE, Node
from cluster.problems import Problem
from cluster.progress import say, step
from cluster.settings import Cluster, Home, Places


def add(places: Places, cluster: Cluster, first: Node, name: str) -> None:
    """Ends when the node is ready and has the first node's images.

    Goes on from wherever an earlier one was cut off, as `up` does; the state of a node
    that was killed returns.
    """
    home = _home(cluster, name)
    link = network.choose_further(cluster, home)
    found = homes.furnished_box(home)
    if found and not network.connected(link, first.box):
        network.connect_further(found, link, first.box)
    node = _node_in(cluster, home, found or _make(cluster, home, link, first), first.binaries)
    with step(f"starting containerd on {name}"):
        node.start("containerd")
        node.until("containerd", node.containerd_listens, PATIENCE)
        pause = scratch.pause(node.binaries)
        node.take(pause.name, pause.archive(places.cache))
    load.copy(first, node)
    with step(f"starting kubelet and kube-proxy: node {name} ready"):
        node.register()
        node.start("kube-proxy")
        node.until(f"the node {name}", node.ready, PATIENCE)


def kill(cluster: Cluster, name: str) -> None:
    """A power cut: the node's object and its state stay."""
    home = _known(cluster, name)
    if box.find(home) is None:
        say(f"The node {name} does not run.")
    _cut_off(cluster, home)


def remove(cluster: Cluster, first: Node, name: str) -> None:
    """Nothing is left of the node, in the cluster and on the machine; its folder goes last."""
    home = _known(cluster, name)
    with step(f"removing the node {name}"):
        _cut_off(cluster, home)
        first.api.delete(f"{api.NODES}/{name}")
        cgroups.remove(home.cgroup)
        homes.remove_folder(home.state)


def reconnect(cluster: Cluster, first: Box) -> None:
    """Further nodes that outlived the first box hang on the new one."""
    for home in known(cluster):
        found = box.find(home)
        if found and found.furnished:
            link = network.further_link_of(cluster, home)
            if not network.connected(link, first):
                with step(f"connecting the node {home.name} again"):
                    network.connect_further(found, link, first)


def known(cluster: Cluster) -> list[Home]:
    """Further nodes that have a state folder, whether they run or not."""
    return [cluster.further(path.name) for path in sorted(cluster.nodes.glob("[!.]*/"))]


def running(cluster: Cluster, binaries: Binaries) -> list[Node]:
    """Further nodes whose boxes run."""
    found = ((home, box.find(home)) for home in known(cluster))
    return [
        _node_in(cluster, home, there, binaries)
        for home, there in found
        if there and there.furnished
    ]


def find(cluster: Cluster, name: str) -> Home:
    """The places of the node that has this name, the first or a further one."""
    return cluster.first if name == cluster.name else _known(cluster, name)


def _home(cluster: Cluster, name: str) -> Home:
    if name == cluster.name:
        raise Problem(
            f"“{name}” is the cluster's first node, which `up` makes and `down` removes; choose"
            " another name."
        )
    return cluster.further(name)


def _known(cluster: Cluster, name: str) -> Home:
    home = _home(cluster, name)
    if not homes.has_folder(home.state):
        names = ", ".join(other.name for other in known(cluster)) or "none"
        raise Problem(
            f"The cluster “{cluster.name}” has no node “{name}”; its further nodes are: {names}."
        )
    return home


def _cut_off(cluster: Cluster, home: Home) -> None:
    """Nobody is told: without its link, no process that is killed closes its connections."""
    first = box.find(cluster.first)
    if first and home.number.exists():
        network.disconnect_further(network.further_link_of(cluster, home), first)
    if found := box.find(home):
        found.kill()


def _make(cluster: Cluster, home: Home, link: Link, first: Node) -> Box:
    if cgroups.occupied(home.cgroup):
        raise Problem(
            f"A node “{home.name}” of another cluster named “{cluster.name}” runs here from"
            " another state folder; choose another name."
        )
    with step(f"making the box of the node {home.name}, its keys and its link"):
        pki.make_further(cluster, home, link)
        made = homes.make_box(home, link, first.binaries)
        network.connect_further(made, link, first.box)
        made.finish()
    return made


def _node_in(cluster: Cluster, home: Home, found: Box, binaries: Binaries) -> Node:
    parts = components(home, network.further_link_of(cluster, home), binaries)
    return Node(home, found, parts, binaries, api.connect(cluster))
