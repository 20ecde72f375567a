"""From what a slice's Job, pod and log show to how it ended: one ordered table, pure.

Infrastructure is never reported as the play's fault, nor the other way round.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from controller.observed import NODE_IS_GONE, JobView, LogView, Observed, PodView, SliceView
from crds.conditions import Reason
from crds.records import RunStatus, Summary, listed

_PERHAPS_MEMORY: Final = frozenset({RunStatus.CRASHED, RunStatus.ABORTED})
"""How a run ends, too, that had no memory left for Ansible or one of its workers."""
_OUR_DOING: Final = frozenset({Reason.POD_DELETED, Reason.NEVER_STARTED, Reason.NODE_LOST})
"""How a slice seems to have ended whose pod was deleted because it could not start."""


@dataclass(frozen=True, slots=True)
class End:
    """How a slice ended; `summary` is the runner's word, where it had one."""

    reason: Reason
    message: str = ""
    rc: int | None = None
    summary: Summary | None = None
    never_ran: bool = False


def summary_of(pod: PodView | None) -> Summary | None:
    """The runner's summary in the pod's termination message."""
    if pod is None or pod.terminated is None:
        return None
    try:
        data = json.loads(pod.terminated.message)
    except ValueError:
        return None
    return Summary.read(data) if isinstance(data, dict) else None


def end_of(seen: Observed, part: SliceView) -> End | None:
    """How a claimed slice ended; None while it has not, or its log is still being read."""
    end, claim = _end(seen, part), part.claim
    if end is None or claim is None or claim.message is None or end.reason not in _OUR_DOING:
        return end
    # The pod was deleted because it could not start: that is why, whatever came of it.
    more = "" if end.never_ran else f" {end.message}"
    if part.begun:
        more = f" While its pod was being deleted, the container started.{more}"
    return replace(end, reason=Reason(claim.reason or end.reason), message=claim.message + more)


def _end(seen: Observed, part: SliceView) -> End | None:
    claim, log = part.claim, part.log
    if claim is None or (part.pod is None and claim.pod_uid in seen.awaited):
        return None
    pod = part.pod or seen.last_seen.get(claim.pod_uid or "")
    if log.end is not None and _explained(seen, log.end, part.pod):
        return _by_summary(seen, log.end, pod)
    if pod is not None and pod.nowhere and not part.begun:
        return _never_started(seen, pod)
    if not (_settled(seen, part.pod) and _closed(part)):
        return None
    if pod is None:
        return _gone(seen, log, None)
    if not part.begun and pod.unborn:
        return _never_started(seen, pod)
    return _by_pod(seen, pod, log)


def _explained(seen: Observed, summary: Summary, pod: PodView | None) -> bool:
    """Whether it is known why the run ended as the runner says; else its pod will tell."""
    if pod is None or pod.settled:
        return True
    if summary.status in _PERHAPS_MEMORY:
        return pod.over
    if summary.status is RunStatus.STOPPED and seen.stop_since is None:
        return pod.deleting or _lost(seen.job, pod) is not Reason.POD_DELETED
    return True


def _settled(seen: Observed, pod: PodView | None) -> bool:
    """Whether its kubelet has said all that matters, or can't say any more."""
    return pod is None or pod.settled or (pod.over and seen.stop_since is not None)


def _closed(part: SliceView) -> bool:
    """Whether nothing more can come from the pod's log; its reader gives up in bounded time."""
    if part.log.exhausted:
        return True
    return not part.log.following and (part.pod is None or part.pod.started is None)


def _by_summary(seen: Observed, summary: Summary, pod: PodView | None) -> End:
    killed = pod is not None and pod.terminated and pod.terminated.reason == "OOMKilled"
    if killed and summary.status in _PERHAPS_MEMORY:
        return End(Reason.OOM_KILLED, _inflight(summary), summary.rc, summary)
    match summary.status:
        case RunStatus.DONE:
            return End(Reason.COMPLETED, summary.message, summary.rc, summary)
        case RunStatus.INVALID:
            return End(Reason.PLAYBOOK_INVALID, summary.message, summary.rc, summary)
        case RunStatus.ABORTED:
            return End(Reason.PLAYBOOK_ABORTED, summary.message, summary.rc, summary)
        case RunStatus.SECRET_INVALID:
            return End(Reason.SECRET_INVALID, summary.message, summary.rc, summary)
        case RunStatus.TIMED_OUT:
            return End(Reason.TIMED_OUT, _inflight(summary), summary.rc, summary)
        case RunStatus.STOPPED:
            return _stopped(seen, summary, pod)
        case _:
            return End(Reason.RUNNER_CRASHED, summary.message, summary.rc, summary)


