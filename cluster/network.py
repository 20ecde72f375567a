"""The links of boxes: one veth pair each, on a /30 of its own.

The first node's box hangs on the machine, every further one on the first, which passes on
what is not its own; pod networks are routed in boxes only. An interface and its routes go
with its box, but not always at once: a network lives on while a connection to a node that
lost power waits for an answer. So what is left of a link is removed and not waited for.
"""

import json
import subprocess
import time
from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from cluster.addresses import MOST_CLUSTERS, MOST_NODES, POD_NETWORK, Link
from cluster.box import Box
from cluster.problems import Problem
from cluster.programs import output
from cluster.settings import Cluster, Home, Places

LOCK = Path("/run/lock/octans-links.lock")
"""The whole machine's, whatever its state folder: held from the choice to the connection."""

MASQUERADE = f"""
add table ip octans
delete table ip octans
table ip octans {{
  chain leaving {{
    type nat hook postrouting priority srcnat;
    ip saddr {POD_NETWORK} ip daddr != {POD_NETWORK} masquerade
  }}
}}
"""
"""Pods have a node's address where theirs is not known: everywhere but among pods."""

CONNECT = """
set -eu
ip address add "$1" dev eth0
ip link set eth0 up
ip route add default via "$2"
"""

FIRST = """
set -eu
for network in "$@"; do ip route replace unreachable "$network"; done
"""
"""Nodes and pods that are gone cannot be reached, and are not looked for on the machine."""


def link_of(cluster: Cluster) -> Link:
    """The first node's link, as it was chosen."""
    return Link(int(cluster.index.read_text()))


def further_link_of(cluster: Cluster, home: Home) -> Link:
    """A further node's link, as it was chosen."""
    return Link(link_of(cluster).index, int(home.number.read_text()))


def choose(places: Places, cluster: Cluster) -> Link:
    """The cluster's link: the one its certificates name, or the first that nothing here uses."""
    if cluster.first.pki.exists():
        return link_of(cluster)
    others = places.clusters.glob("[!.]*/index")
    taken = {int(path.read_text()) for path in others if path != cluster.index}
    addresses = _addresses()
    for link in map(Link, range(MOST_CLUSTERS)):
        if link.index not in taken and not _used(link, addresses):
            _write(cluster.index, str(link.index))
            return link
    raise Problem("All 256 addresses for clusters are taken; take some cluster down.")


def choose_further(cluster: Cluster, home: Home) -> Link:
    """A further node's link: the one it had before, or the cluster's first free one."""
    if not home.number.exists():
        taken = {int(path.read_text()) for path in cluster.nodes.glob("[!.]*/number")}
        free = [number for number in range(1, MOST_NODES) if number not in taken]
        if not free:
            raise Problem(f"A cluster has at most {MOST_NODES} nodes; remove one of them.")
        _write(home.number, str(free[0]))
    return further_link_of(cluster, home)


def connect(box: Box, link: Link, home: Home) -> None:
    """Machine and first box reach each other; nothing of the machine's own rules is touched."""
    disconnect(link, home)
    if _used(link, _addresses()):
        raise Problem(
            f"The address {link.above} of this cluster has been taken by something else on this"
            " machine; take the cluster down and up again for another."
        )
    _connect(box, link, None)
    _run(None, "ip", "link", "set", link.interface, "alias", str(home.state))
    unreachable = (str(POD_NETWORK), str(link.cluster))
    output(box.enter(["sh", "-c", FIRST, "sh", *unreachable]), what="Setting the box's routes")
    _run(None, "ip", "route", "add", str(link.cluster), "via", str(link.node))


def disconnect(link: Link, home: Home) -> None:
    """The machine's end of a box that has ended is gone; one that is another's stays."""
    if _alias(link) == str(home.state):
        _delete(None, link.interface)
    deadline = time.monotonic() + 5
    while _exists(link) and time.monotonic() < deadline:
        time.sleep(0.01)


def connect_further(box: Box, link: Link, first: Box) -> None:
    """The first box and a further one reach each other; what an earlier link left is gone."""
    disconnect_further(link, first)
    if "eth0" in box.interfaces():  # it led to a first box that has ended
        _delete(box, "eth0")
    _connect(box, link, first)
    # At last: `connected` goes by it.
    _run(first, "ip", "route", "add", str(link.pods), "via", str(link.node))


def disconnect_further(link: Link, first: Box) -> None:
    """Both ends are gone, if they were not."""
    if link.interface in first.interfaces():
        _delete(first, link.interface)


def connected(link: Link, first: Box) -> bool:
    """Whether the first box has a route to a further node's pods, the last thing it gets."""
    command = first.enter_network(["ip", "-json", "-4", "route"])
    routes = json.loads(output(command, what="Listing routes"))
    return any(route["dst"] == str(link.pods) for route in routes)


def _connect(box: Box, link: Link, above: Box | None) -> None:
    """One veth pair between a box and the box above it, or the machine."""
    _run(
        above, "ip", "link", "add", link.interface, "type", "veth",
        "peer", "name", "eth0", "netns", str(box.init),
    )  # fmt: skip
    _run(above, "ip", "address", "add", f"{link.above}/30", "dev", link.interface)
    _run(above, "ip", "link", "set", link.interface, "up")
    inside = ["sh", "-c", CONNECT, "sh", f"{link.node}/30", str(link.above)]
    output(box.enter(inside), what="Connecting the box")
    output(box.enter(["nft", MASQUERADE]), what="Setting the box's one rule")


def _delete(where: Box | None, interface: str) -> None:
    """It may go by itself meanwhile."""
    command = ["ip", "link", "delete", interface]
    subprocess.run(
        where.enter_network(command) if where else command, capture_output=True, check=False
    )


def _run(where: Box | None, *command: str) -> None:
    """In a box's network, or in the machine's."""
    output(where.enter_network(command) if where else command, what="Connecting the box")


def _used(link: Link, addresses: Sequence[IPv4Network]) -> bool:
    return _exists(link) or any(link.cluster.overlaps(address) for address in addresses)


def _exists(link: Link) -> bool:
    return Path("/sys/class/net", link.interface).exists()


def _alias(link: Link) -> str:
    """Whose the machine's end is: the alias is the state folder of its node."""
    try:
        return Path("/sys/class/net", link.interface, "ifalias").read_text().strip()
    except OSError:
        return ""


def _addresses() -> list[IPv4Network]:
    """Every IPv4 network that this machine has an address in."""
    found = json.loads(output(["ip", "-json", "-4", "address"], what="Listing addresses"))
    return [
        IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
        for interface in found
        for address in interface.get("addr_info", [])
    ]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    unfinished.write_text(text)
    unfinished.rename(path)
