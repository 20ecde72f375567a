"""Gathers what was seen of a task and gives it to the oracle."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crds.archive import CONFIG_MAPS, Chunk
from crds.configmaps import ConfigMapArchive
from crds.model import AnsibleTask
from crds.tasks import TaskStore
from tests.cluster.platform.machines import Machine
from tests.cluster.platform.tasks import Tasks
from tests.cluster.platform.waiting import wait_for
from tests.faults.oracle import History, Seen, violations
from tests.faults.recorder import Recorder
from tests.faults.tally import TALLY


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges tasks by their object's states, pods, archive, and the markers on the machines."""

    recorder: Recorder
    tasks: Tasks
    machines: list[Machine]

    async def found(
        self,
        name: str,
        uid: str,
        *,
        due: float | None = None,
        ends: str | None = None,
        strangers: Iterable[str] = (),
        secrets: Iterable[str] = (),
        texts: Mapping[str, str] | None = None,
    ) -> list[str]:
        """What is wrong with a task; its play leaves markers under the task object's name.

        `strangers`: uids of pods that others made for it.
        `due`: when it had to have ended, by time.time(). `ends`: its last phase; empty: it is gone.
        """
        there = await TaskStore(self.tasks.client, self.tasks.namespace).get(name)
        history = History(
            states=await self._states(there, uid),
            pods=self.recorder.pods(uid),
            chunks=await self._chunks(there),
            marks={machine.address: await machine.marks(name) for machine in self.machines},
            due=due,
            strangers=frozenset(strangers),
            secrets=list(secrets),
            texts=dict(texts or {}),
        )
        wrong = violations(history)
        TALLY.judged(history, wrong)
        last = history.states[-1].object.get("status", {}) if history.states else {}
        if ends and last.get("phase") != ends:
            wrong.append(f"it ended {last.get('phase')}: {last.get('message')}")
        if ends == "" and there is not None:
            wrong.append("it is still there")
        return wrong

    async def _chunks(self, there: AnsibleTask | None) -> list[Chunk] | None:
        """What ConfigMaps hold of its log; tests with an object store look at that themselves."""
        if there is None or there.status.log is None:
            return None if there is None else []
        if there.status.log.archive != CONFIG_MAPS:
            return None
        archive = ConfigMapArchive(self.tasks.client, self.tasks.namespace)
        return [chunk async for chunk in archive.read(there)]

    async def _states(self, there: AnsibleTask | None, uid: str) -> list[Seen]:
        """Its states, once the recorder has been shown the one that it has now."""
        if there is not None and there.metadata.uid == uid:
            version = there.metadata.resource_version
            await wait_for(
                f"the recorder has seen version {version}",
                lambda: self._versions(uid),
                lambda seen: version in seen,
                seconds=20,
            )
        return self.recorder.task(uid)

    async def _versions(self, uid: str) -> list[str]:
        return [seen.object["metadata"]["resourceVersion"] for seen in self.recorder.task(uid)]
