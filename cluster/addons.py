"""CoreDNS as this cluster runs it: names of services and pods, and nothing beyond."""

from datetime import UTC, datetime
from typing import Any

from cluster.addresses import API_PORT, DNS_SERVICE_IP, DOMAIN
from cluster.api import Api

NAMESPACE = "kube-system"
LABELS = {"k8s-app": "kube-dns"}
"""The label every Kubernetes gives its DNS; network policies select it."""

COREFILE = f"""
{DOMAIN}:53 in-addr.arpa:53 ip6.arpa:53 {{
    errors
    ready
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        ttl 5
    }}
    cache 5
}}
.:53 {{
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
"""A box has no name server above it: every other name is answered at once with “no such name”."""

API_ADDRESS: list[dict[str, object]] = [
    {"name": "KUBERNETES_SERVICE_HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
    {"name": "KUBERNETES_SERVICE_PORT", "value": str(API_PORT)},
]
"""The API server at the first node's own address: CoreDNS need not wait for kube-proxy."""

DEPLOYMENT_PATH = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/coredns"


def apply(api: Api, image: str, node: str) -> None:
    """CoreDNS's objects, as this version of the program wants them; it runs on this node."""
    for path, thing in objects(image, node).items():
        api.apply(path, thing)


def available(api: Api, image: str, since: datetime) -> bool:
    """Whether a CoreDNS of this image answers that was started since a moment.

    After a power cut the API server goes on telling of the pods as they were before.
    """
    selector = "&".join(f"labelSelector={name}%3D{value}" for name, value in LABELS.items())
    pods = api.get(f"/api/v1/namespaces/{NAMESPACE}/pods?{selector}").get("items", [])
    return any(
        container["image"] == image and container["ready"] and _started(container) >= since
        for pod in pods
        for container in pod.get("status", {}).get("containerStatuses", [])
    )


def _started(container: dict[str, Any]) -> datetime:
    text = container.get("state", {}).get("running", {}).get("startedAt")
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


def objects(image: str, node: str) -> dict[str, dict[str, object]]:
    """Every object by the path at which the API server keeps it."""
    core, rbac = f"/api/v1/namespaces/{NAMESPACE}", "/apis/rbac.authorization.k8s.io/v1"
    return {
        f"{core}/serviceaccounts/coredns": _thing("v1", "ServiceAccount", "coredns"),
        f"{rbac}/clusterroles/system:coredns": _role(),
        f"{rbac}/clusterrolebindings/system:coredns": _binding(),
        f"{core}/configmaps/coredns": {
            **_thing("v1", "ConfigMap", "coredns"),
            "data": {"Corefile": COREFILE},
        },
        f"{core}/services/kube-dns": _service(),
        DEPLOYMENT_PATH: _deployment(image, node),
    }


def _thing(version: str, kind: str, name: str) -> dict[str, object]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": LABELS},
    }


def _role() -> dict[str, object]:
    watch = ["list", "watch"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": watch},
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "verbs": watch,
            },
        ],
    }


def _binding() -> dict[str, object]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:coredns",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": NAMESPACE}],
    }


def _service() -> dict[str, object]:
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    return {
        **_thing("v1", "Service", "kube-dns"),
        "spec": {"clusterIP": DNS_SERVICE_IP, "selector": LABELS, "ports": ports},
    }


def _deployment(image: str, node: str) -> dict[str, object]:
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        # Where the API server is, and not on a further node, which may be killed and stay so.
        "nodeSelector": {"kubernetes.io/hostname": node},
        "tolerations": [{"operator": "Exists"}],
        "containers": [_container(image)],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    return {
        **_thing("apps/v1", "Deployment", "coredns"),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
        },
    }


def _container(image: str) -> dict[str, object]:
    return {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "env": API_ADDRESS,
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
