"""When a controller may call itself leader, whatever its Lease goes through."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from controller.lease import Lease, LeaseLostError
from crds import errors
from crds.client import Client, Kind
from tests.unit.clock import Clock


class Server(Client):
    """The one Lease of an API server: `trip` seconds pass in a write, `fault` is raised by all."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.trip = 0.0
        self.fault: errors.ClusterError | None = None
        self.lost = 0
        """Writes whose answers are lost."""
        self.spec: dict[str, Any] | None = None
        self.version = 0

    async def get(self, kind: Kind, namespace: str, name: str, *, cached: bool = False) -> Any:
        del kind, namespace, name, cached
        self._fail()
        if self.spec is None:
            raise errors.NotFound("no Lease")
        return self._lease()

    async def create(self, kind: Kind, namespace: str, body: Any) -> Any:
        del kind, namespace
        self._fail()
        if self.spec is not None:
            raise errors.AlreadyExists("a Lease")
        return self._write(body["spec"])

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Any, *, subresource: str = ""
    ) -> Any:
        del kind, namespace, name, subresource
        self._fail()
        if self.spec is None:
            raise errors.NotFound("no Lease")
        if patch["metadata"]["resourceVersion"] != str(self.version):
            raise errors.Conflict("it has changed")
        return self._write(patch["spec"])

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _write(self, spec: dict[str, Any]) -> dict[str, Any]:
        self.spec = {**(self.spec or {}), **spec}
        self.version += 1
        self.clock.now += self.trip
        if self.lost:
            self.lost -= 1
            raise errors.Unavailable("the answer was lost")
        return self._lease()

    def _lease(self) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": str(self.version)}, "spec": dict(self.spec or {})}


class Ground:
    """Two controllers, one Lease of 4 s, one clock, which goes on whenever somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.server = Server(self.clock)
        self.one, self.two = (Lease(self.server, "n", "l", 4, self.clock) for _ in range(2))
        self.sleeps: list[Callable[[], None]] = []
        """What happens at each sleep, in order; then whoever sleeps is cancelled."""
        really = asyncio.sleep

        async def sleep(seconds: float) -> None:
            await really(0)
            self.clock.now += seconds
            if not self.sleeps:
                raise asyncio.CancelledError
            self.sleeps.pop(0)()

        monkeypatch.setattr(asyncio, "sleep", sleep)

    def on_sleeps(self, *what: Callable[[], None]) -> None:
        self.sleeps = list(what)

    async def until_cancelled(self, work: Awaitable[None]) -> None:
        with pytest.raises(asyncio.CancelledError):
            await work


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Ground:
    return Ground(monkeypatch)


def nothing() -> None:
    """A sleep in which nothing happens."""


async def test_the_first_leads_and_the_second_stands_by(ground: Ground) -> None:
    await ground.one.acquire()
    assert ground.one.held()
    ground.on_sleeps(*[nothing] * 6)
    await ground.until_cancelled(ground.two.acquire())
    assert not ground.two.held()


async def test_a_silent_leader_is_replaced_and_knows_it_in_time(ground: Ground) -> None:
    await ground.one.acquire()
    held_at: list[tuple[float, bool]] = []
    ground.on_sleeps(*[lambda: held_at.append((ground.clock.now, ground.one.held()))] * 9)
    await ground.two.acquire()
    assert ground.two.held()
    assert ground.clock.now == pytest.approx(4.5)
    assert all(held == (now < 4) for now, held in held_at), "never two at a time"


async def test_a_lease_that_was_given_back_is_taken_at_once(ground: Ground) -> None:
    await ground.one.acquire()
    await ground.one.release()
    assert not ground.one.held()
    await ground.two.acquire()
    assert ground.two.held()
    await ground.one.release()
    assert ground.two.held(), "what is another's is not given back"
    assert (ground.server.spec or {})["holderIdentity"] == ground.two.identity


async def test_an_absent_api_server_ends_no_term(ground: Ground) -> None:
    await ground.one.acquire()
    seen: list[bool] = []

    def away() -> None:
        ground.server.fault = errors.Unavailable("away")

    def back() -> None:
        seen.append(ground.one.held())
        ground.server.fault = None

    ground.on_sleeps(away, *[nothing] * 5, back, lambda: seen.append(ground.one.held()))
    await ground.until_cancelled(ground.one.hold())
    assert seen == [False, True], "nothing may be written meanwhile; nobody led in between"


async def test_a_frozen_leader_finds_another_in_its_place(ground: Ground) -> None:
    await ground.one.acquire()
    ground.clock.now += 2
    ground.on_sleeps(*[nothing] * 20)
    await ground.two.acquire()
    assert not ground.one.held()
    with pytest.raises(LeaseLostError, match="another controller holds l"):
        await ground.one.hold()
    assert not ground.one.held()
    assert ground.two.held()


async def test_a_renewal_whose_answer_is_lost_is_not_a_loss(ground: Ground) -> None:
    await ground.one.acquire()
    ground.server.lost = 1
    ground.on_sleeps(*[nothing] * 5)
    await ground.until_cancelled(ground.one.hold())
    assert ground.one.held()


async def test_a_lease_that_was_deleted_is_made_again(ground: Ground) -> None:
    await ground.one.acquire()
    ground.server.spec = None
    ground.on_sleeps(nothing, nothing)
    await ground.until_cancelled(ground.one.hold())
    assert ground.server.spec is not None


async def test_a_slow_api_server_makes_it_last_longer(ground: Ground) -> None:
    await ground.one.acquire()
    ground.server.trip = 5
    ground.on_sleeps(*[nothing] * 3)
    await ground.until_cancelled(ground.one.hold())
    assert (ground.server.spec or {})["leaseDurationSeconds"] == 20
    assert ground.one.held()
