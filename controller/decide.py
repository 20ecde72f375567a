"""What to do next for one task: pure, so every row of the fault table is a unit test."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from controller import course, obstacles, status
from controller.observed import Observed
from controller.plan import Adopt, DeleteJob, Discard, Plan, Retire, Start, Step, Unarchive
from controller.progress import LOOK_AGAIN, until_retry
from controller.reasons import End
from controller.verdict import Verdict
from crds import archive, names, provenance
from crds.conditions import Phase, Reason
from crds.model import AnsibleTask, Status
from crds.provenance import Changes

PENDING: Final = 600
"""Seconds after which a task whose params Secret was never written is deleted (api/submit.py)."""
BRIEF: Final = 3
"""Seconds for which a task that waits only for its turn has no status: most start before."""


def decide(seen: Observed, now: datetime) -> Plan:
    """The next plan for a task; an empty one where there is nothing to do."""
    task = seen.task
    held = names.FINALIZER in task.metadata.finalizers
    deleted = task.metadata.deletion_timestamp
    if deleted is not None and not held:
        return _unarchive(seen, now - deleted)
    if task.finished:
        return _retire(seen, now)
    changes = provenance.corrections(task)
    wanted = {*archive.finalizers(seen.place)}
    if changes or (deleted is None and not wanted <= {*task.metadata.finalizers}):
        return Plan(before=(Adopt(_with_note(seen, changes)),), again=0)
    if _is_back(seen):
        # A Job that is there is its forerunner's.
        return _refuse(replace(seen, job=None), Reason.RESTORED, _history(task), now)
    if seen.rival is not None:
        text = f"The object {seen.rival} has the task name {task.task_name!r}."
        return _refuse(seen, Reason.NAME_CONFLICT, text, now)
    begun = task.status.job_name is not None
    if seen.job is not None and seen.job.owner_uid != task.metadata.uid:
        if not begun and seen.job.inherited:
            return Plan(again=LOOK_AGAIN)  # it goes with the task of this name that was deleted
        if not begun:
            text = f"A Job named {seen.job.name} that is not this task's is in the namespace."
            return _refuse(replace(seen, job=None), Reason.NAME_CONFLICT, text, now)
        seen = replace(seen, job=None)  # a stranger's, in the place of ours that is gone
    if seen.refusal is not None and seen.job is None and not begun:
        reason, _, text = seen.refusal.partition(": ")
        return _refuse(seen, Reason(reason), text, now)
    if seen.stop_since is not None:
        return course.stop(seen, seen.stop_since, now)
    if seen.job is None and not begun:
        return _queue(seen, now)
    return course.run(seen, now)


def _unarchive(seen: Observed, since: timedelta) -> Plan:
    """A deleted task that has ended, so long ago: it goes with its log, or with nothing of ours."""
    if names.ARCHIVE_FINALIZER not in seen.task.metadata.finalizers:
        return Plan()
    late = since > timedelta(seconds=seen.limits.archive_give_up)
    return Plan(before=(Unarchive(give_up=late),))


def _with_note(seen: Observed, changes: Changes) -> Changes:
    """The changes, with the note that it is begun where it starts next: that saves a write."""
    if not seen.turn.admitted or seen.task.pending or provenance.restored(seen.task):
        return changes
    return Changes(changes.labels, {**changes.annotations, **provenance.note_begun(seen.task)})


def _is_back(seen: Observed) -> bool:
    """Whether this work was begun before, as another object, and not yet as this one."""
    task = seen.task
    mine = seen.job is not None and seen.job.owner_uid == task.metadata.uid
    return task.status.job_name is None and not mine and provenance.restored(task)


def _history(task: AnsibleTask) -> str:
    """What is known of the object that was begun before."""
    before = provenance.begun(task)
    uid = before.uid if before else ""
    text = f"It was begun before, as another object (uid {uid}), and is not run a second time."
    if provenance.own(uid, task.metadata.uid):
        text = "It had ended, and has no status of its own any more."
    if task.copied is not None and task.copied.phase.terminal:
        text += f" The copied status said {task.copied.phase.value} ({task.copied.reason})."
    return text


def _retire(seen: Observed, now: datetime) -> Plan:
    """The task has ended: tidy up once, keep observedGeneration current, let a deletion go on."""
    task = seen.task
    deleting = task.metadata.deletion_timestamp is not None
    held = names.FINALIZER in task.metadata.finalizers
    mine = seen.job is not None and seen.job.owner_uid == task.metadata.uid
    if deleting and held and seen.job is not None and mine:
        # A deleted task's name is free only when nothing of it can run any more.
        steps = () if seen.job.deleting else (DeleteJob(seen.job.uid),)
        return Plan(before=steps, again=LOOK_AGAIN)
    steps_after: tuple[Step, ...] = ()
    if held or not provenance.filed(task):
        steps_after = (*course.stragglers(seen), Retire())
    late = course.archive_late(seen, now)
    if deleting:
        late = late.merge(again=0)
    return late.merge(
        status=_current(late.status or seen.task.status, seen.task.metadata.generation),
        after=steps_after,
    )


def _current(old: Status, generation: int) -> Status:
    if old.observed_generation == generation:
        return old
    conditions = tuple(
        found.model_copy(update={"observed_generation": generation}) for found in old.conditions
    )
    return old.model_copy(update={"observed_generation": generation, "conditions": conditions})


def _refuse(seen: Observed, reason: Reason, text: str, now: datetime) -> Plan:
    """End a task of which nothing was started."""
    end = End(reason, text, never_ran=True)
    return course.finish(seen, (), {part.index: end for part in seen.slices()}, now)


def _queue(seen: Observed, now: datetime) -> Plan:
    if seen.pending_since is not None:
        late = now - seen.pending_since > timedelta(seconds=PENDING)
        return Plan(before=(Discard(),) if late else (), again=LOOK_AGAIN)
    if seen.lack is not None and seen.lack_since is not None:
        spent = obstacles.quota_spent(seen, seen.lack.text, seen.lack_since, now)
        if spent is not None:
            return _refuse(seen, spent.reason, spent.message, now)
    if seen.turn.admitted:
        return Plan(before=(Start(),), again=LOOK_AGAIN)
    if seen.turn.brief and seen.task.status.update_time is None and _new(seen, now):
        return Plan(again=LOOK_AGAIN)
    verdict = Verdict(
        Phase.QUEUED, Reason(seen.turn.reason or Reason.QUEUED), seen.turn.message,
        seen.turn.position,
    )  # fmt: skip
    again = until_retry(seen) if seen.lack else None
    return Plan(status=status.build(seen, verdict, (), {}, now), again=again)


def _new(seen: Observed, now: datetime) -> bool:
    """Whether it is so new that it need not be told yet that it waits."""
    return now - seen.task.metadata.creation_timestamp < timedelta(seconds=BRIEF)
