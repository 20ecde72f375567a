"""Keeping what was asked for as a task object: once, whatever dies in between.

Creating the object is the duplicate check: it is named after the task name, so the API server lets
one request of many make it. (Names in use that it would not find: api/elsewhere.py.) A task without
`params` is complete then. With `params` there are two more writes, and the object says how far they
came:

1. The object is created with the annotation `octans.io/params: pending`. Its spec.varsFrom names
   the Secret to come, `<object>-params-<8 random digits>` (random, so that what is left of an
   earlier task of this name is never taken for ours), and `octans.io/fingerprint` tells this
   request from others. The controller leaves a pending task alone; one that stays pending, it
   deletes.
2. The Secret is created, owned by the task.
3. The annotation becomes `ready` by a patch with a resourceVersion precondition, which also
   records in `octans.io/request` whose request it was. Only then the controller may start it.

Whoever wins the third write has made the task and answers its id; everybody else is told that the
name is in use. A process that dies after the first or second write leaves a pending object: the
same request repeated finds it by its fingerprint, writes the Secret (AlreadyExists: the same
content, because the fingerprint is) and wins the third write. So the name is not burnt, and a
Secret never stays behind, because it goes with its task.

With an `Idempotency-Key` the fingerprint stays on the task, and the same request is answered with
the same id at any later time.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any, Final

from api.elsewhere import Elsewhere
from api.problems import Away, DuplicateName, ParamError
from api.request import RunAsk, fingerprint
from crds import errors, names, provenance
from crds.client import SECRETS, Object
from crds.model import AnsibleTask, SecretRef, Spec
from crds.runinput import VARS_KEY
from crds.tasks import TaskStore, owner_of

_PATCH_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose request it is."""

    request_id: str
    """Random, so that a request knows what it wrote itself when an answer was lost."""
    source: str | None
    correlation: str
    asked: str
    """The request as canonical text, equal for equal requests."""
    key: str | None = None
    """The Idempotency-Key."""
    caller: str = ""
    """Who it is, as authentication knows."""


async def submit(
    tasks: TaskStore,
    elsewhere: Elsewhere,
    ask: RunAsk,
    origin: Origin,
    finalizers: tuple[str, ...],
) -> AnsibleTask:
    """The task that carries out what is asked for; DuplicateName where the name is in use."""
    known = await elsewhere.find(ask.name)
    if known is not None:
        return await _repeated(tasks, known, ask, origin)
    for k in range(names.SLOTS):
        name = _slot(tasks, ask.name, k)
        spec, annotations = _prepared(name, ask, origin)
        try:
            made = await tasks.create(
                name, spec, labels=_labels(tasks, ask, origin, k), annotations=annotations,
                finalizers=finalizers,
            )  # fmt: skip
        except errors.AlreadyExists:
            occupant = await tasks.get(name)
            if occupant is None:
                raise Away from None  # deleted just now: the next attempt succeeds
            if occupant.task_name == ask.name:
                return await _repeated(tasks, occupant, ask, origin)
            continue
        if k:
            elsewhere.add(made)
        return await _completed(tasks, made, ask, origin)
    raise RuntimeError("every slot of a task name is taken by other names")


def _slot(tasks: TaskStore, name: str, k: int) -> str:
    return names.object_name(names.task_id(tasks.namespace, name, k))


def _labels(tasks: TaskStore, ask: RunAsk, origin: Origin, k: int) -> dict[str, str]:
    labels = {
        names.LABEL_TASK_ID: str(names.task_id(tasks.namespace, ask.name, k)),
        names.LABEL_TASK_NAME: names.label_value(ask.name),
        names.LABEL_SLOT: str(k),
        names.LABEL_CORRELATION: names.label_value(origin.correlation),
    }
    if origin.source is not None:
        labels[names.LABEL_SOURCE] = names.label_value(origin.source)
    return labels


