"""What is done next for a task, by what was seen of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller import obstacles
from controller import plan as plans
from controller.decide import PENDING, decide
from controller.observed import LogView, Observed
from crds import errors, names
from crds.conditions import Phase, Reason
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


def test_time_behind_the_gate_does_not_count_against_a_pod() -> None:
    old = pod(created=ago(900), scheduled=None, unschedulable="0/1 nodes fit")
    idle = {"idle_since": ago(1000)}
    just = decide(seen(claimed(), old, opened={0: ago(1)}, **idle), NOW)
    assert not [step for step in just.after if isinstance(step, plans.DeletePod)]
    long_ago = decide(seen(claimed(), old, opened={0: ago(900)}, **idle), NOW)
    assert [step for step in long_ago.after if isinstance(step, plans.DeletePod)]


REFUSALS = {
    "webhook": (errors.Forbidden('admission webhook "w" denied the request'), Reason.POD_REFUSED),
    "too large": (errors.Invalid("Secret is too long"), Reason.POD_REFUSED),
    "our own rights": (errors.Forbidden("cannot create resource jobs"), None),
}


@pytest.mark.parametrize(("error", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_what_will_never_be_accepted(error: errors.ClusterError, reason: Reason | None) -> None:
    assert obstacles.of_refusal(error) is reason


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
