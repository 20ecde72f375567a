"""Prompts of plays, where nobody sits at a terminal."""

from typing import Any

import pytest

from crds.frames import Kind
from crds.records import RunStatus
from tests.cluster.runner.ground import Ground

ANSWERED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    # the prompt, what the caller gave, what the play sees
    "before its default": ({"default": "1.0"}, {"release": "2.4.1"}, "2.4.1"),
    "without a default": ({}, {"release": "2.4.1"}, "2.4.1"),
    "as data": ({}, {"release": "{{ 6 * 7 }}"}, "{{ 6 * 7 }}"),
    "a number": ({}, {"release": 2.5}, "2.5"),
    "as it is, not encrypted": ({"encrypt": "sha512_crypt"}, {"release": "x"}, "x"),
    "not given": ({"default": "1.0"}, {}, "1.0"),
}


def play(*prompts: dict[str, Any]) -> dict[str, Any]:
    show = {"name": "show", "debug": {"msg": "<{{ release }}>"}}
    return {"hosts": "all", "gather_facts": False, "vars_prompt": list(prompts), "tasks": [show]}


def test_the_callers_values_answer(ground: Ground) -> None:
    plays: list[dict[str, Any]] = []
    variables: dict[str, Any] = {}
    for number, (prompt, given, _) in enumerate(ANSWERED.values()):
        name = f"release{number}"
        if "release" in given:
            variables[name] = given["release"]
        each = play({"name": name, **prompt})
        each["tasks"][0]["debug"]["msg"] = f"{{{{ {name} }}}}"
        plays.append(each)
    ran = ground.run(playbook=plays, variables=variables)
    assert ran.rc == 0
    assert [result.msg for result in ran.results] == [seen for *_, seen in ANSWERED.values()]


def test_a_value_of_a_secret_answers(ground: Ground) -> None:
    ground.put_variables(0, {"release": "2.4.1"})
    ran = ground.run(playbook=[play({"name": "release"})], vars_from=("octans-a",))
    assert [result.msg for result in ran.results] == ["<2.4.1>"]


@pytest.mark.parametrize("default", [{}, {"default": None}])
def test_no_machine_is_touched_for_want_of_an_answer(
    ground: Ground, default: dict[str, Any]
) -> None:
    plays = [play({"name": "other", "default": "x"}), play({"name": "release", **default})]
    ran = ground.run(playbook=plays, variables={"releases": "2.4.1"})
    assert ran.end.status is RunStatus.INVALID
    assert "vars_prompt asks for 'release'" in ran.end.message
    assert "params or spec.vars" in ran.end.message
    assert not ran.of(Kind.TASK)


def test_a_name_that_is_evaluated_later_is_refused(ground: Ground) -> None:
    prompt = {"name": "{{ which }}", "default": "1.0"}
    ran = ground.run(playbook=[play(prompt)], variables={"which": "release", "release": "2.4.1"})
    assert ran.end.status is RunStatus.INVALID
    assert "must be plain text" in ran.end.message


def test_a_pause_waits_for_nobody(ground: Ground) -> None:
    ran = ground.run(tasks=[{"pause": {"prompt": "Go on?"}}, {"raw": "echo on"}])
    assert ran.rc == 0
    assert ran.results[-1].stdout == "on\r\n"
