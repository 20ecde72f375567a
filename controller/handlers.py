"""kopf's part: watch streams that put names in the work queue. No logic, nothing returned.

kopf swallows what an `on.event` handler raises and writes what it returns to the object's status,
so a handler only says that something happened.
"""

from collections.abc import Callable
from typing import Any

import kopf

from controller.views import JOB_NAME_LABEL
from crds import names

Wake = Callable[[str], None]


def registry(*, task: Wake, parts: Wake) -> kopf.OperatorRegistry:
    """Handlers that call `task` with the name of a task object that something happened to, and
    `parts` with that of the task whose Job or pod it happened to."""
    found = kopf.OperatorRegistry()

    async def task_changed(name: str, **_: Any) -> None:  # noqa: ANN401 - kopf's
        task(name)

    async def job_changed(name: str, **_: Any) -> None:  # noqa: ANN401 - kopf's
        parts(name)

    async def pod_changed(labels: kopf.Labels, **_: Any) -> None:  # noqa: ANN401 - kopf's
        if (name := labels.get(JOB_NAME_LABEL)) is not None:
            parts(name)

    kopf.on.login(registry=found)(_login)
    kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=found)(task_changed)
    kopf.on.event("batch", "v1", "jobs", registry=found)(job_changed)
    kopf.on.event("v1", "pods", registry=found)(pod_changed)
    return found


def operator_settings() -> kopf.OperatorSettings:
    """How kopf is to watch: what has not ended and is ours; no finalizer, no event of its own."""
    found = kopf.OperatorSettings()
    ours = names.LABEL_TASK_UID
    found.watching.label_selectors[names.GROUP, names.PLURAL] = f"!{names.LABEL_FINISHED}"
    found.watching.label_selectors["batch", "jobs"] = ours
    found.watching.label_selectors["", "pods"] = ours
    found.watching.chunk_size = 500
    # An API server cut off in the middle of a request must not stop the watch for minutes.
    found.networking.request_timeout = 30
    found.networking.connect_timeout = 5
    found.posting.enabled = False
    found.scanning.disabled = True
    found.peering.standalone = True
    return found


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - kopf's
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
