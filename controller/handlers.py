"""kopf's part: watch streams that tell what they show. No logic, nothing returned.

kopf swallows what an `on.event` handler raises and writes what it returns to the object's status,
so a handler only says that something happened.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import kopf

from controller.observed import PodView
from controller.views import JOB_NAME_LABEL, pod_view
from crds import names
from crds.client import JOBS, PODS, TASKS

log = logging.getLogger(__name__)


class Shown(NamedTuple):
    """What a watch has shown of an object."""

    kind: str
    """Its plural."""
    deleted: bool
    """It is gone, or not of those watched any more."""
    name: str
    version: int
    """Its resource version; those of one kind can be compared."""
    job: str = ""
    """The Job that a pod belongs to; empty: none."""
    pod: PodView | None = None
    """The pod, where it is one."""


Show = Callable[[Shown], None]

SELECTORS: Final = {
    TASKS: f"!{names.LABEL_FINISHED}",
    JOBS: names.LABEL_TASK_UID,
    PODS: names.LABEL_TASK_UID,
}
"""What is watched of each kind, as a label selector: what has not ended, and is ours."""


def registry(show: Show) -> kopf.OperatorRegistry:
    """Handlers that pass on what the watches show."""
    found = kopf.OperatorRegistry()
    kopf.on.login(registry=found)(_login)
    for kind in SELECTORS:
        on = kopf.on.event(kind.group, kind.version, kind.plural, registry=found, id=kind.plural)
        on(_handler(kind.plural, show))
    return found


def _handler(plural: str, show: Show) -> Callable[..., Awaitable[None]]:
    async def changed(**event: Any) -> None:  # noqa: ANN401 - kopf's
        meta = event["meta"]
        show(
            Shown(
                plural,
                deleted=event["type"] == "DELETED",
                name=str(meta.name),
                version=int(meta.get("resourceVersion", "0")),
                job=meta.labels.get(JOB_NAME_LABEL, ""),
                pod=_pod(event["body"]) if plural == PODS.plural else None,
            )
        )

    return changed


def _pod(body: Mapping[str, Any]) -> PodView | None:
    try:
        return pod_view(body)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # What a watch has shown is told in any case: else the watch would count as blind.
        why = {"pod": body["metadata"]["name"], "error": type(error).__name__}
        log.warning("pod not understood", extra=why)
        return None


def operator_settings() -> kopf.OperatorSettings:
    """How kopf is to watch: what has not ended and is ours; no finalizer, no event of its own."""
    found = kopf.OperatorSettings()
    for kind, selector in SELECTORS.items():
        found.watching.label_selectors[kind.group, kind.plural] = selector
    found.watching.chunk_size = 500
    # An API server cut off in the middle of a request must not stop the watch for minutes.
    found.networking.request_timeout = 30
    found.networking.connect_timeout = 5
    # By default it waits for ever longer while lists are refused, in the end for 10 minutes. Where
    # it gives up instead it is started again.
    found.networking.error_backoffs = [0.5, 1, 2]
    found.posting.enabled = False
    found.scanning.disabled = True
    found.peering.standalone = True
    return found


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - kopf's
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
