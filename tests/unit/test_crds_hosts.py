"""Which machine a host's text means."""

import pytest

from crds.hosts import by_machine, machine
from crds.model import Spec

SAME = [
    ("10.0.0.7", "10.0.0.7:22"),
    ("web1", "WEB1", "web1.", "Web1:22"),
    ("fd00::7", "[fd00::7]", "[FD00:0::7]:22", "fd00:0:0:0:0:0:0:7"),
    ("10.0.0.7", "::ffff:10.0.0.7", "[::ffff:a00:7]:22"),
    ("10.0.0.7", "10.7", "0xa.0.0.7", "167772167:22"),
]
"""For a task whose hosts have the port 22."""

OTHER = [
    ("10.0.0.7", "10.0.0.7:2222"), ("10.0.0.7", "10.0.0.8"), ("web1", "web1.example.com"),
    ("web1:22", "10.0.0.7:22"), ("fd00::7", "fd00::8"), ("[x]:22", "[x]"),
]  # fmt: skip


@pytest.mark.parametrize("texts", SAME)
def test_one_machine(texts: tuple[str, ...]) -> None:
    assert len({machine(text, 22) for text in texts}) == 1
    assert list(by_machine(texts, 22).values()) == [texts[0]]
    assert list(by_machine(texts[::-1], 22).values()) == [texts[-1]]


@pytest.mark.parametrize("texts", OTHER)
def test_different_machines(texts: tuple[str, ...]) -> None:
    assert machine(texts[0], 22) != machine(texts[1], 22)


def test_the_tasks_port_is_that_of_hosts_without_one() -> None:
    spec = Spec(hosts=("b", "a:22", "a", "a:2222", "B:2222", "b"), port=2222)
    assert spec.unique_hosts == ("b", "a:22", "a")
    assert spec.machines == {("b", 2222), ("a", 22), ("a", 2222)}
    assert spec.machines & Spec(hosts=("A",)).machines == {("a", 22)}
