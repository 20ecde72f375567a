"""Every row of the fault table that a decision answers."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller import obstacles
from controller import plan as plans
from controller.capacity import Lack
from controller.decide import PENDING, decide
from controller.observed import JobView, LogView, Observed, PodView, Terminated, Turn
from controller.plan import Plan
from controller.results import HostBook
from crds import errors, names, provenance
from crds.conditions import FINISHED, SUCCEEDED, Phase, Reason
from crds.model import AnsibleTask
from crds.records import RunStatus
from tests.unit import seen as s
from tests.unit.seen import NOW, ago, claim, claimed, gated, over, pod, seen, started, task

QUEUED = Turn(False, 3, Reason.QUEUED, "It waits for a free place, as number 3.")


def steps(plan: Plan) -> list[str]:
    return [type(step).__name__ for step in (*plan.before, *plan.after)]


def returned(**spec: Any) -> AnsibleTask:
    """A task that carries what was noted of another object of its name and work."""
    other = task(meta={"uid": "other"}, **spec)
    return task(meta={"annotations": provenance.note_begun(other)}, **spec)


def last(shown: PodView) -> dict[str, PodView]:
    """What a watch showed of a pod when it went."""
    return {shown.uid: replace(shown, gone=True)}


IN_A_STORE = "s3://bucket"


def left(**meta: Any) -> AnsibleTask:
    """A deleted task of which only the log is left."""
    late = {"deletionTimestamp": "2026-01-02T03:04:00Z", "finalizers": [names.ARCHIVE_FINALIZER]}
    return task(status=s.TERMINAL, meta=late | meta)


STEPS = {
    "a new kubectl-made object is adopted first": (
        seen(task(meta={"finalizers": [], "labels": {}}), job=None), ["Adopt"]),
    "an object on its way out without our finalizer is left alone": (
        seen(task(meta={"finalizers": [], "deletionTimestamp": "2026-01-02T03:04:00Z"})), []),
    "admitted: input and Job are made": (seen(task(), job=None), ["Start"]),
    "not admitted: it waits": (seen(task(), job=None, turn=QUEUED), []),
    "its params Secret is still to come: it waits": (
        seen(task(), job=None, pending_since=ago(5)), []),
    "its params Secret never came: it goes": (
        seen(task(), job=None, pending_since=ago(PENDING + 1)), ["Discard"]),
    "Job without pods yet": (seen(task()), []),
    "a gated pod is claimed, then opened": (seen(task(), gated()), ["Ungate"]),
    "claimed and still gated (crash in between): opened": (seen(claimed(), gated()), ["Ungate"]),
    "a pod found open without a claim is recorded, not opened": (seen(task(), pod()), []),
    "a second gated pod is left to the Job controller": (
        seen(claimed(), started(), gated("p1")), ["Follow"]),
    "a second open pod is deleted": (
        seen(claimed(), started(), started("p1")), ["DeletePod", "Announce", "Follow"]),
    "a gated pod of a Job that was deleted is never opened": (
        seen(task(), gated(), job=s.job(deleting=True)), ["DeleteJob", "Announce", "Retire"]),
    "a gated pod of a suspended Job is never opened": (
        seen(task(), gated(), job=s.job(suspended=True)), ["DeleteJob", "Announce", "Retire"]),
    "nor where it was claimed before": (
        seen(claimed(), gated(), job=s.job(suspended=True)),
        ["DeletePod", "DeleteJob", "Announce", "Retire"]),
    "nor where the Job was deleted without it": (
        seen(claimed(), gated(), job=None), ["DeletePod", "Announce", "Retire"]),
    "the Job was deleted without a pod that runs": (
        seen(claimed(), started(), job=None), ["DeletePod", "Follow"]),
    "the same, and it has ended": (
        seen(claimed(), over(), job=None, logs={0: s.ended_log()}),
        ["DeletePod", "Announce", "Retire"]),
    "a pod that was deleted before it had a node goes with its Job": (
        seen(claimed(cancel=True), pod(scheduled=None, deleting=True), stop_since=ago(1)),
        ["DeleteJob", "Announce", "Retire"]),
    "unless another slice has run": (
        seen(claimed(claim(0), claim(1, "p1"), hosts=["a", "b"], slices=2, cancel=True),
             pod(scheduled=None, deleting=True), over(uid="p1", index=1), stop_since=ago(2),
             logs={1: s.ended_log(RunStatus.STOPPED, 1, b="began")}),
        ["Announce", "Retire"]),
    "deleted while it ran: the object stays until the Job is gone": (
        seen(claimed(meta={"deletionTimestamp": "2026-01-02T03:04:00Z"}), over(),
             logs={0: s.ended_log(RunStatus.STOPPED, 1, a="began")}, stop_since=ago(2)),
        ["Announce"]),
    "a started pod is followed": (seen(claimed(), started()), ["Follow"]),
    "the container ended long ago, while no controller was there: its log is read": (
        seen(claimed(), s.ended_long_ago()), ["Follow"]),
    "the pod is gone, its reader is not done": (
        seen(claimed(), logs={0: s.begun_log(following=True)}), []),
    "followed already": (seen(claimed(), started(), logs={0: s.begun_log(following=True)}), []),
    "log to archive": (
        seen(claimed(), started(), logs={0: s.begun_log(following=True)}), []),
    "the container ended, its log is unread": (seen(claimed(), over()), ["Follow"]),
    "the end is proven": (
        seen(claimed(), started(), logs={0: s.ended_log()}), ["Announce", "Retire"]),
    "stop before anything was made": (
        seen(task(cancel=True), job=None, stop_since=NOW), ["Announce", "Retire"]),
    "stop with a gated pod: the Job goes": (
        seen(task(cancel=True), gated(), stop_since=NOW), ["DeleteJob", "Announce", "Retire"]),
    "stop of a claimed pod whose gate is closed: deleted as seen": (
        seen(claimed(cancel=True), gated(), stop_since=NOW),
        ["DeletePod", "DeleteJob", "Announce", "Retire"]),
    "stop of two, one gated: that one only when the other has ended": (
        seen(claimed(claim(0), claim(1, "p1"), hosts=["a", "b"], slices=2, cancel=True), gated(),
             started("p1", 1), stop_since=NOW), ["Terminate", "Follow"]),
    "stop of a pod that has not started: deleted as seen": (
        seen(claimed(cancel=True), pod(), stop_since=NOW), ["DeletePod"]),
    "stop of a running pod: a deadline of one second": (
        seen(claimed(cancel=True), started(), stop_since=NOW), ["Terminate", "Follow"]),
    "stop asked for twice": (
        seen(claimed(cancel=True), started(deadline=1), stop_since=ago(3)), ["Follow"]),
    "stop of a pod that is being deleted": (
        seen(claimed(cancel=True), started(deleting=True), stop_since=NOW), ["Follow"]),
    "ended with finalizer: tidied": (seen(task(status=s.TERMINAL), job=None), ["Retire"]),
    "ended, deleted, Job still there: the Job first": (
        seen(task(status=s.TERMINAL, meta={"deletionTimestamp": "2026-01-02T03:04:00Z"})),
        ["DeleteJob"]),
    "a copy of an ended task: adopted, then started": (
        seen(task(meta={"labels": {names.LABEL_FINISHED: "another"}}), job=None), ["Adopt"]),
    "a backup came back while the Job of its forerunner goes": (
        seen(returned(), job=s.job(owner_uid="other", inherited=True)), ["Announce", "Retire"]),
    "a new task while the Job of its forerunner goes: waits": (
        seen(task(), job=s.job(owner_uid="other", inherited=True)), []),
    "ended and tidied": (
        seen(task(status=s.TERMINAL, meta={"finalizers": [], "labels": {
            names.LABEL_FINISHED: s.UID}, "annotations": {names.ANNOTATION_GENERATION: "1"}}),
            job=None), []),
    "ended, let go, and being deleted: nothing": (
        seen(task(status=s.TERMINAL, meta={
            "finalizers": [], "generation": 2, "deletionTimestamp": "2026-01-02T03:04:00Z"}),
            job=None), []),
    "its log is to go where it does not go with the task: held for that first": (
        seen(task(), job=None, place=IN_A_STORE), ["Adopt"]),
    "nothing more holds a task that is being deleted": (
        seen(claimed(cancel=True, meta={"deletionTimestamp": "2026-01-02T03:04:00Z"}),
             started(deadline=1), stop_since=ago(3), place=IN_A_STORE), ["Follow"]),
    "ended, let go and deleted, but for its log": (seen(left(), job=None), ["Unarchive"]),
    "ended, with the mark of another object: marked anew": (
        seen(task(status=s.TERMINAL, meta={"finalizers": [], "labels": {
            names.LABEL_FINISHED: "another"}, "annotations": {names.ANNOTATION_GENERATION: "1"}}),
            job=None), ["Retire"]),
    "a node that is gone: the pod outlived its deadline": (
        seen(claimed(timeoutSeconds=1), started(started=ago(10_000))),
        ["DeletePod", "Follow", "Announce", "Retire"]),
}  # fmt: skip


@pytest.mark.parametrize(("what", "expected"), STEPS.values(), ids=STEPS)
def test_steps(what: Observed, expected: list[str]) -> None:
    assert steps(decide(what, NOW)) == expected


UNREAD = {0: LogView(HostBook(), exhausted=True)}
TERMINATED = {0: s.ended_log(RunStatus.STOPPED, 1, a="began")}
"""The runner ended because it got SIGTERM."""
MISSING = 'FailedMount: MountVolume.SetUp failed: secret "octans-ssh" not found'


def noted() -> AnsibleTask:
    """A task whose pod was to be deleted, because it could not start."""
    return claimed(claim(reason="SecretMissing", message='secret "octans-ssh" not found'))


def unborn() -> PodView:
    """What a kubelet says of a pod that was deleted before a container of it was made."""
    lost = Terminated(137, "ContainerStatusUnknown", "could not be located", None)
    return pod(phase="Failed", deleting=True, terminated=lost)


ENDS = {
    "a backup of a task that was begun": (
        seen(returned(), job=None), Phase.STOPPED, Reason.RESTORED),
    "a backup of a task that was to be stopped": (
        seen(returned(cancel=True), job=None, stop_since=NOW), Phase.STOPPED, Reason.RESTORED),
    "every host well": (
        seen(claimed(), started(), logs={0: s.ended_log()}), Phase.SUCCEEDED, Reason.COMPLETED),
    "one of two failed": (
        seen(claimed(hosts=["a", "b"]), started(), logs={0: s.ended_log(rc=2, a="ok", b="failed")}),
        Phase.PARTLY_SUCCEEDED, Reason.HOSTS_FAILED),
    "the only one unreachable": (
        seen(claimed(), started(), logs={0: s.ended_log(rc=4, a="unreachable")}),
        Phase.FAILED, Reason.HOSTS_UNREACHABLE),
    "refused by Ansible": (
        seen(claimed(), over(4), logs={0: s.ended_log(RunStatus.INVALID, 4, a="began")}),
        Phase.FAILED, Reason.PLAYBOOK_INVALID),
    "timed out": (
        seen(claimed(), over(1), logs={0: s.ended_log(RunStatus.TIMED_OUT, 1, a="began")}),
        Phase.FAILED, Reason.TIMED_OUT),
    "stopped in the middle": (
        seen(claimed(cancel=True), over(1), stop_since=ago(2),
             logs={0: s.ended_log(RunStatus.STOPPED, 1, a="began")}),
        Phase.STOPPED, Reason.STOPPED),
    "stopped, but every result had come": (
        seen(claimed(cancel=True), over(), stop_since=ago(2), logs={0: s.ended_log()}),
        Phase.SUCCEEDED, Reason.COMPLETED),
    "stopped while queued": (
        seen(task(cancel=True), job=None, stop_since=NOW, turn=QUEUED), Phase.STOPPED,
        Reason.STOPPED),
    "the stop is never confirmed": (
        seen(claimed(cancel=True), started(), stop_since=ago(100)), Phase.STOPPED, Reason.STOPPED),
    "the pod was deleted, but every result had come": (
        seen(claimed(), started(deleting=True), logs={0: s.ended_log(RunStatus.STOPPED, 1)}),
        Phase.SUCCEEDED, Reason.COMPLETED),
    "pod gone": (seen(claimed()), Phase.FAILED, Reason.POD_DELETED),
    "pod gone with its node": (
        seen(claimed(), last_seen=last(started(disruption="DeletionByPodGC"))),
        Phase.FAILED, Reason.NODE_LOST),
    "pod gone by a drain": (
        seen(claimed(), last_seen=last(started(disruption="EvictionByEvictionAPI"))),
        Phase.FAILED, Reason.EVICTED),
    "another pod gone by a drain": (
        seen(claimed(), last_seen={"p9": started(disruption="EvictionByEvictionAPI")}),
        Phase.FAILED, Reason.POD_DELETED),
    "pod gone after its memory ran out": (
        seen(claimed(), last_seen=last(over(137, "OOMKilled"))), Phase.FAILED, Reason.OOM_KILLED),
    "pod gone with its node after the runner told of SIGTERM": (
        seen(claimed(), logs=TERMINATED,
             last_seen=last(over(4, "Error", disruption="DeletionByPodGC"))),
        Phase.FAILED, Reason.NODE_LOST),
    "pod gone with the Job": (seen(claimed(), job=None), Phase.FAILED, Reason.JOB_DELETED),
    "pod gone from a suspended Job": (
        seen(claimed(), job=s.job(suspended=True)), Phase.FAILED, Reason.JOB_SUSPENDED),
    "Job deleted, and its claimed pod stands behind its gate": (
        seen(claimed(), gated(), job=None), Phase.FAILED, Reason.JOB_DELETED),
    "Job suspended before a pod was": (
        seen(task(), job=s.job(suspended=True)), Phase.FAILED, Reason.JOB_SUSPENDED),
    "a gated pod deleted by hand failed its index": (
        seen(task(), job=s.job(finished=True)), Phase.FAILED, Reason.POD_DELETED),
    "killed for memory": (
        seen(claimed(), over(137, "OOMKilled"), logs=UNREAD), Phase.FAILED, Reason.OOM_KILLED),
    "a fork was killed for memory, exit code 0": (
        seen(claimed(), over(0, "OOMKilled"), logs=UNREAD), Phase.FAILED, Reason.OOM_KILLED),
    "a worker was killed for memory, and the runner told of its end": (
        seen(claimed(), over(6, "OOMKilled"),
             logs={0: s.ended_log(RunStatus.ABORTED, 1, a="began")}),
        Phase.FAILED, Reason.OOM_KILLED),
    "evicted by its node, and the runner told of its end": (
        seen(claimed(), over(4, "Error", reason="Evicted"), logs=TERMINATED),
        Phase.FAILED, Reason.EVICTED),
    "the backstop struck, and the runner told of its end": (
        seen(claimed(), over(4, "Error", reason="DeadlineExceeded"), logs=TERMINATED),
        Phase.FAILED, Reason.TIMED_OUT),
    "SIGTERM from within the pod": (
        seen(claimed(), over(4, "Error"), logs=TERMINATED), Phase.FAILED, Reason.RUNNER_CRASHED),
    "evicted": (
        seen(claimed(), over(137, "Error", disruption="EvictionByEvictionAPI"), logs=UNREAD),
        Phase.FAILED, Reason.EVICTED),
    "crashed without a word": (
        seen(claimed(), over(1, "Error"), logs=UNREAD), Phase.FAILED, Reason.RUNNER_CRASHED),
    "the backstop struck": (
        seen(claimed(), over(137, "Error", reason="DeadlineExceeded"), logs=UNREAD),
        Phase.FAILED, Reason.TIMED_OUT),
    "deleted as it could not start, gone": (
        seen(noted()), Phase.FAILED, Reason.SECRET_MISSING),
    "deleted as it could not start, and no node ever got it": (
        seen(noted(), pod(scheduled=None, deleting=True)), Phase.FAILED, Reason.SECRET_MISSING),
    "deleted as it could not start, its kubelet made no container": (
        seen(noted(), unborn()), Phase.FAILED, Reason.SECRET_MISSING),
    "deleted as it could not start, yet it started and did all": (
        seen(noted(), over(deleting=True), logs={0: s.ended_log()}),
        Phase.SUCCEEDED, Reason.COMPLETED),
    "one of two slices could not start, which is told already": (
        seen(claimed(claim(0, phase=Phase.FAILED, reason="SecretMissing", message="secret gone"),
                     claim(1, "p1"), hosts=["a", "b"], slices=2),
             unborn(), over(uid="p1", index=1), logs={1: s.ended_log(b="ok")}),
        Phase.PARTLY_SUCCEEDED, Reason.SECRET_MISSING),
    "deleted by somebody before a node got it": (
        seen(claimed(), pod(scheduled=None, deleting=True)), Phase.FAILED, Reason.POD_DELETED),
    "refused by Pod Security": (
        seen(task(), warnings=('FailedCreate: pods "t" is forbidden: violates PodSecurity',)),
        Phase.FAILED, Reason.POD_SECURITY_REJECTED),
    "over a quota that could never hold it": (
        seen(task(), job=s.job(created=ago(30)), warnings=(s.spent(used=0, limit=0),)),
        Phase.FAILED, Reason.QUOTA_EXCEEDED),
    "over the quota for long, and nothing of ours uses it": (
        seen(task(), job=s.job(created=ago(4000)), warnings=(s.spent(),), idle_since=ago(3700)),
        Phase.FAILED, Reason.QUOTA_EXCEEDED),
    "no quota for its Job for long, and nothing of ours uses it": (
        seen(task(), job=None, lack=Lack(Reason.WAITING_FOR_QUOTA, s.spent()),
             lack_since=ago(4000), idle_since=ago(3700), turn=QUEUED),
        Phase.FAILED, Reason.QUOTA_EXCEEDED),
    "refused by a webhook": (
        seen(task(), job=s.job(created=ago(30)), warnings=("FailedCreate: denied by policy",)),
        Phase.FAILED, Reason.POD_REFUSED),
    "a stranger's Job has the name": (
        seen(task(), job=s.job(owner_uid="other")), Phase.FAILED, Reason.NAME_CONFLICT),
    "an older task has the name": (
        seen(task(), job=None, rival="other"), Phase.FAILED, Reason.NAME_CONFLICT),
    "a Secret that is not for tasks": (
        seen(task(), job=None, refusal="SecretNotAllowed: The Secret x is not for tasks."),
        Phase.FAILED, Reason.SECRET_NOT_ALLOWED),
}  # fmt: skip


@pytest.mark.parametrize(("what", "phase", "reason"), ENDS.values(), ids=ENDS)
def test_ends(what: Observed, phase: Phase, reason: Reason) -> None:
    status = decide(what, NOW).status
    assert status is not None
    assert (status.phase, status.reason) == (phase, reason)
    finished, succeeded = status.condition(FINISHED), status.condition(SUCCEEDED)
    assert finished is not None
    assert finished.status == "True"
    assert succeeded is not None
    assert succeeded.status == ("True" if phase is Phase.SUCCEEDED else "False")
    assert status.completion_time == NOW
    assert status.host_outcomes is not None
    assert "w" not in status.host_outcomes
    assert "r" not in status.host_outcomes


WAITS = {
    "SIGTERM that nobody asked for": (started(), TERMINATED),
    "the same, its container over": (over(4, "Error", phase="Running"), TERMINATED),
    "its container killed": (over(137, "Error", phase="Running"), UNREAD),
    "a worker lost, perhaps for memory": (
        started(), {0: s.ended_log(RunStatus.ABORTED, 1, a="began")}),
}  # fmt: skip


@pytest.mark.parametrize(("its_pod", "logs"), WAITS.values(), ids=WAITS)
def test_why_it_ended_is_told_by_its_pod(its_pod: PodView, logs: dict[int, LogView]) -> None:
    """Which says so a moment later than the log ends: nothing is told before."""
    status = decide(seen(claimed(), its_pod, logs=logs), NOW).status
    assert status is None or status.phase is Phase.RUNNING


def test_sigterm_without_a_stop_is_told_as_what_it_was() -> None:
    log = {0: s.ended_log(RunStatus.STOPPED, 1, a="began")}
    status = decide(seen(claimed(), started(deleting=True), logs=log), NOW).status
    assert status is not None
    assert status.reason == Reason.POD_DELETED


def test_a_log_that_could_not_be_read_is_declared_missing() -> None:
    status = decide(seen(claimed(), over(1, "Error"), logs=UNREAD), NOW).status
    assert status is not None
    assert status.log is not None
    assert not status.log.complete
    assert [(gap.first, gap.last) for gap in status.log.missing] == [(1, 0)]


FULL = "The archive did not take it: exceeded quota: q."


def refused(**changes: Any) -> dict[int, LogView]:
    """The log of a run that ended well, none of which the archive has taken."""
    return {0: replace(s.ended_log(), archived=0, **{"refused": FULL, **changes})}


def test_an_end_does_not_wait_for_an_archive_that_refuses() -> None:
    plan = decide(seen(claimed(), over(), logs=refused(), archive_in=4.0), NOW)
    assert steps(plan) == ["Announce", "Retire"]
    assert plan.again == 4, "it is tried again"
    assert plan.status is not None
    assert plan.status.phase is Phase.SUCCEEDED
    log = plan.status.log
    assert log is not None
    assert (log.complete, log.message) == (False, FULL)
    assert [(gap.first, gap.last) for gap in log.missing] == [(1, 5)]
    assert plan.status.slices[0].last_sequence == 0


@pytest.mark.parametrize("stop_since", [None, ago(2)])
def test_an_end_waits_a_moment_for_an_archive_that_does_not_answer(
    stop_since: datetime | None,
) -> None:
    logs = refused(refused="", archiving=True)
    plan = decide(seen(claimed(), over(), logs=logs, stop_since=stop_since), NOW)
    assert plan.again is not None
    assert plan.again <= 1
    assert plan.status is None or plan.status.completion_time is None


def test_what_the_archive_takes_after_the_end_is_told_then() -> None:
    ended = decide(seen(claimed(), over(), logs=refused()), NOW).status
    assert ended is not None
    what = claimed().model_copy(update={"status": ended})
    tried = decide(seen(what, over(), logs=refused(), archive_in=8.0), NOW)
    assert (tried.status, tried.again) == (ended, 8)
    late = decide(seen(what, over(), logs={0: replace(s.ended_log(), archived=5)}), NOW)
    assert late.again is None
    assert late.status is not None
    assert late.status.log is not None
    assert (late.status.log.complete, late.status.log.missing) == (True, ())
    assert late.status.log.message is None
    assert late.status.slices[0].last_sequence == 5
    assert late.status.model_copy(update={"log": ended.log, "slices": ended.slices}) == ended
    given_up = decide(seen(what, over(), logs=refused()), NOW + timedelta(seconds=601))
    assert (given_up.status, given_up.again) == (ended, None)


@pytest.mark.parametrize(
    ("log", "missing", "message"),
    [
        ({"missing": ((1, 3),), "shed_why": FULL}, [(1, 3), (6, 0)],
         f"{FULL} The runner could not say how much it had written."),
        ({"missing": ((1, 3),), "shed_why": FULL, "measured": True}, [(1, 3)], FULL),
        ({"missing": ((1, 3), (5, 5)), "shed_why": FULL, "lost": True, "measured": True},
         [(1, 3), (5, 5)], f"{FULL} Part of it was lost before it was read."),
        ({"measured": True, "complete": True}, [], None),
        ({"measured": True, "complete": True, "dropped": 3}, [],
         "The runner's limit of output was reached: 3 records are left out or short."),
        ({"measured": True, "complete": True, "overflow_missing": 12}, [],
         "Of the output beyond the pod's limit, 12 lines could not be stored."),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_with_every_cause(
    log: dict[str, Any], missing: list[tuple[int, int]], message: str | None
) -> None:
    view = LogView(s.book(a="ok"), **{"last": 5, "archived": 5, "exhausted": True, **log})
    status = decide(seen(claimed(), over(1, "Error"), logs={0: view}), NOW).status
    assert status is not None
    assert status.log is not None
    assert [(gap.first, gap.last) for gap in status.log.missing] == missing
    assert status.log.message == message
    assert status.log.complete is (message is None)


def test_a_new_process_knows_no_more_of_an_ended_log_than_its_status() -> None:
    ended = decide(seen(claimed(), over(), logs=refused()), NOW).status
    assert ended is not None
    what = claimed().model_copy(update={"status": ended})
    assert decide(seen(what, over()), NOW).status == ended


def test_a_stop_names_the_hosts_in_flight_of_all_slices() -> None:
    what = claimed(claim(0), claim(1, "p1"), hosts=["a", "b"], slices=2, cancel=True)
    logs = {
        index: LogView(s.book(**{host: "began"}), last=3, end=s.summary(
            RunStatus.STOPPED, 1, inflight=(host,)))
        for index, host in enumerate("ab")
    }  # fmt: skip
    stopped = seen(what, over(), over(uid="p1", index=1), logs=logs, stop_since=ago(2))
    status = decide(stopped, NOW).status
    assert status is not None
    assert status.message == "It was stopped. Hosts in flight: a, b."


@pytest.mark.parametrize(("run", "phase"), [("r", Phase.SUCCEEDED), ("forged", Phase.FAILED)])
def test_a_termination_message_of_another_run_is_not_believed(run: str, phase: Phase) -> None:
    message = json.dumps(s.summary(run=run, counts={"ok": 1}).data())
    log = {0: s.begun_log(run="r", exhausted=True)}
    status = decide(seen(claimed(), over(0, message=message), logs=log), NOW).status
    assert status is not None
    assert status.phase is phase


STOPS = {
    "one of two slices never ran": (
        seen(claimed(claim(0), claim(1, "p1"), hosts=["a", "b"], slices=2, cancel=True), gated(),
             over(uid="p1", index=1), stop_since=ago(2),
             logs={1: s.ended_log(RunStatus.STOPPED, 1, b="began")}),
        "It was stopped."),
    "deleted before it started": (
        seen(claimed(cancel=True), pod(phase="Failed"), stop_since=NOW), "It never ran."),
    "deleted while it started, and it had begun": (
        seen(claimed(cancel=True), pod(phase="Failed"), logs={0: s.begun_log(exhausted=True)},
             stop_since=NOW), "It had begun; what it did last may be missing from the log."),
    "SIGTERM before Ansible was there": (
        seen(claimed(cancel=True), over(143, "Error"), logs=UNREAD, stop_since=NOW),
        "Ansible had not been started."),
    "gone before its log was read": (
        seen(claimed(cancel=True), stop_since=NOW),
        "Whether it had begun is not known: it may have run."),
    "gone after its node had said that it never began": (
        seen(claimed(cancel=True), stop_since=NOW, last_seen=last(pod(phase="Failed"))),
        "It never ran."),
    "gone before it had a node": (
        seen(claimed(cancel=True), stop_since=NOW,
             last_seen=last(pod(scheduled=None, deleting=True))),
        "It never ran."),
    "gone, and its last state was shown before it had a node": (
        seen(claimed(cancel=True), stop_since=NOW, last_seen={
            "p0": pod(scheduled=None, disruption="PreemptionByScheduler")}),
        "Whether it had begun is not known: it may have run."),
    "gone with its node, which had not said that it began": (
        seen(claimed(cancel=True), stop_since=NOW, last_seen=last(
            pod(phase="Failed", disruption="DeletionByPodGC"))),
        "Whether it had begun is not known: it may have run."),
    "given up with its node, and still there": (
        seen(claimed(cancel=True), pod(phase="Failed", disruption="DeletionByPodGC"),
             stop_since=NOW),
        "Whether it had begun is not known: it may have run."),
    "its log could not be read": (
        seen(claimed(cancel=True), over(137, "Error"), stop_since=NOW,
             logs={0: LogView(s.book(), exhausted=True, unread=True)}),
        "Whether it had begun is not known: it may have run."),
    "gone after it had begun, and called nowhere": (
        seen(claimed(cancel=True), stop_since=NOW, logs={0: s.begun_log(exhausted=True)},
             last_seen=last(pod(scheduled=None, deleting=True))),
        "It had begun; what it did last may be missing from the log."),
    "gone from under its kubelet": (
        seen(claimed(cancel=True), stop_since=NOW, last_seen=last(pod(deleting=True))),
        "Whether it had begun is not known: it may have run."),
}  # fmt: skip


@pytest.mark.parametrize("found", [started(), over(), pod()], ids=["runs", "ended", "to start"])
@pytest.mark.parametrize("job", [s.job(), s.job(deleting=True)], ids=["stop", "Job deleted"])
def test_an_open_pod_without_a_claim_is_claimed_before_it_is_said_what_it_did(
    found: PodView, job: JobView
) -> None:
    """Somebody opened its gate, or took the claim out of the status."""
    stopping = {} if job.deleting else {"stop_since": ago(1)}
    plan = decide(seen(task(cancel=True), found, job=job, **stopping), NOW)
    assert steps(plan) == []
    assert plan.status is not None
    assert [claim.pod_uid for claim in plan.status.slices] == ["p0"]
    assert not plan.status.phase.terminal


def test_a_claimed_pod_is_its_slices_whatever_index_is_written_on_it() -> None:
    what = claimed(claim(0), claim(1, "p1"), hosts=["a", "b"], slices=2)
    plan = decide(seen(what, started(index=1), started(uid="p1", index=1)), NOW)
    assert steps(plan) == ["Follow", "Follow"]


def test_an_end_waits_until_a_watch_has_shown_the_last_of_a_pod() -> None:
    status = decide(seen(claimed(), awaited=frozenset({"p0"})), NOW).status
    assert status is not None
    assert not status.phase.terminal


def test_a_stop_waits_for_what_is_still_being_read() -> None:
    """Its pod was taken away under it; the reader has not come to the end of its log."""
    log = {0: s.begun_log(following=True)}
    plan = decide(seen(claimed(cancel=True), logs=log, stop_since=ago(2)), NOW)
    assert plan.status is None or not plan.status.phase.terminal
    assert plan.again is not None


def test_time_behind_the_gate_does_not_count_against_a_pod() -> None:
    old = pod(created=ago(900), scheduled=None, unschedulable="0/1 nodes fit")
    idle = {"idle_since": ago(1000)}
    just = decide(seen(claimed(), old, opened={0: ago(1)}, **idle), NOW)
    assert not [step for step in just.after if isinstance(step, plans.DeletePod)]
    long_ago = decide(seen(claimed(), old, opened={0: ago(900)}, **idle), NOW)
    assert [step for step in long_ago.after if isinstance(step, plans.DeletePod)]


def test_a_strangers_job_in_place_of_ours_ends_what_had_begun_as_that() -> None:
    begun = s.task(status={"phase": "Running", "jobName": "t", "slices": [claim()]})
    logs = {0: s.begun_log(exhausted=True)}
    status = decide(seen(begun, job=s.job(owner_uid="other"), logs=logs), NOW).status
    assert status is not None
    assert status.reason == Reason.JOB_DELETED
    assert "It had begun" in status.message


def test_a_node_that_is_gone_is_no_eviction() -> None:
    gone = over(137, "Error", disruption="DeletionByPodGC")
    status = decide(seen(claimed(), gone, logs=UNREAD), NOW).status
    assert status is not None
    assert status.reason == Reason.NODE_LOST


REFUSALS = {
    "webhook": (errors.Forbidden('admission webhook "w" denied the request'), Reason.POD_REFUSED),
    "too large": (errors.Invalid("Secret is too long"), Reason.POD_REFUSED),
    "our own rights": (errors.Forbidden("cannot create resource jobs"), None),
}


@pytest.mark.parametrize(("error", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_what_will_never_be_accepted(error: errors.ClusterError, reason: Reason | None) -> None:
    assert obstacles.of_refusal(error) is reason


@pytest.mark.parametrize(("what", "message"), STOPS.values(), ids=STOPS)
def test_a_stop_claims_only_what_is_known(what: Observed, message: str) -> None:
    status = decide(what, NOW).status
    assert status is not None
    assert (status.phase, status.message) == (Phase.STOPPED, message)


def test_two_slices_end_each_on_its_own() -> None:
    what = claimed(claim(0), claim(1, "p1"), hosts=["a", "b"], slices=2)
    logs = {0: s.ended_log(rc=2, a="failed"), 1: s.begun_log(following=True)}
    half = decide(seen(what, started(), started("p1", 1), logs=logs), NOW)
    assert half.status is not None
    assert [part.phase for part in half.status.slices] == [Phase.FAILED, Phase.RUNNING]
    assert half.status.phase is Phase.RUNNING
    logs[1] = s.ended_log(b="ok")
    whole = decide(seen(what, started(), started("p1", 1), logs=logs), NOW).status
    assert whole is not None
    assert (whole.phase, whole.host_outcomes) == (Phase.PARTLY_SUCCEEDED, "1f1o")
    assert whole.message == "a: copy: no room"


@pytest.mark.parametrize(("deleted", "gives_up"), [("03:04:00", False), ("02:54:04", True)])
def test_a_deletion_waits_ten_minutes_for_its_log_to_go(deleted: str, gives_up: bool) -> None:
    what = left(deletionTimestamp=f"2026-01-02T{deleted}Z")
    assert decide(seen(what, job=None), NOW).before == (plans.Unarchive(give_up=gives_up),)


def test_waiting_tells_its_place() -> None:
    status = decide(seen(task(), job=None, turn=QUEUED), NOW).status
    assert status is not None
    assert (status.phase, status.queue_position, status.reason) == (Phase.QUEUED, 3, Reason.QUEUED)


def test_progress_alone_is_written_every_few_seconds_only() -> None:
    what = s.task(status={"phase": "Running", "jobName": "t", "slices": [
        claim(phase=Phase.RUNNING)], "conditions": [
        {"type": "Succeeded", "status": "Unknown", "reason": "Running", "message": "",
         "lastTransitionTime": "2026-01-02T03:04:00Z"}]})  # fmt: skip
    logs = {0: s.begun_log(following=True)}
    soon = decide(seen(what, started(), logs=logs, last_write=ago(0.5)), NOW)
    assert soon.status is None
    assert soon.again == pytest.approx(1.5)
    later = decide(seen(what, started(), logs=logs, last_write=ago(2)), NOW)
    assert later.status is not None


def test_observed_generation_is_kept_current_after_the_end() -> None:
    what = task(status=s.TERMINAL, meta={"generation": 2, "finalizers": []})
    plan = decide(seen(what, job=None), NOW)
    assert plan.status is not None
    assert plan.status.observed_generation == 2
    assert {found.observed_generation for found in plan.status.conditions} == {2}
    assert plan.status.phase is Phase.SUCCEEDED
    assert isinstance(plan.after[0], plans.Retire)
