"""Keys and certificates of a cluster's nodes, made once with openssl, and their kubeconfigs."""

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from cluster.addresses import API_SERVICE_IP, DOMAIN, Link
from cluster.programs import output
from cluster.settings import Cluster, Home

DAYS = 3650

CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")


@dataclass(frozen=True)
class Identity:
    """One certificate: the file's name, who it is for, and whether it serves or calls."""

    file: str
    subject: str
    section: str = "client"
    kubeconfig: bool = False


CONTROL_PLANE = (
    Identity("apiserver", "/CN=kube-apiserver", "server"),
    Identity("apiserver-to-kubelet", "/O=system:masters/CN=apiserver-to-kubelet"),
    Identity("admin", "/O=system:masters/CN=admin", kubeconfig=True),
    Identity("controller-manager", "/CN=system:kube-controller-manager", kubeconfig=True),
    Identity("scheduler", "/CN=system:kube-scheduler", kubeconfig=True),
)


def of_node(name: str) -> tuple[Identity, ...]:
    """What every node has, the first one too."""
    return (
        Identity("kubelet-server", f"/O=system:nodes/CN=system:node:{name}", "server"),
        Identity("kubelet", f"/O=system:nodes/CN=system:node:{name}", kubeconfig=True),
        Identity("proxy", "/CN=system:kube-proxy", kubeconfig=True),
    )


def make(cluster: Cluster, link: Link) -> None:
    """The first node's `pki/`, with the authority; the folder appears whole or not at all."""
    home = cluster.first
    if home.pki.is_dir():
        return
    names = (
        f"DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc,"
        f" DNS:kubernetes.default.svc.{DOMAIN}, DNS:localhost, DNS:{cluster.name},"
        f" IP:127.0.0.1, IP:{API_SERVICE_IP}, IP:{link.node}"
    )
    folder = _unfinished(home, names)
    _certificate(folder, Identity("ca", f"/CN=octans-{cluster.name}", "authority"))
    for identity in (*CONTROL_PLANE, *of_node(cluster.name)):
        _issue(folder, identity, folder, cluster, link)
    _service_account_key(folder)
    folder.rename(home.pki)


def make_further(cluster: Cluster, home: Home, link: Link) -> None:
    """A further node's `pki/`, signed by the cluster's authority, whose key stays where it is."""
    if home.pki.is_dir():
        return
    folder = _unfinished(home, f"DNS:{home.name}, IP:{link.node}")
    shutil.copyfile(cluster.first.pki / "ca.crt", folder / "ca.crt")
    for identity in of_node(home.name):
        _issue(folder, identity, cluster.first.pki, cluster, link)
    folder.rename(home.pki)


def _unfinished(home: Home, names: str) -> Path:
    folder = home.state / "unfinished-pki"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    (folder / "openssl.cnf").write_text(CONFIGURATION.format(names=names))
    return folder


def _issue(folder: Path, identity: Identity, authority: Path, cluster: Cluster, link: Link) -> None:
    _certificate(folder, identity, "-CA", f"{authority}/ca.crt", "-CAkey", f"{authority}/ca.key")
    if identity.kubeconfig:
        _write_kubeconfig(folder, identity.file, cluster.name, link)


def _certificate(folder: Path, identity: Identity, *signer: str) -> None:
    output(
        ["openssl", "req", "-x509", "-config", folder / "openssl.cnf", *NEW_KEY, "-days", str(DAYS),
         "-subj", identity.subject, "-extensions", identity.section,
         "-keyout", folder / f"{identity.file}.key", "-out", folder / f"{identity.file}.crt",
         *signer],
        what=f"Making the certificate of {identity.file} with openssl",
    )  # fmt: skip


def _service_account_key(folder: Path) -> None:
    key = folder / "service-account.key"
    what = "Making the service accounts' key with openssl"
    output(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-out", key],
        what=what,
    )  # fmt: skip
    output(["openssl", "pkey", "-in", key, "-pubout", "-out", key.with_suffix(".pub")], what=what)


def _write_kubeconfig(folder: Path, file: str, name: str, link: Link) -> None:
    """A kubeconfig with everything inside, so that it can be carried elsewhere (JSON is YAML)."""
    context = f"octans-{name}"
    user = f"{context}-{file}"
    authority = {"server": link.api, "certificate-authority-data": _base64(folder / "ca.crt")}
    credentials = {
        "client-certificate-data": _base64(folder / f"{file}.crt"),
        "client-key-data": _base64(folder / f"{file}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": authority}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }
    path = folder / f"{file}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
