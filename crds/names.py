"""Every name that two parts must spell alike: the resource, labels, ids, objects a task owns."""

import hashlib
import re
from typing import Final

GROUP: Final = "octans.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "AnsibleTask"
PLURAL: Final = "ansibletasks"

COLUMN_TASK: Final = "Task"
"""Printer column with the caller's task name, where it was given one."""

LABEL_TASK_ID: Final = "octans.io/task-id"
"""The task's id, decimal; on the task and on everything it owns."""
LABEL_TASK_NAME: Final = "octans.io/task-name"
"""`label_value` of the caller's task name, so that a name is found without reading all tasks."""
LABEL_TASK_UID: Final = "octans.io/task-uid"
"""The task object's uid; on everything the task owns."""
LABEL_SLOT: Final = "octans.io/slot"
"""Which of its name's candidate ids (`task_id`'s k) an API-made task has; no other task has it."""
LABEL_CORRELATION: Final = "octans.io/correlation-id"
"""`label_value` of the caller's correlation id; on the task and its archive."""
LABEL_SOURCE: Final = "octans.io/source"
"""`label_value` of the requesting service; on the task and its archive."""
LABEL_FINISHED: Final = "octans.io/finished"
"""The object's uid once it has ended: with thousands of ended tasks, the watch of whole objects
leaves out what has this label. One with another object's uid is a copy (crds/provenance.py)."""
LABEL_SLICE: Final = "octans.io/slice"
"""Index of the slice that an archive chunk belongs to."""
LABEL_NO_BACKUP: Final = "velero.io/exclude-from-backup"
"""`true` on Job, pods and input: a pod that a backup brings back would start its play again."""

FINALIZER: Final = "octans.io/stop"
"""Held from first sight to the terminal status, so that deleting a running task stops it first."""
ARCHIVE_FINALIZER: Final = "octans.io/archive"
"""Held while objects outside Kubernetes may hold the task's log, so that they go with it."""
CONTAINER: Final = "runner"
"""The container of ours in a task's pod; admission may add others to it."""
GATE: Final = "octans.io/claim"
"""Scheduling gate of every task pod; removed once the pod is claimed in the task's status."""

ANNOTATION_NUDGED: Final = "octans.io/nudged"
"""On a Job: when its controller was last asked to try again (controller/carry.py)."""
ANNOTATION_PARAMS: Final = "octans.io/params"
"""`pending` until the Secret with the request's params is written, then `ready`: a pending task
is not started. Absent on tasks without params. See api/submit.py."""
PARAMS_PENDING: Final = "pending"
PARAMS_READY: Final = "ready"
ANNOTATION_REQUEST: Final = "octans.io/request"
"""Random id of the HTTP request that made, or completed, the task."""
ANNOTATION_KEY: Final = "octans.io/idempotency-key"
"""SHA-256 of the request's Idempotency-Key."""
ANNOTATION_FINGERPRINT: Final = "octans.io/fingerprint"
"""What tells a repeated request from another one; only with an Idempotency-Key or while pending."""
ANNOTATION_CALLER: Final = "octans.io/caller"
"""Who asked, as the API's authentication knows it."""

ANNOTATION_ENDED: Final = "octans.io/ended"
"""When the task ended, seconds since 1970: retention by count without reading whole tasks."""
ANNOTATION_EXPIRES: Final = "octans.io/expires"
"""When the task goes, seconds since 1970: its end and its ttlSecondsAfterFinished."""
ANNOTATION_GENERATION: Final = "octans.io/generation"
"""Generation of the spec that the two above and observedGeneration speak of."""
ANNOTATION_BEGUN: Final = "octans.io/begun"
"""Which object was begun: its uid, name, `provenance.work_hash` and perhaps `ended`, by spaces."""

SECRET_PREFIX: Final = "octans-"
"""Secrets that a task may name start with this (a setting); else only its own params' one."""

MAX_ID: Final = 2**31 - 1
"""Clients in the field store ids as signed 32-bit integers."""
SLOTS: Final = 3
"""Candidate ids of a name that are looked at; a second one is needed once in 150 full stores."""
MAX_OBJECT_NAME: Final = 52
"""A task's object name: an Indexed Job is refused when `<name>-<index>` is no DNS label."""

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_OWN_NAME = re.compile(r"task-([0-9a-z]{1,6})")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def task_id(namespace: str, task_name: str, k: int = 0) -> int:
    """The k-th candidate id, 1..2^31-1, of a task name in a namespace.

    31 bits of SHA-256 over the three; equal names always meet, so creating the
    object named after the id is the duplicate check.
    """
    text = f"{namespace}\0{task_name}\0{k}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.sha256(text).digest()[:4], "big") & MAX_ID
    return number or 1


def object_name(number: int) -> str:
    """Name of the object that the API makes for an id: `task-` and the id in base 36."""
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return f"task-{digits}"


def id_in_object_name(name: str) -> int | None:
    """The id in an API-made object's name; None for any other name."""
    found = _OWN_NAME.fullmatch(name)
    if found is None:
        return None
    number = int(found[1], 36)
    return number if 1 <= number <= MAX_ID and object_name(number) == name else None


def label_value(text: str) -> str:
    """The text where it is a valid label value, else `x-` and 40 hex digits of its SHA-256.

    A text that itself looks like such a hash is hashed too, so no two texts share a value.
    """
    if _LABEL.fullmatch(text) and not re.fullmatch(r"x-[0-9a-f]{40}", text):
        return text
    return "x-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def input_secret(task: str, uid: str) -> str:
    """Name of the immutable Secret that holds what the task's pods run.

    Part of the uid is in it: what is left of a deleted task of this name is never taken for it.
    """
    return f"{task}-{uid[:8]}-input"


def params_secret(task: str, digits: str) -> str:
    """Name of the Secret in which the API keeps a request's `params`; 8 random hex digits."""
    return f"{task}-params-{digits}"


def is_params_secret(task: str, secret: str) -> bool:
    """Whether a Secret is called as the one with a task's `params` is."""
    return re.fullmatch(re.escape(params_secret(task, "")) + "[0-9a-f]{8}", secret) is not None


def archive_chunk(task: str, uid: str, index: int, first: int) -> str:
    """Name of the ConfigMap with a slice's archived frames from number `first` on."""
    return f"{task}-{uid[:8]}-log-{index}-{first}"


def event(task: str, uid: str, reason: str, message: str) -> str:
    """Name of the Event with which a task's controller tells of a reason: one for what it says."""
    said = hashlib.sha256(f"{reason}\0{message}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{task}-{uid[:8]}-{said[:12]}"
