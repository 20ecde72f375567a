"""A task that has a Job, from the first pod's claim to the terminal status: pure.

`run` brings it forward, `stop` ends it, `finish` writes the end.
"""

from datetime import datetime, timedelta
from typing import Final

from controller import obstacles, reasons, status
from controller.observed import Observed, PodView, SliceView
from controller.plan import (
    Announce,
    DeleteJob,
    DeletePod,
    Follow,
    Nudge,
    Plan,
    Retire,
    Step,
    Terminate,
    Ungate,
)
from controller.progress import LOOK_AGAIN, progress
from controller.reasons import End
from controller.verdict import ended
from crds.conditions import Phase, Reason
from crds.model import SliceStatus

_UNCONFIRMED: Final = 25
"""Seconds beyond the grace after which a stop counts although the node never confirmed it."""
_OVERDUE: Final = 20
"""Seconds beyond deadline and grace after which a pod that seems to run is on a lost node."""
_SOON: Final = 0.5
"""Seconds until the next look at a task whose end waits for its archive."""
_ARCHIVE_LATE: Final = 600
"""Seconds after the end for which lines that the archive refused are offered again."""

Ends = dict[int, End]


def run(seen: Observed, now: datetime) -> Plan:
    """Claim what has come, follow what runs, end what has ended."""
    parts = seen.slices()
    lost = _lost(seen)
    ends = _ends(seen, parts, lost, now)
    claims: list[SliceStatus] = []
    before: list[Step] = []
    after: list[Step] = []
    for part in parts:
        claim = part.claim
        if claim is None and part.index not in ends and (pod := _candidate(part)) is not None:
            # Claimed in status first; only then, and only if that was written, its gate is opened.
            claim = _claim(part.index, pod)
            after += [Ungate(pod)] if pod.gated else []
        if claim is None:
            continue
        claims.append(claim)
        if part.claim is not None:
            before += _strangers(part)
        if part.pod is None or part.index in ends:
            continue
        claims[-1] = _noted(seen, part.pod, claim, now)
        if seen.job is None and not (part.pod.over or part.pod.deleting):
            # Its Job was deleted, perhaps without it: then nobody else will end it.
            before.append(DeletePod(part.pod))
        elif part.pod.gated:
            after.append(Ungate(part.pod))
        elif claims[-1].message is not None and not part.pod.deleting:
            after.append(DeletePod(part.pod))
        elif _overdue(seen, part.pod, now):
            before.append(DeletePod(part.pod))
            ends[part.index] = End(Reason.NODE_LOST, "The pod outlived its deadline.")
    before += _reading(parts)
    if len(ends) == len(parts) and not _archiving(parts):
        last = finish(seen, tuple(claims), ends, now)
        return last.merge(before=(*before, *last.before))
    after += [Nudge()] if seen.retry_in == 0 else []
    plan = progress(seen, tuple(claims), ends, now).merge(before=tuple(before), after=tuple(after))
    return plan.merge(again=_SOON) if _archiving(parts) else plan


def _archiving(parts: list[SliceView]) -> bool:
    """Whether an end may wait for the archive: for some seconds, in which it may take the rest."""
    return any(part.log.archiving for part in parts)


def _noted(seen: Observed, pod: PodView, claim: SliceStatus, now: datetime) -> SliceStatus:
    """The claim, with why its pod is to be deleted where it can't start.

    That is written before the pod is deleted, so that it is known whoever looks next. The slice
    has ended when the pod is gone or its kubelet has said how it ended: the container may start
    at the same moment.
    """
    if pod.deleting:
        return claim
    stuck = None
    if not pod.gated and not pod.over and pod.started is None:
        stuck = obstacles.blocked(seen, pod, now)
    note = {"reason": stuck.reason.value, "message": stuck.message} if stuck else {
        "reason": None, "message": None}  # fmt: skip
    return claim.model_copy(update=note)


