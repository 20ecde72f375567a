"""How an end is told: every row of the fault table that says what became of a task's pods."""

import json
from dataclasses import replace

import pytest

from controller.capacity import Lack
from controller.decide import decide
from controller.observed import JobView, LogView, Observed, PodView, Terminated
from controller.results import HostBook
from crds.conditions import FINISHED, SUCCEEDED, Phase, Reason
from crds.model import AnsibleTask
from crds.records import RunStatus
from tests.unit import seen as s
from tests.unit.seen import (
    NOW,
    QUEUED,
    ago,
    claim,
    claimed,
    gated,
    over,
    pod,
    returned,
    seen,
    started,
    steps,
    task,
)


def last(shown: PodView) -> dict[str, PodView]:
    """What a watch showed of a pod when it went."""
    return {shown.uid: replace(shown, gone=True)}


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
