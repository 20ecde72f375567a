"""Pods of our own that the namespace's rules are tried on."""

from typing import Any

from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.waiting import wait_for


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
