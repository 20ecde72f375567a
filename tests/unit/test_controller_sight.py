"""Whether a watch shows what lists find."""

import pytest

from controller.handlers import Shown
from controller.sight import Sight


def shown(name: str, version: int, *, deleted: bool = False) -> Shown:
    return Shown("pods", deleted, name, version, "")


@pytest.fixture
def sight() -> Sight:
    """A watch that has shown one object and was compared at 10 s."""
    made = Sight()
    made.show(shown("a", 5), 1)
    made.compare({"a": 5}, 9, 10)
    return made


def test_before_it_showed_anything_its_age_is_unknown() -> None:
    made = Sight()
    assert made.age(5) is None
    made.compare({"a": 5}, 9, 10)
    assert (made.age(11), made.behind(11)) == (None, 1), "it owes something since then"
    made.show(shown("a", 5), 12)
    assert (made.behind(13), made.age(13)) == (0, 1)


def test_a_quiet_watch_is_as_old_as_its_last_comparison(sight: Sight) -> None:
    assert sight.age(15) == 5
    sight.compare({"a": 5}, 20, 40)
    assert (sight.age(41), sight.behind(41)) == (1, 0)


@pytest.mark.parametrize("listed", [{"a": 12}, {"a": 5, "b": 11}], ids=["a change", "a new object"])
def test_what_a_list_finds_is_owed_until_it_is_shown(sight: Sight, listed: dict[str, int]) -> None:
    sight.compare(listed, 12, 20)
    sight.compare(listed, 12, 50)
    assert sight.behind(60) == 40
    sight.show(shown("c", 13), 61)
    assert sight.behind(61) == 41, "other news is no proof"
    for name, version in listed.items():
        sight.show(shown(name, version), 62)
    assert sight.behind(63) == 0


def test_an_older_state_is_not_what_is_owed(sight: Sight) -> None:
    sight.compare({"a": 12}, 12, 20)
    sight.show(shown("a", 7), 21)
    assert sight.behind(30) == 10
    sight.show(shown("a", 14), 31)
    assert sight.behind(32) == 0


def test_a_late_watch_of_what_goes_on_changing_is_not_blind(sight: Sight) -> None:
    for second in range(20, 80, 5):
        sight.compare({"a": second}, second, second)
        sight.show(shown("a", second - 6), second)
    assert sight.behind(80) <= 10


def test_the_end_of_a_forerunner_told_late_is_not_that_of_its_successor(sight: Sight) -> None:
    sight.show(shown("a", 15), 20)
    sight.show(shown("a", 12, deleted=True), 20)
    sight.compare({"a": 15}, 16, 30)
    assert sight.behind(40) == 0


def test_what_is_owed_is_told(sight: Sight) -> None:
    assert sight.owed(15) == ""
    sight.compare({"a": 12, "b": 13}, 13, 20)
    assert sight.owed(30) == "a in version 12 for 10 s, shown: 5"


def test_what_is_gone_is_not_owed(sight: Sight) -> None:
    sight.compare({"a": 5, "b": 11}, 12, 20)
    sight.show(shown("b", 13, deleted=True), 21)
    assert sight.behind(30) == 0
    sight.compare({"a": 5, "c": 15}, 16, 40)
    sight.compare({"a": 5}, 18, 50)
    assert sight.behind(60) == 0


def test_what_vanished_without_a_word_is_forgotten(sight: Sight) -> None:
    sight.compare({}, 20, 20)
    sight.compare({"a": 5}, 20, 30)
    assert sight.behind(40) == 10, "its old version would have to be shown again"


def test_what_is_newer_than_the_list_is_kept(sight: Sight) -> None:
    sight.show(shown("b", 30), 15)
    sight.compare({"a": 5}, 20, 20)
    sight.compare({"a": 5, "b": 30}, 30, 30)
    assert sight.behind(40) == 0


def test_while_nothing_can_be_listed_the_watch_is_not_to_blame(sight: Sight) -> None:
    sight.compare({"a": 12}, 12, 20)
    sight.unknown(60)
    assert sight.behind(65) == 5
