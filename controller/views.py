"""Kubernetes' JSON, read into the values that decisions see; judges nothing."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from controller.observed import JobView, PodView, Terminated
from crds import names

Object = Mapping[str, Any]

JOB_NAME_LABEL: Final = "batch.kubernetes.io/job-name"
_INDEX: Final = "batch.kubernetes.io/job-completion-index"
_NUMBER: Final = re.compile("[0-9]{1,9}")


def moment(text: str | None) -> datetime | None:
    """A Kubernetes time; None where there is none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def job_view(job: Object) -> JobView:
    """A Job's JSON, read."""
    meta, spec = job["metadata"], job.get("spec", {})
    ended = {"Complete", "Failed"}
    return JobView(
        name=meta["name"],
        uid=meta["uid"],
        owner_uid=_controller_uid(meta) or _left_by(meta),
        created=moment(meta.get("creationTimestamp")),
        suspended=bool(spec.get("suspend")),
        deleting="deletionTimestamp" in meta,
        finished=any(
            found.get("type") in ended and found.get("status") == "True"
            for found in job.get("status", {}).get("conditions") or ()
        ),
        ttl=spec.get("ttlSecondsAfterFinished"),
        inherited=bool(_controller_uid(meta) and _left_by(meta)),
    )


def pod_view(pod: Object) -> PodView:
    """A pod's JSON, read."""
    meta, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
    gates = [gate.get("name") for gate in spec.get("schedulingGates") or ()]
    conditions = {found.get("type"): found for found in status.get("conditions") or ()}
    statuses = status.get("containerStatuses") or ()
    state: Object = next(
        (found.get("state", {}) for found in statuses if found.get("name") == names.CONTAINER), {}
    )
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    terminated = state.get("terminated")
    scheduled = conditions.get("PodScheduled", {})
    index = str((meta.get("annotations") or {}).get(_INDEX, ""))
    bound = spec.get("nodeName") and meta.get("creationTimestamp")
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta.get("resourceVersion", ""),
        index=int(index) if _NUMBER.fullmatch(index) else -1,
        owner_uid=_controller_uid(meta),
        created=moment(meta.get("creationTimestamp")),
        gated=names.GATE in gates,
        phase=status.get("phase", "Pending"),
        deleting="deletionTimestamp" in meta,
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        scheduled=moment(
            scheduled.get("lastTransitionTime") if scheduled.get("status") == "True" else bound
        ),
        unschedulable=scheduled.get("message") or "no node fits"
        if scheduled.get("reason") == "Unschedulable"
        else "",
        disruption=_disruption(status),
        waiting=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        init=_init(spec, status),
        started=moment((terminated or running).get("startedAt")),
        terminated=_terminated(terminated) if terminated else None,
        deadline=spec.get("activeDeadlineSeconds"),
        shared=any(found.get("name") != names.CONTAINER for found in spec.get("containers") or ()),
    )


def _disruption(status: Object) -> str:
    """Reason of a pod's condition DisruptionTarget; empty: it has none."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget":
            return str(condition.get("reason", ""))
    return ""


def _init(spec: Object, status: Object) -> str:
    """The init container that failed, else the first that the others wait for; ours has none, but
    admission adds some. Those that restart (sidecars) never have to end."""
    sidecars = {
        found.get("name")
        for found in spec.get("initContainers") or ()
        if found.get("restartPolicy") == "Always"
    }
    states = status.get("initContainerStatuses") or ()
    for found in states:
        ended = found.get("state", {}).get("terminated")
        if ended and ended.get("exitCode") != 0 and found.get("name") not in sidecars:
            return f"Its init container {found['name']} ended with exit code {ended['exitCode']}."
    for found in states:
        name, ended = found.get("name"), found.get("state", {}).get("terminated")
        if name in sidecars and not found.get("started") and not ended:
            return f"Its sidecar container {name} has not started."
        if name not in sidecars and not ended:
            return f"Its init container {name} has not ended."
    return ""


def _terminated(state: Object) -> Terminated:
    return Terminated(
        exit_code=int(state.get("exitCode", -1)),
        reason=state.get("reason", ""),
        message=state.get("message", ""),
        finished=moment(state.get("finishedAt")),
    )


def _left_by(meta: Object) -> str:
    """Of which task a Job without an owner is: one that was deleted with its parts orphaned."""
    return str((meta.get("labels") or {}).get(names.LABEL_TASK_UID, ""))


def _controller_uid(meta: Object) -> str:
    owners = meta.get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")
