"""Tasks that something is done to, and what must be said of them at their end."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crds import names
from crds.client import PODS, TASKS, Object
from crds.model import AnsibleTask, Status
from crds.tasks import TaskStore
from tests.cluster.platform.calls import Work, unique
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.leftovers import leftovers
from tests.cluster.platform.machines import Machine, mark
from tests.cluster.platform.tasks import Tasks, manifest
from tests.cluster.platform.waiting import wait_for
from tests.faults.judge import Judge

LONG: Final[Work] = [{"name": "long", "raw": "sleep 120"}]
"""Work that lasts until it is ended."""
GRACE: Final = 30
"""Seconds between SIGTERM and SIGKILL of a pod, by default."""
SECONDS: Final = GRACE + 30
"""A task has ended by then after the last thing that was done to it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a task must say at its end, beside what the oracle wants of every one."""

    phase: str
    reason: str
    host: str = "unfinished"
    """The outcome of its host."""
    log: str | None = None
    """`whole`, `lacking` or `none`; None: any of them, if only it is true."""
    says: str = ""
    """Words of the message."""

    def differs(self, status: Status) -> list[str]:
        """A sentence for everything that is told otherwise."""
        said = {
            "phase": (status.phase.value, self.phase),
            "reason": (status.reason, self.reason),
            "hosts": ({host.outcome.value for host in status.hosts}, {self.host}),
            "log": (_log(status), self.log or _log(status)),
        }
        found = [f"{what}: {is_}, not {wanted}" for what, (is_, wanted) in said.items()
                 if is_ != wanted]  # fmt: skip
        if self.says not in status.message:
            found.append(f"message: {status.message!r} without {self.says!r}")
        return found


def _log(status: Status) -> str:
    if status.log is None:
        return "none"
    return "whole" if status.log.complete else "lacking"


@dataclass(frozen=True, slots=True)
class Ground:
    """What trials take place on."""

    tasks: Tasks
    kubectl: Kubectl
    machines: list[Machine]
    judge: Judge

    async def begin(self, word: str, work: Work = LONG, **spec: Any) -> "Trial":
        """A new task for the first machine, whose play leaves a marker first."""
        name = spec.pop("name", None) or unique(word)
        body = manifest(name, [self.machines[0].address], tasks=[mark(name), *work], **spec)
        return Trial(self, name, (await self.tasks.create(body)).metadata.uid)


@dataclass(frozen=True, slots=True)
class Trial:
    """One task, and what can be seen of it."""

    ground: Ground
    name: str
    uid: str

    @property
    def machine(self) -> Machine:
        """The machine that it works on."""
        return self.ground.machines[0]

    async def pods(self) -> list[Object]:
        """All its pods."""
        labels = f"{names.LABEL_TASK_UID}={self.uid}"
        tasks = self.ground.tasks
        return list((await tasks.client.list(PODS, tasks.namespace, labels=labels)).items)

    async def pod_when(self, what: str, fits: Callable[[Object], object]) -> Object:
        """Its first pod once it looks so; seen within some hundredths of a second."""
        found = await wait_for(
            f"{self.name}: {what}",
            self.pods,
            lambda pods: pods and fits(pods[0]),
            seconds=40,
            every=0.03,
        )
        return found[0]

    async def status_when(self, what: str, fits: Callable[[AnsibleTask], object]) -> AnsibleTask:
        """The task once its status looks so."""
        get = self.ground.tasks.get
        return await wait_for(
            f"{self.name}: {what}", lambda: get(self.name), fits, seconds=40, every=0.05
        )

    async def at_work(self) -> Object:
        """Its pod, once its play has begun on the machine and the status says so."""
        await wait_for(
            f"{self.name} at work",
            lambda: self.machine.marks(self.name),
            lambda count: count == 1,
            seconds=60,
        )
        await self.ground.tasks.reaches(self.name, {"Running"}, seconds=20)
        return (await self.pods())[0]

    async def in_pod(self, command: str) -> str:
        """What a shell command in its first pod writes, errors left out."""
        pod = (await self.pods())[0]["metadata"]["name"]
        answer = await self.ground.kubectl.ask("exec", pod, "--", "/bin/sh", "-c", command)
        return answer.out

    async def alive(self) -> list[str]:
        """Names of its pods in which a container runs, or may yet."""
        return [pod["metadata"]["name"] for pod in await self.pods() if _alive(pod)]

    async def stop(self) -> None:
        """Ask for its end."""
        await TaskStore(self.ground.tasks.client, self.ground.tasks.namespace).cancel(self.name)

    async def ends(
        self,
        *expected: Told,
        seconds: float = SECONDS,
        strangers: Iterable[str] = (),
        secrets: Iterable[str] = (),
        texts: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
    ) -> AnsibleTask:
        """Wait for its end, and judge it: it must be one of those expected, and sound.

        `strangers`: uids of pods that others than the Job controller made.
        `texts`: all that may be read of it, gathered after its end.
        """
        began, tasks = time.time(), self.ground.tasks
        await tasks.ended(self.name, seconds=seconds + 10)
        task = await tasks.let_go(self.name)
        status = task.status
        wrong = await self.ground.judge.found(
            self.name, self.uid, due=began + seconds,
            strangers=strangers, secrets=secrets, texts=await texts() if texts else None,
        )  # fmt: skip
        differences = [told.differs(status) for told in expected]
        if differences and [] not in differences:
            wrong += differences[0]
        spent = time.time() - began
        print(f"{self.name}: {_summed_up(status)} after {spent:.1f} s: {wrong or 'sound'}")
        assert wrong == []
        return task

    async def remove(self) -> None:
        """Delete it with all that it has."""
        tasks = self.ground.tasks
        await tasks.client.delete(TASKS, tasks.namespace, self.name)

    async def vanishes(self, *, seconds: float = SECONDS) -> None:
        """Wait until nothing is left of it, and judge it."""
        began, tasks = time.time(), self.ground.tasks
        await wait_for(
            f"{self.name}: nothing is left",
            lambda: leftovers(tasks.client, tasks.namespace, self.uid),
            lambda left: not left,
            seconds=seconds,
            every=0.5,
        )
        wrong = await self.ground.judge.found(self.name, self.uid, due=began + seconds, ends="")
        print(f"{self.name}: gone after {time.time() - began:.1f} s: {wrong or 'sound'}")
        assert wrong == []


def _summed_up(status: Status) -> str:
    """What a status tells, in a line."""
    hosts = ", ".join(f"{host.name} {host.outcome.value}" for host in status.hosts)
    log = f"log {_log(status)}"
    if status.log is not None and status.log.missing:
        ranges = ", ".join(f"{gap.first}..{gap.last or ''}" for gap in status.log.missing)
        log += f" ({ranges}: {status.log.message})"
    return f"{status.phase.value}/{status.reason}, {hosts}, {log}, {status.message!r}"


def _alive(pod: Object) -> bool:
    states = [each["state"] for each in pod["status"].get("containerStatuses") or ()
              if each["name"] == names.CONTAINER]  # fmt: skip
    over = any("terminated" in state for state in states)
    return not (gated(pod) or over or pod["status"].get("phase") in ("Succeeded", "Failed"))


def gated(pod: Object) -> bool:
    """Whether a pod waits behind its gate."""
    return any(gate.get("name") == names.GATE for gate in pod["spec"].get("schedulingGates") or ())


def scheduled(pod: Object) -> bool:
    """Whether a pod has a node."""
    return bool(pod["spec"].get("nodeName"))
