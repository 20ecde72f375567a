"""What was last told of tasks: for how long, in how much memory, and never backwards."""

from api.newest import Newest
from api.recent import Recent
from api.request import Target
from api.view import view
from tests.unit.clock import Clock
from tests.unit.seen import task

BY_ID, BY_NAME = Target(id=7), Target(name="t")


def note(recent: Recent, version: int, *targets: Target, uid: str = "u") -> int:
    """Note a state of a task; the version of the one that is told."""
    made = task(meta={"uid": uid, "resourceVersion": str(version)})
    return recent.note(made, view(made, 7, Newest(1000)), *targets).version


def test_what_was_told_is_told_again_to_whoever_asks_the_same_within_a_minute() -> None:
    clock = Clock()
    recent = Recent(clock)
    note(recent, 5, BY_ID, BY_NAME)
    clock.now = 60
    for target in (BY_ID, BY_NAME):
        told = recent.find(target)
        assert told is not None
        assert (told.version, recent.age(told)) == (5, 60)
    assert recent.find(Target(id=8)) is None
    clock.now = 61
    assert recent.find(BY_ID) is None


def test_an_older_state_of_the_same_object_is_never_told_after_a_newer_one() -> None:
    recent = Recent(Clock())
    assert note(recent, 12, BY_ID) == 12
    assert note(recent, 9, BY_ID) == 12, "compared as numbers"
    assert note(recent, 13, BY_ID) == 13
    assert note(recent, 9, BY_ID, uid="made anew") == 9, "another object has a history of its own"
    told = recent.find(BY_ID)
    assert told is not None
    assert told.version == 9


def test_a_cluster_that_was_restored_is_believed_after_a_minute() -> None:
    clock = Clock()
    recent = Recent(clock)
    assert note(recent, 12, BY_ID) == 12
    clock.now = 61
    assert note(recent, 9, BY_ID) == 9


def test_what_was_told_of_a_task_is_told_whichever_way_it_is_asked_for() -> None:
    recent = Recent(Clock())
    note(recent, 5, BY_ID, BY_NAME)
    note(recent, 6, BY_ID)
    told = recent.find(BY_NAME)
    assert told is not None
    assert told.version == 6


def test_what_is_gone_is_forgotten() -> None:
    recent = Recent(Clock())
    note(recent, 5, BY_ID, BY_NAME)
    recent.forget(BY_ID)
    recent.forget(BY_ID)
    assert recent.find(BY_ID) is None
    assert recent.find(BY_NAME) is None


def test_the_oldest_goes_when_there_is_no_room() -> None:
    recent = Recent(Clock(), most_bytes=10_000)
    for number in range(10):
        note(recent, 5, Target(id=number), uid=f"u{number}")
    kept = [number for number in range(10) if recent.find(Target(id=number))]
    assert kept == [6, 7, 8, 9], "some 2.2 kB each"
