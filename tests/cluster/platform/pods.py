"""Rules for the pods of a namespace, and pods of our own that they are tried on."""

import json
from collections.abc import Callable
from typing import Any, Final

from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.waiting import wait_for

PODS_CREATED: Final = {
    "resourceRules": [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    ]
}
"""What a policy that looks at new pods matches."""


def mutating(name: str, expression: str) -> dict[str, Any]:
    """A policy that changes new pods by a JSON patch, which is given as CEL."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": PODS_CREATED,
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
        },
    }


def bound(policy: dict[str, Any], namespace: str) -> dict[str, Any]:
    """A policy's binding, to one namespace only."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    deny = {"validationActions": ["Deny"]} if policy["kind"].startswith("Validating") else {}
    return {
        "apiVersion": policy["apiVersion"],
        "kind": f"{policy['kind']}Binding",
        "metadata": policy["metadata"],
        "spec": {
            "policyName": policy["metadata"]["name"],
            "matchResources": {"namespaceSelector": selector},
            **deny,
        },
    }


def bare_pod(name: str, **spec: Any) -> dict[str, Any]:
    """A pod as Pod Security `restricted` allows it, with the runner's usual resources; its gate
    never opens."""
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "2"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "schedulingGates": [{"name": "example.org/never"}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "c",
                    "image": "none",
                    "resources": resources,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
            **spec,
        },
    }


async def is_refused(kubectl: Kubectl, sentence: str) -> None:
    """Wait until the API server refuses a pod with a sentence: it takes rules up after a moment."""
    await wait_for(
        f"pods are refused: {sentence}",
        lambda: kubectl.ask("create", "-f", "-", "--dry-run=server", stdin=bare_pod("probe")),
        lambda answer: answer.code != 0 and sentence in answer.err,
        seconds=30,
    )


async def are_changed(kubectl: Kubectl, changed: Callable[[dict[str, Any]], object]) -> None:
    """Wait until the spec of a new pod is as rules of the namespace make it."""
    await wait_for(
        "the rules change pods",
        lambda: kubectl.ask(
            "create", "-f", "-", "--dry-run=server", "-o", "json", stdin=bare_pod("probe")
        ),
        lambda answer: answer.code == 0 and changed(json.loads(answer.out)["spec"]),
        seconds=30,
    )
