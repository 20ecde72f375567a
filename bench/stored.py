"""An ended task with its log, stored as the controller stores one, without a run."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime

from crds import archive, errors, names, provenance
from crds.conditions import Outcome, Phase
from crds.configmaps import ConfigMapArchive
from crds.frames import Kind, encode
from crds.model import (
    AnsibleTask,
    LogStatus,
    SecretRef,
    SliceStatus,
    Spec,
    Status,
    pack_outcomes,
)
from crds.records import Result
from crds.tasks import TaskStore

NOW = datetime(2026, 8, 17, 18, 38, 17, tzinfo=UTC)


async def store(
    tasks: TaskStore, name: str, hosts: Sequence[str], correlation: str, results: int
) -> AnsibleTask:
    """A task that went well, with some results a host in its archive."""
    number = names.task_id(tasks.namespace, name)
    params = names.params_secret(names.object_name(number), "0" * 8)
    made = await tasks.create(
        names.object_name(number),
        Spec(task_name=name, hosts=tuple(hosts), tasks=[{"raw": "true"}],
             correlation_id=correlation, vars_from=(SecretRef(name=params),)),
        labels={
            names.LABEL_TASK_ID: str(number),
            names.LABEL_TASK_NAME: names.label_value(name),
            names.LABEL_SLOT: "0",
            names.LABEL_CORRELATION: names.label_value(correlation),
        },
        # A controller at work leaves it alone until its end is written.
        annotations={names.ANNOTATION_PARAMS: names.PARAMS_PENDING},
        finalizers=(names.FINALIZER,),
    )  # fmt: skip
    lines = _log(hosts, results)
    chunk = archive.pack(made.metadata.uid, 0, 1, lines)
    await ConfigMapArchive(tasks.client, tasks.namespace).append(made, chunk)
    status = Status(
        uid=made.metadata.uid,
        phase=Phase.SUCCEEDED,
        id=number,
        host_outcomes=pack_outcomes([Outcome.OK] * len(hosts)),
        slices=(SliceStatus(index=0, last_sequence=len(lines), log_complete=True),),
        log=LogStatus(records=len(lines), complete=True, archive=archive.CONFIG_MAPS),
    )
    now = await tasks.get(made.metadata.name)
    done = await tasks.write_status(now or made, status)
    changes = provenance.filing(done, datetime.now(UTC), keep=24 * 3600)
    with contextlib.suppress(errors.Conflict):  # the controller was faster
        await tasks.write_metadata(done, changes=changes, finalizers=())
    return done


def _log(hosts: Sequence[str], results: int) -> list[bytes]:
    lines: list[bytes] = []
    for host in hosts:
        for at in range(results):
            moment = NOW.timestamp() + at
            result = Result(host, f"step {at}", "ok", moment, moment + 1, stdout="x" * 400)
            lines += encode("r", len(lines) + 1, moment, Kind.TASK, result.data())
    return lines
