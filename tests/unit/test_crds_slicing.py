"""What is said of work that speaks of all hosts and is spread over slices."""

import json
from typing import Any

import pytest

from crds.model import Spec
from crds.slicing import warning

HOSTS = ("a", "b", "c")
PLAY: dict[str, Any] = {"hosts": "all", "tasks": [{"raw": "true"}]}

TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "run_once": ({"tasks": [{"raw": "true", "run_once": True}]}, "run_once holds"),
    "in a block": ({"tasks": [{"block": [{"raw": "x", "run_once": "yes"}]}]}, "run_once holds"),
    "serial": ({"playbook": [PLAY, {**PLAY, "serial": 1}]}, "serial holds"),
    "two of them": (
        {"playbook": [{**PLAY, "max_fail_percentage": 5, "any_errors_fatal": True}]},
        "any_errors_fatal, max_fail_percentage hold",
    ),
    "groups": ({"tasks": [{"raw": "echo {{ groups['all'] | length }}"}]}, "groups holds"),
    "hostvars in a condition": (
        {"tasks": [{"raw": "true", "when": "hostvars.a.x is defined"}]}, "hostvars holds",
    ),
    "in text": ({"work": json.dumps([{"raw": "x", "run_once": True}])}, "run_once holds"),
}  # fmt: skip

SILENT: dict[str, dict[str, Any]] = {
    "neither": {"tasks": [{"raw": "useradd -G groups x"}]},
    "said to be off": {"tasks": [{"raw": "true", "run_once": False}], "playbook": None},
    "a module's argument": {"tasks": [{"user": {"name": "x", "groups": ["a"]}}]},
    "no JSON": {"work": "- run_once: true"},
}


@pytest.mark.parametrize("row", TOLD)
def test_told(row: str) -> None:
    given, expected = TOLD[row]
    text = warning(Spec(hosts=HOSTS, slices=3, **given))
    assert text == f"The hosts are spread over 3 slices; {expected} in each alone."
    assert not warning(Spec(hosts=HOSTS, **given))
    assert not warning(Spec(hosts=HOSTS[:1], slices=3, **given))


@pytest.mark.parametrize("row", SILENT)
def test_silent(row: str) -> None:
    assert not warning(Spec(hosts=HOSTS, slices=3, **SILENT[row]))
