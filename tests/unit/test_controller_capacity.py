"""Want of room: the cluster's words, the gate of the queue, and what a waiting task says."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller import obstacles
from controller import plan as plans
from controller.admission import Card, turns
from controller.capacity import FIRST, Gate, Lack, Retry, Room, hopeless, never_within
from controller.decide import decide
from controller.observed import Observed, PodView, Turn
from controller.registry import Registry
from crds.conditions import Phase, Reason
from crds.model import AnsibleTask
from crds.records import RunStatus
from tests.unit.seen import (
    NOW,
    ago,
    claim,
    claimed,
    ended_log,
    gated,
    job,
    pod,
    seen,
    spent,
    started,
    task,
)  # fmt: skip

CPU = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 "
FULL = CPU + "No preemption victims found for incoming pod."
TOO_LARGE = CPU + "Preemption is not helpful for scheduling."
MIXED = (
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: "
    "0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not "
    "helpful for scheduling."
)
WORDS = {
    "a full node": (FULL, False),
    "the node is too small": (TOO_LARGE, True),
    "one of three is only full": (MIXED, False),
    "no preemption at all": (
        ("0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to "
        "preemptionPolicy=Never."), False),
    "no nodes": ("no nodes available to schedule pods", False),
    "another scheduler's words": ("queue is full", False),
}  # fmt: skip


@pytest.mark.parametrize(("text", "never"), WORDS.values(), ids=WORDS)
def test_which_words_mean_that_no_node_could_hold_it(text: str, *, never: bool) -> None:
    assert hopeless(text) is never


QUOTAS = {
    "in use": (spent(), False),
    "none allowed": (spent(used=0, limit=0), True),
    "less than one needs": (
        ("exceeded quota: q, requested: pods=1,requests.cpu=100m, used: pods=0,requests.cpu=0, "
        "limited: pods=9,requests.cpu=0.05"), True),
    "in other units": (
        ("exceeded quota: q, requested: requests.memory=128Mi, used: requests.memory=1Gi, "
        "limited: requests.memory=1G"), False),
    "unknown words": ("exceeded quota: q", False),
}  # fmt: skip


@pytest.mark.parametrize(("text", "never"), QUOTAS.values(), ids=QUOTAS)
def test_which_quotas_could_never_let_it_in(text: str, *, never: bool) -> None:
    assert never_within(text) is never


def waiting(text: str = FULL, **changes: Any) -> PodView:
    return pod(scheduled=None, created=ago(900), unschedulable=text, **changes)


STUCK = {
    "room is held by ours": (waiting(), {}, None),
    "by others, not for long": (waiting(), {"idle_since": ago(5)}, None),
    "by others, for long": (waiting(), {"idle_since": ago(130)}, Reason.UNSCHEDULABLE),
    "ours come and go, but it is too large": (waiting(TOO_LARGE), {}, Reason.UNSCHEDULABLE),
    "too large, not for long": (waiting(TOO_LARGE), {"opened": {0: ago(5)}}, None),
}


@pytest.mark.parametrize(("what", "changes", "reason"), STUCK.values(), ids=STUCK)
def test_how_long_a_pod_waits_for_a_node(
    what: PodView, changes: dict[str, object], reason: Reason | None
) -> None:
    found = obstacles.blocked(seen(claimed(), what, **changes), what, NOW)
    assert (found.reason if found else None) is reason


SLICES = claimed(claim(0), hosts=["a", "b"], slices=2)
ROOMS = {
    "its pod is not there yet": (seen(task()), Room()),
    "behind its gate": (seen(claimed(), gated()), Room()),
    "on a node": (seen(claimed(), pod()), Room(1, settled=True)),
    "no room": (
        seen(claimed(), waiting()), Room(lack=Lack(Reason.WAITING_FOR_CAPACITY, FULL))),
    "being deleted": (seen(claimed(), waiting(deleting=True)), Room(settled=True)),
    "one of two refused by a quota": (
        seen(SLICES, started(), warnings=(spent(),)),
        Room(1, lack=Lack(Reason.WAITING_FOR_QUOTA, spent().partition("forbidden: ")[2]))),
}  # fmt: skip


@pytest.mark.parametrize(("what", "room"), ROOMS.values(), ids=ROOMS)
def test_what_its_pods_have_found(what: Observed, room: Room) -> None:
    assert obstacles.room_of(what) == room


def queued() -> AnsibleTask:
    return task(status={"slices": [claim()], "jobName": "t", "phase": "Queued"})


QUOTA = Lack(Reason.WAITING_FOR_QUOTA, "exceeded quota: q")
CAPACITY = Lack(Reason.WAITING_FOR_CAPACITY, FULL)
STANDS = {
    "its pod is being made": (seen(task()), Phase.QUEUED, Reason.QUEUED, ""),
    "its pod waits for a node": (
        seen(queued(), waiting(), lack=CAPACITY), Phase.QUEUED, Reason.WAITING_FOR_CAPACITY, FULL),
    "a quota lets no pod in": (
        seen(task(), lack=QUOTA), Phase.QUEUED, Reason.WAITING_FOR_QUOTA, QUOTA.text),
    "its pod has a node": (seen(queued(), pod()), Phase.STARTING, Reason.STARTING, ""),
    "one slice runs, the other waits": (
        seen(SLICES, started(), lack=QUOTA), Phase.RUNNING, Reason.RUNNING,
        "Some of its slices wait for room: exceeded quota: q"),
}  # fmt: skip


@pytest.mark.parametrize(("what", "phase", "reason", "text"), STANDS.values(), ids=STANDS)
def test_where_a_task_stands(what: Observed, phase: Phase, reason: Reason, text: str) -> None:
    status = decide(what, NOW).status
    assert status is not None
    assert (status.phase, status.reason, status.message) == (phase, reason, text)


def test_that_a_pod_has_a_node_is_told_only_where_the_start_lasts() -> None:
    assert decide(seen(queued(), pod(), last_write=ago(1)), NOW).status is None
    assert decide(seen(queued(), pod(), last_write=ago(3)), NOW).status is not None


def test_what_waits_only_for_its_turn_has_no_status_for_a_moment() -> None:
    brief = Turn(False, 1, Reason.QUEUED, "It waits.", brief=True)
    new = task(meta={"creationTimestamp": NOW.isoformat()})
    plan = decide(seen(new, job=None, turn=brief), NOW)
    assert (plan.status, plan.before, plan.again) == (None, (), 1.0)
    assert decide(seen(task(), job=None, turn=brief), NOW).status is not None


def test_why_a_pod_cannot_start_is_written_before_it_is_deleted() -> None:
    stuck = pod(waiting="ImagePullBackOff", waiting_message="no such image")
    plan = decide(seen(claimed(), stuck), NOW)
    assert plan.status is not None
    assert not plan.status.phase.terminal
    assert (plan.status.slices[0].reason, plan.status.slices[0].message) == (
        "ImagePullFailed", "no such image")  # fmt: skip
    assert plan.after == (plans.DeletePod(stuck),)


def test_a_pod_that_starts_after_all_is_not_deleted_and_its_note_goes() -> None:
    noted = claimed(claim(reason="ImagePullFailed", message="no such image"))
    plan = decide(seen(noted, started()), NOW)
    assert plan.status is not None
    assert plan.status.slices[0].message is None
    assert not [step for step in plan.after if isinstance(step, plans.DeletePod)]


def test_the_end_of_a_pod_that_started_while_it_was_deleted_is_told() -> None:
    noted = claimed(claim(reason="SecretMissing", message="secret x not found."))
    logs = {0: ended_log(RunStatus.STOPPED, 1, a="began")}
    status = decide(seen(noted, started(deleting=True), logs=logs), NOW).status
    assert status is not None
    assert (status.reason, status.phase) == ("SecretMissing", Phase.FAILED)
    assert "the container started" in status.message


def test_a_quota_is_tried_again_with_growing_pauses_and_at_once_when_a_share_is_free() -> None:
    assert [Retry.after(NOW, tries).wait(NOW, ago(1)) for tries in range(6)] == [1, 2, 4, 8, 15, 15]
    later = Retry.after(ago(3), tries=4)
    assert later.wait(NOW, ago(4)) == 12
    assert later.wait(NOW, ago(0.5)) == 0.5
    assert later.next(NOW, ago(1)).tries == 0


def active(name: str, room: Room) -> Card:
    return Card(name, NOW, active=True, room=room)


PLACED = Room(1, settled=True)
GATES = {
    "nothing is known of the room": ([], Gate(), FIRST),
    "those on their way count": ([active("a", Room()), active("b", PLACED)], Gate(2.0), 1),
    "one finds no room": ([active("a", Room(lack=CAPACITY)), active("b", PLACED)], Gate(5.0), 0),
    "room was wanting": ([active("b", PLACED)], Gate(1.0, CAPACITY), 1),
}  # fmt: skip


@pytest.mark.parametrize(("cards", "gate", "started_now"), GATES.values(), ids=GATES)
def test_how_many_may_set_out(cards: list[Card], gate: Gate, started_now: int) -> None:
    queue = [Card(f"q{number}", NOW) for number in range(40)]
    found = turns([*cards, *queue], 100, gate)
    assert sum(found[card.name].admitted for card in queue) == started_now
    waits = found["q39"]
    wanting = gate.lack or next((card.room.lack for card in cards if card.room.lack), None)
    assert waits.reason == (wanting.reason if wanting else Reason.QUEUED)
    assert waits.brief is (wanting is None)


def test_the_window_falls_to_one_and_grows_by_one_each_time_that_all_of_it_found_room() -> None:
    gate = Gate().wanting(CAPACITY)
    sizes = []
    for _ in range(6):
        gate = gate.found()
        sizes.append(int(gate.window))
    assert sizes == [2, 2, 2, 3, 3, 3]
    assert gate.lack is CAPACITY


def filled(registry: Registry, count: int) -> None:
    for number in range(count):
        one = task(meta={"name": f"t{number}", "uid": f"u{number}"})
        registry.put(one, active=False)


def test_one_place_that_falls_free_starts_one_task() -> None:
    """45 tasks wait behind one whose pod finds no room."""
    registry = Registry(50, NOW)
    filled(registry, 45)
    probe = task(meta={"name": "probe", "uid": "probe"})
    registry.put(probe, active=True)
    registry.note("probe", Room(lack=CAPACITY), NOW)
    assert registry.admitted() == []
    registry.note("probe", PLACED, NOW)
    assert registry.admitted() == ["t0"], "it waited, so the window stays at one"
    registry.put(task(meta={"name": "t0", "uid": "u0"}), active=True)
    assert registry.admitted() == []
    registry.note("t0", PLACED, NOW)
    assert len(registry.admitted()) == 2, "there was room at once"


@pytest.mark.parametrize(("waited", "next_ones"), [(False, 20), (True, 1)])
def test_when_nothing_runs_the_window_is_as_at_first_unless_room_was_wanting(
    next_ones: int, *, waited: bool
) -> None:
    registry = Registry(50, NOW)
    filled(registry, 45)
    registry.put(task(meta={"name": "last", "uid": "last"}), active=True)
    if waited:
        registry.note("last", Room(lack=CAPACITY), NOW)
    registry.note("last", PLACED, NOW)
    registry.remove("last", NOW)
    assert len(registry.admitted()) == next_ones


def test_a_quota_that_refuses_pods_is_tried_again_when_it_is_time() -> None:
    refused = seen(task(), job=job(created=ago(9)), warnings=(spent(),), lack=QUOTA)
    soon = decide(replace(refused, retry_in=2.5), NOW)
    assert (soon.after, soon.again) == ((), 2.5)
    assert decide(replace(refused, retry_in=0.0), NOW).after == (plans.Nudge(),)


def test_the_clock_stands_while_a_pod_of_any_task_has_a_place() -> None:
    registry = Registry(50, ago(100))
    filled(registry, 1)
    assert registry.idle_since() == ago(100)
    registry.put(task(meta={"name": "t0", "uid": "u0"}), active=True)
    registry.note("t0", PLACED, ago(50))
    assert registry.idle_since() is None
    registry.remove("t0", ago(10))
    assert registry.idle_since() == ago(10)


def test_a_quota_that_refuses_jobs_shuts_the_gate_and_lets_one_task_try() -> None:
    registry = Registry(50, ago(100))
    filled(registry, 3)
    assert len(registry.admitted()) == 3
    registry.put(task(meta={"name": "t0", "uid": "u0"}), active=True)
    registry.refuse("t0", QUOTA, NOW)
    registry.reopened(NOW)
    assert registry.admitted() == []
    assert registry.turn("t1").reason == Reason.WAITING_FOR_QUOTA
    assert registry.refused() == ["t0"]
    later = NOW + timedelta(seconds=1)
    assert registry.reopened(later)
    assert len(registry.admitted()) == 1
