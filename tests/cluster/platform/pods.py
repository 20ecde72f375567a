"""Rules for the pods of a namespace, and pods of our own that they are tried on."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from crds import names
from tests.cluster.platform.kubectl import Answer, Kubectl
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


Effect = Callable[[Answer], object]
"""Whether the answer to the creation of a pod shows that rules are followed."""


def refusing(sentence: str) -> Effect:
    """The effect of rules that refuse pods with a sentence."""
    return lambda answer: answer.code != 0 and sentence in answer.err


def changing(changed: Callable[[dict[str, Any]], object]) -> Effect:
    """The effect of rules that change the spec of pods."""
    return lambda answer: answer.code == 0 and changed(json.loads(answer.out)["spec"])


@asynccontextmanager
async def rules(
    kubectl: Kubectl, objects: list[dict[str, Any]], *effects: Effect
) -> AsyncIterator[None]:
    """Rules for new pods of a namespace, each with its effect.

    The API server takes them up, and lets go of them, some moments after they are made and deleted;
    it is waited for both times, so that no other test's pods feel them.
    """
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    await kubectl("create", "-f", "-", stdin=items)
    try:
        await _shows(kubectl, "rules are followed", lambda pod: all(each(pod) for each in effects))
        yield
    finally:
        await kubectl("delete", "-f", "-", stdin=items)
        await _shows(kubectl, "rules are gone", lambda pod: not any(each(pod) for each in effects))


async def _shows(kubectl: Kubectl, what: str, effect: Effect) -> None:
    await wait_for(
        what,
        lambda: kubectl.ask(
            "create", "-f", "-", "--dry-run=server", "-o", "json", stdin=bare_pod("probe")
        ),
        effect,
        seconds=30,
    )


@asynccontextmanager
async def gates_stay_shut(kubectl: Kubectl, prefix: str) -> AsyncIterator[None]:
    """While it lasts, the API server refuses to open the gate of pods whose name starts so."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
            "resources": ["pods"]}  # fmt: skip
    opens = "!has(oldObject.spec.schedulingGates) || has(object.spec.schedulingGates)"
    ours = {"name": "ours", "expression": f"object.metadata.name.startsWith('{prefix}')"}
    policy: dict[str, Any] = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": prefix},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [ours],
            "validations": [{"expression": opens}],
        },
    }
    objects = {
        "apiVersion": "v1", "kind": "List", "items": [policy, bound(policy, kubectl.namespace)],
    }  # fmt: skip
    await kubectl("create", "-f", "-", stdin=objects)
    try:
        await _gate_is_held(kubectl, f"{prefix}-probe")
        yield
    finally:
        await kubectl("delete", "-f", "-", stdin=objects)


async def _gate_is_held(kubectl: Kubectl, name: str) -> None:
    """The API server takes policies up after a moment: try on a pod of our own."""
    await kubectl("create", "-f", "-", stdin=bare_pod(name, schedulingGates=[{"name": names.GATE}]))
    opened = '[{"op":"remove","path":"/spec/schedulingGates"}]'
    await wait_for(
        "the policy refuses",
        lambda: kubectl.ask("patch", "pod", name, "--type=json", "-p", opened, "--dry-run=server"),
        lambda answer: answer.code != 0,
        seconds=30,
    )
    await kubectl("delete", "pod", name, "--grace-period=0", "--force")
