"""The programs of a node and the command lines that start them."""

from dataclasses import dataclass
from pathlib import Path

from cluster.addresses import API_PORT, POD_NETWORK, SERVICE_NETWORK, Link
from cluster.binaries import Binaries
from cluster.configs import SOCKET
from cluster.settings import Home

ETCD = "http://127.0.0.1:2379"
QPS = ("--kube-api-qps=100", "--kube-api-burst=200")
"""Client-side limits as high as kind's and k3s's, so that no figure measures them."""


@dataclass(frozen=True)
class Component:
    name: str
    argv: tuple[str, ...]

    def log(self, home: Home) -> Path:
        return home.logs / f"{self.name}.log"


def components(home: Home, link: Link, binaries: Binaries) -> dict[str, Component]:
    """By name, all that must run for a node to be whole; the first node has the control plane."""
    made = [
        containerd(home, binaries),
        kubelet(home, link, binaries),
        proxy(home, binaries),
    ]
    if link.number == 0:
        made += [
            etcd(home, binaries),
            apiserver(home, link, binaries),
            controller_manager(home, binaries),
            scheduler(home, binaries),
        ]
    return {component.name: component for component in made}


def containerd(home: Home, binaries: Binaries) -> Component:
    program = binaries.containerd("containerd")
    return Component("containerd", (str(program), "--config", f"{home.etc}/containerd.toml"))


def etcd(home: Home, binaries: Binaries) -> Component:
    return _kubernetes(
        binaries, "etcd",
        f"--data-dir={home.state}/etcd",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        # A throwaway cluster: what the machine's memory holds outlives the box.
        "--unsafe-no-fsync",
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
    )  # fmt: skip


def apiserver(home: Home, link: Link, binaries: Binaries) -> Component:
    pki = home.pki
    return _kubernetes(
        binaries, "kube-apiserver",
        f"--etcd-servers={ETCD}",
        f"--advertise-address={link.node}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/service-account.pub",
        f"--service-account-signing-key-file={pki}/service-account.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-to-kubelet.crt",
        f"--kubelet-client-key={pki}/apiserver-to-kubelet.key",
        # The node's name resolves nowhere: without this `kubectl logs` fails.
        "--kubelet-preferred-address-types=InternalIP",
        "--profiling=false",
    )  # fmt: skip


def controller_manager(home: Home, binaries: Binaries) -> Component:
    return _kubernetes(
        binaries, "kube-controller-manager",
        f"--kubeconfig={home.pki}/controller-manager.kubeconfig",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--root-ca-file={home.pki}/ca.crt",
        f"--service-account-private-key-file={home.pki}/service-account.key",
        f"--cluster-signing-cert-file={home.pki}/ca.crt",
        f"--cluster-signing-key-file={home.pki}/ca.key",
        # It would make the default folder on the machine.
        f"--flex-volume-plugin-dir={home.state}/kubelet/volume-plugins",
        "--profiling=false",
        *QPS,
    )  # fmt: skip


def scheduler(home: Home, binaries: Binaries) -> Component:
    return _kubernetes(
        binaries, "kube-scheduler",
        f"--kubeconfig={home.pki}/scheduler.kubeconfig",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
        *QPS,
    )  # fmt: skip


def kubelet(home: Home, link: Link, binaries: Binaries) -> Component:
    return _kubernetes(
        binaries, "kubelet",
        f"--config={home.etc}/kubelet.yaml",
        f"--kubeconfig={home.pki}/kubelet.kubeconfig",
        f"--root-dir={home.state}/kubelet",
        f"--cert-dir={home.state}/kubelet/pki",
        f"--hostname-override={home.name}",
        f"--node-ip={link.node}",
    )  # fmt: skip


def proxy(home: Home, binaries: Binaries) -> Component:
    return _kubernetes(
        binaries, "kube-proxy",
        f"--kubeconfig={home.pki}/proxy.kubeconfig",
        f"--hostname-override={home.name}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={POD_NETWORK}",
        # This limit is the whole machine's and not ours to set.
        "--conntrack-max-per-core=0",
    )  # fmt: skip


def _kubernetes(binaries: Binaries, program: str, *flags: str) -> Component:
    return Component(program, (str(binaries.kubernetes(program)), *flags))


def ctr(binaries: Binaries, *arguments: str) -> list[str]:
    """containerd's own client, in the namespace that the kubelet uses."""
    program = str(binaries.containerd("ctr"))
    return [program, "--address", SOCKET, "--namespace", "k8s.io", *arguments]
