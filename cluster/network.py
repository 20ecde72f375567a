"""The link between the machine and a box: one veth pair on a /30 of its own."""

import json
import time
from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from cluster.box import FURNISHED, Box
from cluster.problems import Problem
from cluster.programs import output
from cluster.settings import Cluster, Link, Places

LOCK = Path("/run/lock/octans-links.lock")
"""The whole machine's, whatever its state folder: held from the choice to the connection."""


def choose(places: Places, cluster: Cluster) -> Link:
    """The cluster's link: the one its certificates name, or the first that nothing here uses."""
    if cluster.pki.exists():
        return Link(int(cluster.index.read_text()))
    others = places.clusters.glob("[!.]*/index")
    taken = {int(path.read_text()) for path in others if path != cluster.index}
    addresses = _addresses()
    for link in map(Link, range(256)):
        if link.index not in taken and not _used(link, addresses):
            _write(cluster.index, str(link.index))
            return link
    raise Problem("All 256 addresses for clusters are taken; take some cluster down.")


def connect(box: Box, link: Link) -> None:
    """Machine and box reach each other; nothing of the machine's own rules is touched."""
    if not gone(link) or _used(link, _addresses()):
        raise Problem(
            f"The address {link.machine} of this cluster has been taken by something else on this"
            " machine; take the cluster down and up again for another."
        )
    what = "Connecting the box to the machine"
    output(
        ["ip", "link", "add", link.interface, "type", "veth",
         "peer", "name", "eth0", "netns", str(box.init)],
        what=what,
    )  # fmt: skip
    output(["ip", "address", "add", f"{link.machine}/30", "dev", link.interface], what=what)
    output(["ip", "link", "set", link.interface, "up"], what=what)
    inside = (
        f"ip address add {link.node}/30 dev eth0 && ip link set eth0 up"
        f" && ip route add default via {link.machine} && touch {FURNISHED}"
    )
    output(box.enter(["sh", "-c", inside]), what=what)


def gone(link: Link, seconds: float = 5) -> bool:
    """Waits for the machine's end to go, which it does by itself a moment after its box."""
    deadline = time.monotonic() + seconds
    while _exists(link) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not _exists(link)


def _used(link: Link, addresses: Sequence[IPv4Network]) -> bool:
    return _exists(link) or any(link.network.overlaps(address) for address in addresses)


def _exists(link: Link) -> bool:
    return Path("/sys/class/net", link.interface).exists()


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
