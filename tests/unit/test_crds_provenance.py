"""What an object carries is its own or was copied: every place it may have come from, one row."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crds import names, provenance
from crds.model import AnsibleTask, Spec

OWN, OTHER = "uid-own", "uid-other"
END = datetime(2026, 1, 2, tzinfo=UTC)
API_NAME = names.object_name(names.task_id("ns", "called"))


def stored(name: str = "t", uid: str = OWN, **changes: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "ns", "uid": uid, **changes.pop("meta", {})}
    status = changes.pop("status", {})
    return {"metadata": meta, "spec": {"hosts": ["a"], "tasks": [{}], **changes}, "status": status}


def task(name: str = "t", uid: str = OWN, **changes: Any) -> AnsibleTask:
    return provenance.read(stored(name, uid, **changes))


def note(of: AnsibleTask, *, ended: bool = True) -> dict[str, Any]:
    return {"annotations": provenance.note_begun(of, ended=ended)}


STATUSES = {
    "its own": ({"uid": OWN, "phase": "Failed"}, "Failed", None),
    "copied with it": ({"uid": OTHER, "phase": "Succeeded"}, "Queued", "Succeeded"),
    "of before there was a uid in it": ({"phase": "Succeeded"}, "Succeeded", None),
    "none": ({}, "Queued", None),
}


@pytest.mark.parametrize(("status", "phase", "copied"), STATUSES.values(), ids=STATUSES)
def test_status(status: dict[str, Any], phase: str, copied: str | None) -> None:
    found = task(status=status)
    assert found.status.phase == phase
    assert (found.copied.phase if found.copied else None) == copied


RESTORED = {
    "a new object": (task(), False),
    "the same name after deletion": (task(meta=note(task(uid=OTHER))), True),
    "that had only been begun": (task(meta=note(task(uid=OTHER), ended=False)), True),
    "its TTL and priority edited": (
        task(meta=note(task(uid=OTHER)), ttlSecondsAfterFinished=9, priority=3, cancel=True), True),
    "its defaults written out": (task(meta=note(task(uid=OTHER)), port=22, forks=5), True),
    "with other work": (task(meta=note(task(uid=OTHER)), hosts=["b"]), False),
    "under another name": (task("copy", meta=note(task(uid=OTHER))), False),
    "its own, begun": (task(meta=note(task(), ended=False)), False),
    "its own, ended, the status replaced": (task(meta=note(task())), True),
    "a note that nobody understands": (
        task(meta={"annotations": {names.ANNOTATION_BEGUN: "yes"}}), False),
}  # fmt: skip


@pytest.mark.parametrize(("what", "expected"), RESTORED.values(), ids=RESTORED)
def test_restored(what: AnsibleTask, *, expected: bool) -> None:
    assert provenance.restored(what) is expected


def test_another_namespace_is_no_other_name() -> None:
    moved = stored(uid=OTHER, meta={**note(task()), "namespace": "elsewhere"})
    assert provenance.restored(provenance.read(moved))


LABELS = {
    "none yet": (task(), {"octans.io/task-id": str(names.task_id("ns", "t")),
                          "octans.io/task-name": "t"}, {}),
    "made by the API": (
        task(API_NAME, taskName="called", source="s", correlationId="c", meta={
            "annotations": {names.ANNOTATION_CALLER: "me"}, "labels": {
                names.LABEL_TASK_ID: str(names.task_id("ns", "called")), names.LABEL_SLOT: "0",
                names.LABEL_TASK_NAME: "called", names.LABEL_SOURCE: "s",
                names.LABEL_CORRELATION: "c"}}), {}, {}),
    "copied from there under another name": (
        task("copy", taskName="called", meta={
            "annotations": {names.ANNOTATION_CALLER: "me", names.ANNOTATION_KEY: "k"}, "labels": {
                names.LABEL_TASK_ID: str(names.task_id("ns", "called")), names.LABEL_SLOT: "0",
                names.LABEL_TASK_NAME: "called"}}),
        {names.LABEL_SLOT: None}, {names.ANNOTATION_CALLER: None, names.ANNOTATION_KEY: None}),
    "of one that has ended": (
        task("copy", meta={
            "annotations": {names.ANNOTATION_EXPIRES: "9", names.ANNOTATION_GENERATION: "1"},
            "labels": {names.LABEL_FINISHED: OTHER, names.LABEL_TASK_ID: "7"}}),
        {names.LABEL_FINISHED: None, names.LABEL_TASK_NAME: "copy",
         names.LABEL_TASK_ID: str(names.task_id("ns", "copy"))},
        {names.ANNOTATION_EXPIRES: None, names.ANNOTATION_GENERATION: None}),
    "edited by hand": (
        task(meta={"labels": {names.LABEL_TASK_ID: "x", names.LABEL_TASK_NAME: "other",
                              names.LABEL_SOURCE: "nobody", "team": "infra"}}),
        {names.LABEL_TASK_ID: str(names.task_id("ns", "t")), names.LABEL_TASK_NAME: "t",
         names.LABEL_SOURCE: None}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("what", "labels", "notes"), LABELS.values(), ids=LABELS)
def test_corrections(what: AnsibleTask, labels: dict[str, Any], notes: dict[str, Any]) -> None:
    assert provenance.corrections(what) == provenance.Changes(labels, notes)


def test_what_is_marked_as_ended_is_so_for_its_own_uid_only() -> None:
    changes = provenance.filing(task(meta={"generation": 3}), END, 60)
    meta = {"labels": changes.labels, "annotations": changes.annotations}
    assert provenance.filed(task(meta={"generation": 3, **meta}))
    assert not provenance.filed(task(meta={"generation": 4, **meta})), "the spec changed"
    assert not provenance.filed(task(uid=OTHER, meta={"generation": 3, **meta}))
    assert provenance.noted(task(meta=meta))
    assert not provenance.noted(task(uid=OTHER, meta=meta))


def test_a_copy_under_another_name_waits_for_no_params() -> None:
    pending = {"annotations": {names.ANNOTATION_PARAMS: names.PARAMS_PENDING}}
    refs = [{"name": "t-params-0123abcd"}]
    assert task("t", meta=pending, varsFrom=refs).pending
    assert not task("copy", meta=pending, varsFrom=refs).pending


def test_the_hash_of_what_is_stored_outlives_new_fields() -> None:
    """Fields at their defaults are left out: pinned, so that nobody changes it unawares."""
    spec = Spec(hosts=("a",), tasks=[{"ping": {}}])
    assert provenance.work_hash(spec) == provenance.work_hash(spec.model_copy(update={"port": 22}))
    assert provenance.work_hash(spec).startswith("de1ddc00cff6")


def test_work_of_any_depth_has_a_hash() -> None:
    data: Any = 1
    for _ in range(400):
        data = [data]
    deep = Spec(hosts=("a",), tasks=[{"ping": {}}], vars={"x": data})
    assert provenance.work_hash(deep) != provenance.work_hash(Spec(hosts=("a",), tasks=[]))
