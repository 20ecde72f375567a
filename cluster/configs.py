"""The configuration files of one node, as values and texts; writes them into `etc/`."""

import json

from cluster.addresses import DNS_SERVICE_IP, DOMAIN, Link
from cluster.settings import CNI_PROGRAMS, Home

SOCKET = "/run/containerd/containerd.sock"
"""On the box's own /run."""

CONTAINERD = """
version = 4
root = "{state}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp"]

[plugins."io.containerd.server.v1.grpc"]
address = "{socket}"

# The box is what may lose power; the machine below it goes on and writes what is in its memory.
[plugins."io.containerd.metadata.v1.bolt"]
no_sync = true

[plugins."io.containerd.internal.v1.opt"]
path = "{state}/containerd/opt"

# Machines without CAP_SYS_RESOURCE may not lower a score.
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
# Its profile would stay in the machine's kernel.
disable_apparmor = true
cdi_spec_dirs = []

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{cni}"]
conf_dir = "{etc}/cni"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"
"""


def cni(link: Link) -> dict[str, object]:
    """Pods on one bridge; addresses are given out anew in every box, whose pods are new too."""
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni",
            "ranges": [[{"subnet": str(link.pods)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, ports]}


def kubelet(home: Home) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{home.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{home.pki}/kubelet-server.crt",
        "tlsPrivateKeyFile": f"{home.pki}/kubelet-server.key",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "clusterDNS": [DNS_SERVICE_IP],
        "clusterDomain": DOMAIN,
        "resolvConf": f"{home.etc}/resolv.conf",
        "podLogsDir": f"{home.state}/pods",
        "volumePluginDir": f"{home.state}/kubelet/volume-plugins",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{home.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "enforceNodeAllocatable": [],
        "registerWithTaints": [],
        "maxPods": 250,
        "containerLogMaxSize": "10Mi",
        "serializeImagePulls": False,
        # Images come by `load` only: none is ever collected.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "imageMaximumGCAge": "0s",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%",
                         "nodefs.inodesFree": "1%", "imagefs.available": "1%"},
        # As elsewhere in this cluster: what is measured here is not our own throttling.
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
    }  # fmt: skip


def write(home: Home, link: Link, pause: str) -> None:
    """All files, anew at every start: they follow the program, not the state."""
    (home.etc / "cni").mkdir(parents=True, exist_ok=True)
    (home.etc / "containerd.toml").write_text(
        CONTAINERD.format(
            state=home.state, etc=home.etc, socket=SOCKET, cni=CNI_PROGRAMS, pause=pause
        )
    )
    (home.etc / "cni" / "pods.conflist").write_text(json.dumps(cni(link), indent=1))
    (home.etc / "kubelet.yaml").write_text(json.dumps(kubelet(home), indent=1))
    (home.etc / "resolv.conf").write_text(f"nameserver {DNS_SERVICE_IP}\n")