def _ends(seen: Observed, parts: list[SliceView], lost: Reason | None, now: datetime) -> Ends:
    """Every slice that has ended, claimed or not; `lost`: how its Job was taken away."""
    found: Ends = {}
    missing = any(part.claim is None and not part.others for part in parts)
    refused = obstacles.refused(seen, now) if missing else None
    for part in parts:
        end = reasons.end_of(seen, part)
        shut = (part.claim is None and _opened(part) is None) or (
            part.pod is not None and part.pod.gated
        )
        if end is not None:
            found[part.index] = end
        elif lost is not None and shut:
            found[part.index] = End(lost, "It never ran.", never_ran=True)
        elif part.claim is not None or _candidate(part) is not None:
            continue
        elif seen.job is not None and seen.job.finished:
            found[part.index] = End(Reason.POD_DELETED, "It never ran.", never_ran=True)
        elif refused is not None:
            found[part.index] = End(refused.reason, refused.message, never_ran=True)
    return found


def _lost(seen: Observed) -> Reason | None:
    """Whether, and how, the Job was taken away by hand."""
    if seen.job is None or seen.job.deleting:
        return Reason.JOB_DELETED
    return Reason.JOB_SUSPENDED if seen.job.suspended else None


def _candidate(part: SliceView) -> PodView | None:
    """The pod to claim for a slice: one that is open already, else the oldest gated one."""
    pods = [pod for pod in part.others if not pod.deleting]
    pods.sort(key=lambda pod: (pod.gated, str(pod.created or ""), pod.name))
    return pods[0] if pods else None


def _opened(part: SliceView) -> PodView | None:
    """A pod of an unclaimed slice whose gate is open: by hand, or the claim was taken away."""
    pod = _candidate(part) if part.claim is None else None
    return pod if pod is not None and not pod.gated else None


def _claim(index: int, pod: PodView) -> SliceStatus:
    return SliceStatus(index=index, pod=pod.name, pod_uid=pod.uid)


def _strangers(part: SliceView) -> list[Step]:
    """An open pod that is not the claimed one must not run: it goes, and that is told."""
    steps: list[Step] = []
    for pod in part.others:
        if _open(pod):
            text = f"Pod {pod.name} was open without a claim; it may have begun a second run."
            steps += [DeletePod(pod), Announce("StrangePodDeleted", text, warning=True)]
    return steps


def _open(pod: PodView) -> bool:
    return not pod.gated and not pod.over and not pod.deleting


def _overdue(seen: Observed, pod: PodView, now: datetime) -> bool:
    """Whether a kubelet should long have ended the pod: its node is gone."""
    if pod.settled or pod.started is None:
        return False
    limits = seen.limits
    most = seen.task.spec.timeout_seconds + limits.start_margin + limits.grace + _OVERDUE
    return now - pod.started > timedelta(seconds=most)


def _reading(parts: list[SliceView]) -> list[Step]:
    """What the logs ask for."""
    steps: list[Step] = []
    for part in parts:
        log, pod = part.log, part.pod
        done = log.exhausted or log.following or log.end is not None
        if pod is not None and pod.started is not None and not done:
            steps.append(Follow(part.index, pod))
    return steps


def stop(seen: Observed, since: datetime, now: datetime) -> Plan:
    """End it as fast as its pods allow, keeping pods and logs of what has begun."""
    parts = seen.slices()
    claims: list[SliceStatus] = []
    late = now - since > timedelta(seconds=seen.limits.grace + _UNCONFIRMED)
    ends: Ends = {}
    before: list[Step] = []
    for part in parts:
        pod, opened = part.pod, _opened(part)
        if opened is not None:
            claims.append(_claim(part.index, opened))
            continue  # it may have begun, and is ended as any other
        if part.claim is not None:
            claims.append(part.claim)
        before += _strangers(part)
        if (end := reasons.end_of(seen, part)) is not None:
            ends[part.index] = end
        elif part.claim is None or (pod is not None and pod.gated):
            ends[part.index] = End(Reason.STOPPED, "It never ran.", never_ran=True)
        elif late:
            ends[part.index] = End(Reason.STOPPED, "Its node did not confirm the stop.")
        elif pod is None or pod.deleting:
            continue  # what it did is still being read
        elif pod.started is None:
            before.append(DeletePod(pod))
        elif pod.deadline != 1:
            before.append(Terminate(pod))
    before += _reading(parts)
    if len(ends) == len(parts) and not _archiving(parts):
        last = finish(seen, tuple(claims), ends, now)
        return last.merge(before=(*before, *last.before))
    plan = progress(seen, tuple(claims), ends, now)
    return plan.merge(before=tuple(before), again=min(plan.again or LOOK_AGAIN, LOOK_AGAIN))


