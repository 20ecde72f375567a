"""Names and places; nothing here reads or writes anything but the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.problems import Problem

SOURCES = Path(__file__).resolve().parent
"""This folder: Go modules in `go/`, images in `images/`."""

DEFAULT_NAME = os.environ.get("OCTANS_CLUSTER") or "dev"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
"""The name of a cluster or a node is also a host name and part of cgroup names."""

LONGEST_STATE = 107 - len("/kubelet/device-plugins/kubelet.sock")
"""A socket's path has at most 107 bytes (sys/un.h)."""

CNI_PROGRAMS = Path("/usr/lib/cni")
"""Where Debian's containernetworking-plugins puts them."""

ELSEWHERE = (
    "to use a cluster you have instead (kind, k3d, minikube, any other): make up CLUSTER=existing,"
    " as docs/existing-cluster.md says"
)


@dataclass(frozen=True)
class Home:
    """One node: its name, the folder that holds all of it, and the name of its cgroups."""

    name: str
    state: Path
    cgroup: str

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
    def number(self) -> Path:
        """Holds a further node's number within its cluster."""
        return self.state / "number"


@dataclass(frozen=True)
class Cluster:
    """One named cluster and the folder that holds all of it."""

    name: str
    state: Path

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def index(self) -> Path:
        return self.state / "index"

    @property
    def first(self) -> Home:
        """The node that `up` makes: it has the cluster's name, and its folder is the cluster's."""
        return Home(self.name, self.state, f"octans-{self.name}")

    @property
    def nodes(self) -> Path:
        """The folders of further nodes."""
        return self.state / "nodes"

    def further(self, name: str) -> Home:
        """A further node's places; a name that is no host name is a Problem."""
        _require_name(name, "a node's")
        # No cluster's name has a dot: this cgroup cannot be another cluster's.
        return Home(name, _short(self.nodes / name), f"octans-{self.name}.{name}")


@dataclass(frozen=True)
class Places:
    """Where what is built once lies (cache), and where the clusters keep theirs (state)."""

    cache: Path
    clusters: Path

    def cluster(self, name: str) -> Cluster:
        """The named cluster's places; a name that is no host name is a Problem."""
        _require_name(name, "a cluster's")
        return Cluster(name, _short(self.clusters / name))


def places(environment: Mapping[str, str]) -> Places:
    """The XDG folders as the environment names them."""
    home = Path(environment.get("HOME") or Path.home())
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
    return Places(cache / "octans", state / "octans" / "clusters")


def _require_name(name: str, whose: str) -> None:
    if not NAME.fullmatch(name):
        raise Problem(
            f"“{name}” cannot be {whose} name: lower-case letters, digits and dashes, at most 40."
        )


def _short(state: Path) -> Path:
    if len(str(state)) > LONGEST_STATE:
        raise Problem(
            f"The path {state} is too long for sockets inside it; choose a shorter name, or set"
            " XDG_STATE_HOME to a shorter folder."
        )
    return state
