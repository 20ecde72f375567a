"""The AnsibleTask resource as values; field names are camelCase on the wire only.

Reading is lenient (a stored object may be older or newer than we are), writing is exact.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from crds import conditions, names
from crds.conditions import Outcome, Phase, Reason
from crds.hosts import Machine, by_machine


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, AfterValidator(_utc), PlainSerializer(_rfc3339)]
"""A moment in UTC; RFC 3339 with whole seconds on the wire, as Kubernetes writes it."""


class Model(BaseModel):
    """A frozen value with camelCase names on the wire."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )

    def wire(self) -> dict[str, Any]:
        """As JSON data; fields that hold nothing are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class OwnerReference(Model):
    """Who owns an object."""

    uid: str = ""
    kind: str = ""
    name: str = ""
    controller: bool = False


class Metadata(Model):
    """The part of Kubernetes' ObjectMeta that we read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time = datetime.fromtimestamp(0, UTC)
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class SecretRef(Model):
    """A Secret by name, in the task's namespace."""

    name: str


class Spec(Model):
    """What is asked for; every field is described in ansibletask.yaml."""

    task_name: str | None = None
    hosts: tuple[str, ...] = ()
    port: int = 22
    user: str = "root"
    tasks: list[dict[str, Any]] | None = None
    roles: list[dict[str, Any]] | None = None
    playbook: list[dict[str, Any]] | None = None
    work: str | None = None
    vars: dict[str, Any] | None = None
    vars_from: tuple[SecretRef, ...] | None = None
    forks: int = 5
    slices: int = 1
    timeout_seconds: int = 3600
    gather_facts: bool = True
    become: bool = False
    pipelining: bool | None = None
    check: bool = False
    diff: bool = False
    tags: tuple[str, ...] | None = None
    skip_tags: tuple[str, ...] | None = None
    limit: str | None = None
    verbosity: int = 0
    ssh_key_secret: str | None = None
    known_hosts_secret: str | None = None
    become_password_secret: str | None = None
    vault_password_secret: str | None = None
    priority: int = 0
    exclusive_hosts: bool = False
    runner: str = "current"
    source: str | None = None
    correlation_id: str | None = None
    cancel: bool = False
    ttl_seconds_after_finished: int | None = None

    @property
    def unique_hosts(self) -> tuple[str, ...]:
        """The hosts, each machine once, as it was written first."""
        return tuple(by_machine(self.hosts, self.port).values())

    @property
    def slice_count(self) -> int:
        """Over how many pods the hosts are spread: never more than there are machines.

        One, where `limit` is set: its patterns mean all of the hosts.
        """
        return 1 if self.limit else max(1, min(self.slices, len(self.unique_hosts)))

    @property
    def machines(self) -> frozenset[Machine]:
        """Which machines the hosts are, whatever their spelling."""
        return frozenset(by_machine(self.hosts, self.port))


class Condition(Model):
    """A Kubernetes condition."""

    type: str
    status: str
    reason: Reason | str
    message: str = ""
    last_transition_time: Time
    observed_generation: int = 0


class SliceStatus(Model):
    """One slice: its claim (the one pod that may run) and how far it came."""

    index: int
    pod: str | None = None
    """Name of the claimed pod; set once, before its gate is opened."""
    pod_uid: str | None = None
    phase: Phase = Phase.STARTING
    reason: str | None = None
    message: str | None = None
    """Why its pod was deleted before it had started."""
    rc: int | None = None
    last_sequence: int = 0
    """Highest frame number N such that all of 1..N are archived or in `log.missing`."""
    log_complete: bool = False


class HostStatus(Model):
    """One host's result so far; counts as in Ansible's recap."""

    name: str
    outcome: Outcome
    added: bool | None = None
    """True of a host that the work itself added to the inventory."""
    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0
    message: str | None = None


class MissingRange(Model):
    """Frames of a slice that could not be read; `last` 0: unknown how many."""

    slice: int
    first: int
    last: int = 0