def _stopped(seen: Observed, summary: Summary, pod: PodView | None) -> End:
    """SIGTERM came: on request, or somebody or something else ended the pod."""
    if seen.stop_since is not None:
        return End(Reason.STOPPED, "It was stopped.", summary.rc, summary)
    reason, text = _lost(seen.job, pod), ""
    if reason is Reason.EVICTED and pod is not None and pod.message:
        text = f"{pod.message.strip().rstrip('.')}."
    if reason is Reason.POD_DELETED and pod is not None and not pod.deleted:
        if pod.reason == "DeadlineExceeded":
            reason = Reason.TIMED_OUT
        else:
            reason, text = Reason.RUNNER_CRASHED, "Its node, or something in its pod, ended it."
    return End(reason, (text + in_flight([summary])).strip(), summary.rc, summary)


def _inflight(summary: Summary) -> str:
    said = summary.message.strip()
    if said and said[-1] not in ".!?":
        said += "."
    return (said + in_flight([summary])).strip()


def in_flight(summaries: Sequence[Summary]) -> str:
    """The hosts that had a task under way, as a sentence behind another."""
    hosts = [host for summary in summaries for host in summary.inflight]
    return f" Hosts in flight: {listed(hosts)}." if hosts else ""


def _lost(job: JobView | None, pod: PodView | None) -> Reason:
    """Who ended a pod from outside."""
    if pod is not None and pod.reason == "Evicted":
        return Reason.EVICTED
    if pod is not None and pod.disruption:
        # NB: a drain and a preemption both end the pod through the eviction API's condition.
        return Reason.NODE_LOST if pod.disruption in NODE_IS_GONE else Reason.EVICTED
    if job is None or job.deleting:
        return Reason.JOB_DELETED
    return Reason.JOB_SUSPENDED if job.suspended else Reason.POD_DELETED


def _gone(seen: Observed, log: LogView, pod: PodView | None) -> End:
    """The log held no end, and no node told how the container ended."""
    if seen.stop_since is not None:
        return End(Reason.STOPPED, _ran(log))
    return End(_lost(seen.job, pod), _ran(log))


def _ran(log: LogView) -> str:
    if log.last:
        return "It had begun; what it did last may be missing from the log."
    return "Whether it had begun is not known: it may have run."


def _by_pod(seen: Observed, pod: PodView, log: LogView) -> End:
    """The pod is over or gone, and its log held no end: the container's state decides."""
    ended = pod.terminated
    if ended is None:
        # It was deleted while it started, and its node gave no account of the container.
        return _gone(seen, log, pod)
    summary = summary_of(pod)
    if summary is not None and log.run is not None and summary.run != log.run:
        summary = None  # not the runner's: a play can write to the pod's termination file, too
    if ended.reason == "OOMKilled":
        return End(Reason.OOM_KILLED, "", ended.exit_code, summary)
    if summary is not None and summary.status is not RunStatus.RUNNING:
        return _by_summary(seen, summary, pod)
    if seen.stop_since is not None:
        # The runner's first frame comes before Ansible: without it, nothing was begun.
        silent = log.exhausted and not (log.last or log.unread or summary)
        text = "Ansible had not been started." if silent else _ran(log)
        return End(Reason.STOPPED, text, ended.exit_code, summary)
    if pod.reason == "Evicted" or pod.disruption:
        return End(_lost(seen.job, pod), pod.message, ended.exit_code, summary)
    if pod.reason == "DeadlineExceeded":
        return End(Reason.TIMED_OUT, "", ended.exit_code, summary)
    if seen.job is None or seen.job.deleting or seen.job.suspended or pod.deleted:
        return End(_lost(seen.job, pod), _ran(log), ended.exit_code, summary)
    if pod.reason == "NodeLost" or ended.reason == "ContainerStatusUnknown":
        return End(Reason.NODE_LOST, _ran(log), ended.exit_code, summary)
    text = f"The runner's container ended with exit code {ended.exit_code} ({ended.reason})."
    return End(Reason.RUNNER_CRASHED, text, ended.exit_code, summary)


def _never_started(seen: Observed, pod: PodView) -> End:
    if seen.stop_since is not None:
        return End(Reason.STOPPED, "It never ran.", never_ran=True)
    if pod.reason == "Evicted" or pod.disruption:
        return End(_lost(seen.job, pod), pod.message, never_ran=True)
    if pod.deleted:
        return End(_lost(seen.job, pod), "It never ran.", never_ran=True)
    said = " ".join(filter(None, (pod.init, pod.message or pod.reason)))
    text = said or "The pod ended before its container started."
    return End(Reason.NEVER_STARTED, text, never_ran=True)
