"""Which reasons the tasks of a session told, and which test has one told for real."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Final

from cluster.programs import DIES_WITH_US
from crds.conditions import Reason
from tests.cluster.platform.kubectl import Kubectl

TOLD_BY: Final[dict[Reason, str]] = {
    Reason.QUEUED: "cluster/test_phases.py",
    Reason.WAITING_FOR_HOSTS: "cluster/test_phases.py",
    Reason.WAITING_FOR_CAPACITY: "cluster/test_want_of_room.py",
    Reason.WAITING_FOR_QUOTA: "cluster/test_want_of_room.py",
    Reason.STARTING: "cluster/test_failures_end_soon.py",
    Reason.RUNNING: "cluster/test_phases.py",
    Reason.STOPPING: "faults/test_stops.py",
    Reason.COMPLETED: "cluster/test_phases.py",
    Reason.STOPPED: "cluster/test_stopping.py",
    Reason.HOSTS_FAILED: "cluster/test_phases.py",
    Reason.HOSTS_UNREACHABLE: "cluster/test_phases.py",
    Reason.PLAYBOOK_INVALID: "cluster/test_phases.py",
    Reason.PLAYBOOK_ABORTED: "cluster/test_phases.py",
    Reason.TIMED_OUT: "cluster/test_phases.py",
    Reason.RUNNER_CRASHED: "faults/test_nodes.py",
    Reason.OOM_KILLED: "faults/test_pods_ended.py",
    Reason.EVICTED: "faults/test_pods_ended.py",
    Reason.NODE_LOST: "faults/test_nodes.py",
    Reason.POD_DELETED: "faults/test_pods_ended.py",
    Reason.JOB_DELETED: "faults/test_jobs_by_hand.py",
    Reason.JOB_SUSPENDED: "faults/test_jobs_by_hand.py",
    Reason.IMAGE_PULL_FAILED: "cluster/test_failures_end_soon.py",
    Reason.UNSCHEDULABLE: "cluster/test_failures_end_soon.py",
    Reason.QUOTA_EXCEEDED: "cluster/test_failures_end_soon.py",
    Reason.POD_SECURITY_REJECTED: "cluster/test_failures_end_soon.py",
    Reason.POD_REFUSED: "cluster/test_failures_end_soon.py",
    Reason.SECRET_MISSING: "cluster/test_failures_end_soon.py",
    Reason.SECRET_INVALID: "cluster/test_wrong_secrets.py",
    Reason.SECRET_NOT_ALLOWED: "cluster/test_failures_end_soon.py",
    Reason.NEVER_STARTED: "cluster/test_foreign_containers.py",
    Reason.NAME_CONFLICT: "cluster/test_kubectl_tasks.py",
    Reason.RESTORED: "cluster/test_objects_from_elsewhere.py",
}
"""A test of each that names it, below tests/."""

_COLUMN: Final = 'custom-columns=R:.status.conditions[?(@.type=="Succeeded")].reason'
_FOR_EVER: Final = 'while :; do "$@"; sleep 1; done'


class Told:
    """Notes every reason that a task of a namespace tells, from `start` to `stop`; goes on when the
    API server was away."""

    def __init__(self, kubectl: Kubectl, file: Path) -> None:
        self._file = file
        self._command = (
            *DIES_WITH_US, "sh", "-c", _FOR_EVER, "watch",
            kubectl.program, f"--kubeconfig={kubectl.kubeconfig}",
            f"--namespace={kubectl.namespace}", "get", "ansibletasks", "--watch", "--no-headers",
            "--output", _COLUMN,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin."""
        with self._file.open("wb") as out:
            self._process = subprocess.Popen(
                self._command, stdout=out, stderr=subprocess.DEVNULL, start_new_session=True
            )

    def stop(self) -> None:
        """End."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def words(self) -> list[str]:
        """What was told, and where the others are told, as lines."""
        words = set(re.findall(r"\w+", self._file.read_text()))
        seen = [reason for reason in Reason if reason.value in words]
        lines = [f"{len(seen)} of {len(Reason)}: {', '.join(seen)}"]
        if rest := [reason for reason in Reason if reason not in seen]:
            where = ", ".join(f"{reason} (tests/{TOLD_BY[reason]})" for reason in rest)
            lines.append(f"not in this run: {where}")
        return lines