def _prepared(name: str, ask: RunAsk, origin: Origin) -> tuple[Spec, dict[str, str]]:
    """The object's spec and annotations."""
    changes: dict[str, Any] = {"source": origin.source, "correlation_id": origin.correlation}
    annotations = {names.ANNOTATION_REQUEST: origin.request_id}
    if origin.caller:
        annotations[names.ANNOTATION_CALLER] = origin.caller
    if ask.params:
        secret = names.params_secret(name, secrets.token_hex(4))
        changes["vars_from"] = (SecretRef(name=secret),)
        annotations[names.ANNOTATION_PARAMS] = names.PARAMS_PENDING
        annotations[names.ANNOTATION_FINGERPRINT] = fingerprint(secret, origin.asked)
    if origin.key is not None:
        annotations[names.ANNOTATION_KEY] = _hashed(origin.key)
        annotations[names.ANNOTATION_FINGERPRINT] = fingerprint(origin.key, origin.asked)
    return ask.spec.model_copy(update=changes), annotations


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


async def _repeated(
    tasks: TaskStore, occupant: AnsibleTask, ask: RunAsk, origin: Origin
) -> AnsibleTask:
    """What a request gets whose name is in use: the occupant where it is its own."""
    notes = occupant.metadata.annotations
    if notes.get(names.ANNOTATION_REQUEST) == origin.request_id:
        return await _completed(tasks, occupant, ask, origin)
    if occupant.metadata.deletion_timestamp is not None or provenance.slot(occupant) is None:
        raise DuplicateName  # what is noted of a request on another object was copied to it
    if _same_key(occupant, origin):
        if notes.get(names.ANNOTATION_FINGERPRINT) != fingerprint(origin.key or "", origin.asked):
            raise ParamError("Idempotency-Key was used for this name with another request")
        return await _completed(tasks, occupant, ask, origin)
    if _left_over(occupant, origin):
        return await _completed(tasks, occupant, ask, origin)
    raise DuplicateName


def _same_key(task: AnsibleTask, origin: Origin) -> bool:
    kept = task.metadata.annotations.get(names.ANNOTATION_KEY)
    return origin.key is not None and kept == _hashed(origin.key)


def _left_over(task: AnsibleTask, origin: Origin) -> bool:
    """Whether this same request was begun before and not finished."""
    notes = task.metadata.annotations
    if not task.pending or not task.spec.vars_from or names.ANNOTATION_KEY in notes:
        return False
    key = task.spec.vars_from[0].name
    return notes.get(names.ANNOTATION_FINGERPRINT) == fingerprint(key, origin.asked)


async def _completed(
    tasks: TaskStore, task: AnsibleTask, ask: RunAsk, origin: Origin
) -> AnsibleTask:
    """The second and third write, where they are still to be done."""
    if not task.pending:
        return task
    await _write_params(tasks, task, ask.params)
    changes: dict[str, str | None] = {
        names.ANNOTATION_PARAMS: names.PARAMS_READY,
        names.ANNOTATION_REQUEST: origin.request_id,
    }
    if names.ANNOTATION_KEY not in task.metadata.annotations:
        changes[names.ANNOTATION_FINGERPRINT] = None
    for _ in range(_PATCH_ATTEMPTS):
        try:
            return await tasks.annotate(task, changes)
        except errors.Conflict:
            again = await tasks.get(task.metadata.name)
        replaced = again is None or again.metadata.uid != task.metadata.uid
        if again is None or replaced or again.metadata.deletion_timestamp is not None:
            raise Away from None  # it waited too long and was deleted: the next attempt succeeds
        if not again.pending:
            return _won(again, origin)
        task = again
    raise Away


def _won(task: AnsibleTask, origin: Origin) -> AnsibleTask:
    ours = task.metadata.annotations.get(names.ANNOTATION_REQUEST) == origin.request_id
    if ours or _same_key(task, origin):
        return task
    raise DuplicateName


async def _write_params(tasks: TaskStore, task: AnsibleTask, params: dict[str, Any]) -> None:
    labels = {names.LABEL_TASK_UID: task.metadata.uid}
    if number := task.metadata.labels.get(names.LABEL_TASK_ID):
        labels[names.LABEL_TASK_ID] = number
    for wanted in task.spec.vars_from or ():
        body: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "immutable": True,
            "metadata": {
                "name": wanted.name,
                "labels": labels,
                "ownerReferences": [owner_of(task)],
            },
            "stringData": {VARS_KEY: json.dumps(params, ensure_ascii=False)},
        }
        try:
            await tasks.client.create(SECRETS, tasks.namespace, body)
        except errors.AlreadyExists:
            continue