class LogStatus(Model):
    """What is kept of the task's output."""

    tail: str = ""
    """Last lines of Ansible's own output, at most 16 KiB."""
    records: int = 0
    bytes: int = 0
    complete: bool = False
    missing: tuple[MissingRange, ...] = ()
    message: str | None = None
    """Why something is missing."""
    archive: str | None = None
    """Where the whole log is: `configmaps` or an object store's URL."""
    cut: bool = False
    """The archive's size limit was reached: its middle was left out."""


class HostCounts(Model):
    """How many hosts stand where."""

    total: int = 0
    waiting: int = 0
    running: int = 0
    ok: int = 0
    failed: int = 0
    unreachable: int = 0
    unfinished: int = 0
    left_out: int = 0


class Status(Model):
    """What was observed; written by the controller only, whole, and only if different."""

    observed_generation: int = 0
    uid: str | None = None
    """The object that it is of: not ours where the object has another (crds/provenance.py)."""
    id: int | None = None
    phase: Phase = Phase.QUEUED
    conditions: tuple[Condition, ...] = ()
    spec_hash: str | None = None
    queue_position: int | None = None
    start_time: Time | None = None
    completion_time: Time | None = None
    update_time: Time | None = None
    """Last change of phase or of a host."""
    duration: str | None = None
    """From start to completion, such as `1m12s`."""
    job_name: str | None = None
    slices: tuple[SliceStatus, ...] = ()
    host_counts: HostCounts | None = None
    host_outcomes: str | None = None
    """Every host in the spec's order as run-length letters of conditions.Outcome: `3o1f`."""
    hosts: tuple[HostStatus, ...] = ()
    """Unfinished and bad hosts first; at most 500."""
    log: LogStatus | None = None

    def condition(self, kind: str) -> Condition | None:
        """The condition of a type."""
        return next((found for found in self.conditions if found.type == kind), None)

    @property
    def reason(self) -> str:
        """Reason of the condition Succeeded; empty before the first status."""
        found = self.condition(conditions.SUCCEEDED)
        return str(found.reason) if found else ""

    @property
    def message(self) -> str:
        """Message of the condition Succeeded; empty before the first status."""
        found = self.condition(conditions.SUCCEEDED)
        return found.message if found else ""


class AnsibleTask(Model):
    """One piece of Ansible work on some machines."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()
    """This object's own; empty where it has none."""
    copied: Status | None = None
    """Another object's status, which was copied with it; never on the wire."""

    @property
    def task_name(self) -> str:
        """The caller's name of the task; the object's where none was given."""
        return self.spec.task_name if self.spec.task_name is not None else self.metadata.name

    @property
    def pending(self) -> bool:
        """Whether the API has still to write the params Secret (api/submit.py).

        That Secret is called after the object: a copy under another name waits for none.
        """
        if self.metadata.annotations.get(names.ANNOTATION_PARAMS) != names.PARAMS_PENDING:
            return False
        wanted = self.spec.vars_from or ()
        return any(names.is_params_secret(self.metadata.name, ref.name) for ref in wanted)

    @property
    def finished(self) -> bool:
        """Whether a terminal status was written; then nothing of it changes again."""
        return self.status.phase.terminal


def pack_outcomes(outcomes: list[Outcome]) -> str:
    """Run-length text of outcomes: `3o1f` for three hosts well and one failed."""
    text, count = "", 0
    for at, outcome in enumerate(outcomes):
        count += 1
        if at + 1 == len(outcomes) or outcomes[at + 1] is not outcome:
            text += f"{count}{outcome.letter}"
            count = 0
    return text


def unpack_outcomes(text: str) -> list[Outcome]:
    """The outcomes in a run-length text; what is no such text counts as empty."""
    found: list[Outcome] = []
    digits = ""
    for character in text:
        if character.isdigit():
            digits += character
        elif digits and (outcome := conditions.OUTCOME_OF_LETTER.get(character)):
            found += [outcome] * int(digits)
            digits = ""
        else:
            return []
    return found
