"""The addresses of clusters, their nodes, pods and services."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

LINKS = IPv4Network("10.233.0.0/16")
"""Every cluster takes one /24 of this network for its nodes' links: at most 256 clusters."""

POD_NETWORK = IPv4Network("10.244.0.0/16")
"""The same in every cluster; every node has a part of it."""

SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
DOMAIN = "cluster.local"
API_PORT = 6443

MOST_CLUSTERS = 256
MOST_NODES = 64
"""As many as a /24 has /30s for links, and as the pod network has /22s."""


@dataclass(frozen=True)
class Link:
    """The /30 by which one node hangs on the rest: `.1` is the end above it, `.2` the node.

    The first node, number 0, hangs on the machine; every further one on the first.
    """

    index: int
    """The cluster's."""

    number: int = 0
    """The node's within its cluster."""

    @property
    def cluster(self) -> IPv4Network:
        """All links of the cluster."""
        return IPv4Network((int(LINKS.network_address) + 256 * self.index, 24))

    @property
    def network(self) -> IPv4Network:
        return IPv4Network((int(self.cluster.network_address) + 4 * self.number, 30))

    @property
    def above(self) -> IPv4Address:
        return self.network.network_address + 1

    @property
    def node(self) -> IPv4Address:
        return self.network.network_address + 2

    @property
    def interface(self) -> str:
        """The name of the end above."""
        return f"node{self.number}" if self.number else f"octans{self.index}"

    @property
    def pods(self) -> IPv4Network:
        """The node's part of the pod network: 1022 addresses for at most 250 pods."""
        return IPv4Network((int(POD_NETWORK.network_address) + 1024 * self.number, 22))

    @property
    def api(self) -> str:
        """The API server, which is the first node's."""
        return f"https://{Link(self.index).node}:{API_PORT}"
