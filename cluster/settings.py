"""Names, addresses and places; nothing here reads or writes anything but the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from cluster.problems import Problem

SOURCES = Path(__file__).resolve().parent
"""This folder: Go modules in `go/`, images in `images/`."""

DEFAULT_NAME = os.environ.get("OCTANS_CLUSTER") or "dev"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
"""A cluster's name is also a host name, a node name and part of cgroup names."""

LONGEST_STATE = 107 - len("/kubelet/device-plugins/kubelet.sock")
"""A socket's path has at most 107 bytes (sys/un.h)."""

LINKS = IPv4Network("10.233.0.0/16")
"""Every cluster takes one /30 of this network for its link to the machine: at most 256 clusters."""

POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
DOMAIN = "cluster.local"
API_PORT = 6443

CNI_PROGRAMS = Path("/usr/lib/cni")
"""Where Debian's containernetworking-plugins puts them."""

ELSEWHERE = (
    "to use a cluster you have instead (kind, k3d, minikube, any other): make up CLUSTER=existing,"
    " as docs/existing-cluster.md says"
)


@dataclass(frozen=True)
class Link:
    """The /30 between the machine and one box: `.1` is the machine, `.2` the node."""

    index: int

    @property
    def network(self) -> IPv4Network:
        return IPv4Network((int(LINKS.network_address) + 256 * self.index, 30))

    @property
    def interface(self) -> str:
        return f"octans{self.index}"

    @property
    def machine(self) -> IPv4Address:
        return self.network.network_address + 1

    @property
    def node(self) -> IPv4Address:
        return self.network.network_address + 2

    @property
    def api(self) -> str:
        return f"https://{self.node}:{API_PORT}"


@dataclass(frozen=True)
class Places:
    """Where what is built once lies (cache), and where the clusters keep theirs (state)."""

    cache: Path
    clusters: Path

    def cluster(self, name: str) -> "Cluster":
        """The named cluster's places; a name that is no host name is a Problem."""
        if not NAME.fullmatch(name):
            raise Problem(
                f"“{name}” cannot be a cluster's name: lower-case letters, digits and dashes,"
                " at most 40."
            )
        state = self.clusters / name
        if len(str(state)) > LONGEST_STATE:
            raise Problem(
                f"The path {state} is too long for sockets inside it; set XDG_STATE_HOME to a"
                " shorter one."
            )
        return Cluster(name, state)


@dataclass(frozen=True)
class Cluster:
    """One named cluster and the folder that holds all of it."""

    name: str
    state: Path

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def logs_before(self) -> Path:
        """The logs of the box before this one."""
        return self.state / "logs-before"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def etc(self) -> Path:
        return self.state / "etc"

    @property
    def index(self) -> Path:
        return self.state / "index"

    @property
    def cgroup(self) -> str:
        return f"octans-{self.name}"


def places(environment: Mapping[str, str]) -> Places:
    """The XDG folders as the environment names them."""
    home = Path(environment.get("HOME") or Path.home())
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
    return Places(cache / "octans", state / "octans" / "clusters")
