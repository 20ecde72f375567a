"""What becomes of lines that the archive does not take, and of an archive that is too large."""

from collections.abc import Callable

import pytest

from controller import session
from controller.archiving import Archiver
from controller.observed import LogView
from controller.session import Session, Sessions
from controller.settings import Settings
from crds import errors
from crds.archive import Chunk
from crds.archives import Archives
from crds.client import Client
from crds.configmaps import ConfigMapArchive
from crds.model import AnsibleTask, LogStatus, MissingRange
from tests.unit.clock import Clock
from tests.unit.seen import task
from tests.unit.test_controller_log import log_of, read

FULL = errors.OverQuota('configmaps "c" is forbidden: exceeded quota: q', reason="Forbidden")
AWAY = errors.Unavailable("POST /x: ClientError")
BUSY = errors.Conflict("Operation cannot be fulfilled on resourcequotas", reason="Conflict")


class Archive(ConfigMapArchive):
    """One that fails as told, and counts the attempts."""

    def __init__(self) -> None:
        self.fault: errors.ClusterError | None = None
        self.stuck: errors.ClusterError | None = None
        self.removed: list[int] = []
        self.attempts = 0
        self.meanwhile: Callable[[], object] = lambda: None
        """What happens while the second slice is archived."""
        self.kept: list[Chunk] = []

    async def append(self, task: AnsibleTask, chunk: Chunk) -> Chunk:
        del task
        self.attempts += 1
        if chunk.index == 1:
            self.meanwhile()
        if self.fault is not None:
            raise self.fault
        self.kept.append(chunk)
        return chunk

    async def remove(self, task: AnsibleTask, index: int, first: int) -> None:
        del task, index
        if self.stuck is not None:
            raise self.stuck
        self.removed.append(first)


class Ground:
    """An archiver of a task whose slices have all ended, and its clock."""

    def __init__(self, slices: int, limit: int = 1 << 20, lines: int = 4) -> None:
        self.clock, self.archive = Clock(), Archive()
        settings = Settings(archive_limit=limit)
        self.archiver = Archiver(settings, self.clock)
        self.task = task(hosts=[f"h{at}" for at in range(slices)], slices=slices)
        self.lines, _ = log_of(["one", "two"])
        logs = {at: read(self.lines[:lines], at) for at in range(slices)}
        self.session = Session("u", "t", logs, self.archive)

    def views(self) -> dict[int, LogView]:
        settings = Settings()
        archives = Archives(Client(None), "n", settings)
        return Sessions(Client(None), settings, archives).views(self.session)

    async def keep(self) -> session.ArchiveState:
        await self.archiver.keep(self.task, self.session)
        return self.session.archiving


async def test_a_refusal_is_one_for_all_slices() -> None:
    ground = Ground(8)
    ground.archive.fault = FULL
    state = await ground.keep()
    assert state.refused
    assert state.why == "The archive did not take it: exceeded quota: q"
    await ground.keep()
    assert ground.archive.attempts == 1, "the other slices, and the next look, wait for their time"
    ground.clock.now, ground.archive.fault = 2, None
    state = await ground.keep()
    assert (state.why, state.refused) == ("", False)
    assert [chunk.index for chunk in ground.archive.kept] == [*range(8)]
    assert not any(log.unarchived for log in ground.session.logs.values())


@pytest.mark.parametrize("fault", [AWAY, BUSY])
async def test_what_may_pass_is_waited_for_some_seconds(fault: errors.ClusterError) -> None:
    ground = Ground(2)
    ground.archive.fault = fault
    while ground.clock.now < 10:
        assert not (await ground.keep()).refused
        ground.clock.now += 1
    state = await ground.keep()
    assert state.refused
    assert ("did not answer" in state.why) is (fault is AWAY)


async def test_an_end_that_comes_while_another_slice_is_archived_waits_for_its_own_turn() -> None:
    ground = Ground(2)
    first, second = ground.session.logs.values()
    ground.session.logs[0] = first = read(ground.lines[:2])
    first.changed = -100
    ground.archive.meanwhile = lambda: [first.feed(line) for line in ground.lines]
    await ground.keep()
    assert first.end is not None
    assert [view.archiving for view in ground.views().values()] == [True, False]
    await ground.keep()
    assert [view.archiving for view in ground.views().values()] == [False, False]
    assert not second.unarchived


def declaring(task: AnsibleTask, *gaps: tuple[int, int]) -> AnsibleTask:
    """The task with a stored status that says what of the first slice's log is missing."""
    missing = tuple(MissingRange(slice=0, first=first, last=last) for first, last in gaps)
    status = task.status.model_copy(update={"log": LogStatus(missing=missing)})
    return task.model_copy(update={"status": status})


async def test_what_goes_for_want_of_room_is_declared_before_it_is_removed() -> None:
    ground = Ground(1, limit=1024, lines=2)
    log = ground.session.logs[0]
    log.chunks, ground.clock.now = [(at, at, 600) for at in range(1, 4)], 100
    await ground.keep()
    assert log.missing == [(1, 1), (2, 2)]
    await ground.archiver.prune(ground.task, ground.session)
    await ground.archiver.prune(declaring(ground.task, (2, 2), (7, 9)), ground.session)
    assert ground.archive.removed == [2], "only what the stored status declares"
    ground.archive.stuck = FULL
    declared = declaring(ground.task, (1, 2))
    await ground.archiver.prune(declared, ground.session)
    assert ground.archive.removed == [2]
    ground.archive.stuck = None
    await ground.archiver.prune(declared, ground.session)
    await ground.archiver.prune(declared, ground.session)
    assert ground.archive.removed == [2, 1], "once"