def finish(seen: Observed, claims: tuple[SliceStatus, ...], ends: Ends, now: datetime) -> Plan:
    """All slices have ended: the terminal status, once, then the tidying."""
    verdict = ended(seen.slices(), seen.task, ends)
    new = status.build(seen, verdict, claims, ends, now)
    before, after = _seal(seen, claims), list[Step]()
    mine = seen.job is not None and seen.job.owner_uid == seen.task.metadata.uid
    if seen.job is not None and mine and _unfinishable(seen, claims):
        after.append(DeleteJob(seen.job.uid))
    good = verdict.phase is Phase.SUCCEEDED
    after.append(Announce(verdict.reason, verdict.message, warning=not good))
    after += stragglers(seen)
    if seen.task.metadata.deletion_timestamp is not None and seen.job is not None and mine:
        # Its name is free only when nothing of it can run any more: see _retire.
        return Plan(before=before, status=new, after=tuple(after), again=0)
    late = any(part.log.refused for part in seen.slices())
    again = max(LOOK_AGAIN, seen.archive_in) if late else None
    return Plan(before=before, status=new, after=(*after, Retire()), again=again)


def _seal(seen: Observed, claims: tuple[SliceStatus, ...]) -> tuple[Step, ...]:
    """What is to go before it is told that the task has ended: claimed pods behind their gates,
    and those whose Job was deleted without them.

    They are deleted exactly as they were seen: a gate that somebody opened meanwhile is a conflict,
    and one that is opened later opens nothing, for no such pod is given a node.
    """
    mine = {claim.pod_uid for claim in claims}
    left = [pod for pod in seen.pods if pod.uid in mine and not pod.deleting]
    return tuple(DeletePod(pod) for pod in left if pod.gated or seen.job is None)


def archive_late(seen: Observed, now: datetime) -> Plan:
    """After the end: tell what the archive has taken since, for as long as it may take more."""
    task, parts = seen.task, seen.slices()
    if not any(part.log.last for part in parts):
        return Plan()  # nothing was written, or a new process has taken over
    over = now - (task.status.completion_time or now) > timedelta(seconds=_ARCHIVE_LATE)
    waits = any(part.log.refused or part.log.archiving for part in parts) and not over
    again = max(LOOK_AGAIN, seen.archive_in) if waits else None
    return Plan(status=status.with_log(seen), again=again)


def stragglers(seen: Observed) -> list[Step]:
    """What ends containers of others in the pods of a task that has ended: while they go on, the
    Job is not finished, and never removed."""
    return [
        Terminate(pod)
        for pod in seen.pods
        if pod.shared and pod.phase == "Running" and not pod.deleting and pod.deadline != 1
    ]


def _unfinishable(seen: Observed, claims: tuple[SliceStatus, ...]) -> bool:
    """Whether the Job would stay for ever: an index of it will never run, so no TTL begins.

    A pod that was deleted before it had a node keeps the Job's finalizer, as the Job controller
    takes it for unfinished, until the pod collector looks, every 20 s. Without the Job it goes at
    once; where other slices have run, their pods are worth more.
    """
    if seen.job is not None and seen.job.suspended:
        return True
    parts = seen.slices()
    nowhere = any(part.pod is not None and part.pod.nowhere for part in parts)
    if nowhere and not any(part.begun for part in parts):
        return True
    return len(claims) < len(parts) or any(pod.gated for pod in seen.pods)
