"""The forms of work -> tasks, roles or plays (API.md, The work)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import work
from api.problems import ParamError, Problem, TooLarge
from api.work import Work

PING: dict[str, Any] = {"ping": {}}

TASKS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "a list of tasks": ([{"ping": {}}, {"debug": {"msg": "x"}}], [PING, {"debug": {"msg": "x"}}]),
    "one task": ({"ping": {}}, [PING]),
    "JSON text of a list": ('[{"ping": {}}]', [PING]),
    "JSON text of one task": ('{"ping": {}}', [PING]),
    "YAML text of a list": ("- ping: {}\n- shell: echo hi\n", [PING, {"shell": "echo hi"}]),
    "YAML text of one task": ("ping: {}", [PING]),
    "texts in a list": (['{"ping": {}}', "debug: {msg: x}"], [PING, {"debug": {"msg": "x"}}]),
    "a text with a list in a list": (["[{\"ping\": {}}]"], [PING]),
    "YAML keys stay texts": ("- debug: {n: 1, 3: x}", [{"debug": {"n": 1, "3": "x"}}]),
    "YAML dates stay texts": ("- debug: {msg: 2016-08-17}", [{"debug": {"msg": "2016-08-17"}}]),
    "YAML aliases": ("- debug: &a {msg: x}\n- debug: *a", [{"debug": {"msg": "x"}}] * 2),
    "Ansible's own tags": (
        "- debug: {msg: !unsafe '{{ x }}'}\n  vars:\n    v: !vault |\n      $ANSIBLE_VAULT;1\n",
        [{"debug": {"msg": {"__ansible_unsafe": "{{ x }}"}},
          "vars": {"v": {"__ansible_vault": "$ANSIBLE_VAULT;1\n"}}}],
    ),
    "null arguments stay": ([{"ping": None}], [{"ping": None}]),
    "keywords and arguments have no order": (
        {"register": "r", "copy": {"src": "a", "dest": "/b"}},
        [{"register": "r", "copy": {"src": "a", "dest": "/b"}}],
    ),
    "numbers that stay as they are": (
        [{"debug": {"msg": [0.1, 1.5e-7, -3, 2**63 - 1, True]}}],
        [{"debug": {"msg": [0.1, 1.5e-7, -3, 2**63 - 1, True]}}],
    ),
}  # fmt: skip

TEXTS: dict[str, tuple[Any, str]] = {
    "2.0 would become 2": ([{"debug": {"msg": 2.0}}], '[{"debug":{"msg":2.0}}]'),
    "1e3 of a YAML text too": ("- debug: {msg: [1.0e+3]}", '[{"debug":{"msg":[1000.0]}}]'),
    "a number beyond 64 bits": ([{"debug": {"msg": 2**64}}], f'[{{"debug":{{"msg":{2**64}}}}}]'),
    "keys of data would be sorted": (
        [{"copy": {"dest": "/f", "content": {"b": 1, "a": "é"}}}],
        '[{"copy":{"dest":"/f","content":{"b":1,"a":"é"}}}]',
    ),
    "of what is looped over too": (
        [{"debug": {"msg": "x"}, "with_dict": {"b": 1, "a": 2}}],
        '[{"debug":{"msg":"x"},"with_dict":{"b":1,"a":2}}]',
    ),
    "in a loop's items": (
        [{"debug": {"msg": "x"}, "loop": [{"b": 1, "a": 2}]}],
        '[{"debug":{"msg":"x"},"loop":[{"b":1,"a":2}]}]',
    ),
    "in a block": (
        [{"block": [{"debug": {"msg": 2.0}}]}], '[{"block":[{"debug":{"msg":2.0}}]}]',
    ),
    "in a play": (
        {"hosts": "all", "tasks": [{"action": {"module": "debug", "args": {"msg": 2.0}}}]},
        '[{"hosts":"all","tasks":[{"debug":{"msg":2.0}}]}]',
    ),
    "what YAML can't hold is escaped": (
        [{"raw": "a\x7f\x85\x9f\ufeffb\xa0"}], '[{"raw":"a\\u007f\x85\\u009f\\ufeffb\xa0"}]'),
}  # fmt: skip

HISTORIC: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the printed example": (
        {"action": {"module": "shell", "args": "echo {{name}}"}},
        {"shell": {"cmd": "echo {{name}}"}},
    ),
    "free-form text stays whole": (
        {"action": {"module": "shell", "args": "FOO=bar make"}},
        {"shell": {"cmd": "FOO=bar make"}},
    ),
    "an apostrophe is no quote of ours": (
        {"action": {"module": "shell", "args": "cat <<E\nit's\nE"}},
        {"shell": {"cmd": "cat <<E\nit's\nE"}},
    ),
    "options in free-form text": (
        {"action": {"module": "command", "args": "chdir=/tmp ls"}},
        {"command": "chdir=/tmp ls"},
    ),
    "raw has no cmd": (
        {"action": {"module": "raw", "args": "ls -l"}},
        {"raw": "ls -l"},
    ),
    "args as an object": (
        {"action": {"module": "shell", "args": {"cmd": "ls", "chdir": "/tmp"}}},
        {"shell": {"cmd": "ls", "chdir": "/tmp"}},
    ),
    "args as an object with raw parameters": (
        {"action": {"module": "shell", "args": {"_raw_params": "ls", "chdir": "/tmp"}}},
        {"shell": "ls", "args": {"chdir": "/tmp"}},
    ),
    "other modules keep key=value": (
        {"action": {"module": "copy", "args": "src=a dest=/b"}},
        {"copy": "src=a dest=/b"},
    ),
    "other modules with an object": (
        {"action": {"module": "copy", "args": {"src": "a", "dest": "/b"}}},
        {"copy": {"src": "a", "dest": "/b"}},
    ),
    "no args": ({"action": {"module": "ping"}}, {"ping": {}}),
    "empty args": ({"action": {"module": "ping", "args": ""}}, {"ping": {}}),
    "arguments beside the module": (
        {"action": {"module": "longscript", "content": "#!/bin/sh\nexit 0\n"}},
        {"longscript": {"content": "#!/bin/sh\nexit 0\n"}},
    ),
    "options beside text": (
        {"action": {"module": "shell", "args": "ls", "chdir": "/tmp"}},
        {"shell": {"cmd": "ls", "chdir": "/tmp"}},
    ),
    "options beside raw text": (
        {"action": {"module": "raw", "args": "ls", "executable": "/bin/sh"}},
        {"raw": "ls", "args": {"executable": "/bin/sh"}},
    ),
    "the task's own args": (
        {"action": {"module": "raw", "args": "ls"}, "args": {"executable": "/bin/sh"}},
        {"raw": "ls", "args": {"executable": "/bin/sh"}},
    ),
    "keywords stay": (
        {"name": "n", "action": {"module": "ping"}, "when": "x", "register": "r"},
        {"name": "n", "when": "x", "register": "r", "ping": {}},
    ),
    "inside blocks": (
        {"block": [{"action": {"module": "ping"}}], "rescue": [{"action": {"module": "ping"}}]},
        {"block": [PING], "rescue": [PING]},
    ),
    "text actions are today's": ({"action": "shell ls"}, {"action": "shell ls"}),
    "an action without module is left to Ansible": ({"action": {"x": 1}}, {"action": {"x": 1}}),
}

REFUSED: dict[str, tuple[Any, str]] = {
    "args that are a number": ([{"action": {"module": "shell", "args": 7}}], "action.args must be"),
    "nothing": (None, "tasks must be given"),
    "an empty list": ([], "tasks must hold at least one task"),
    "text of an empty list": ("[]", "tasks must hold at least one task"),
    "plain text": ("install nginx", "tasks must be a list, an object, or text"),
    "empty text": ("", "tasks must be a list, an object, or text"),
    "a number": (7, "tasks must be a list, an object, or text"),
    "text of a number": ("7", "tasks must be a list, an object, or text"),
    "a boolean": (True, "tasks must be a list, an object, or text"),
    "plain text in a list": (["install nginx"], r"tasks\[0\] must be an object"),
    "a number in a list": ([PING, 7], r"tasks\[1\] must be an object"),
    "null in a list": ([None], r"tasks\[0\] must be an object"),
    "tasks and plays": ([PING, {"hosts": "all"}], "tasks must hold either tasks or plays"),
    "text that is no YAML": ("- a: [", "tasks must be JSON or YAML"),
    "a tag of another language": ("- !!python/object:os.system x", "tasks must be JSON or YAML"),
    "a tag of Ansible's on what is no text": ("- debug: !unsafe [a]", "tasks must be JSON or YAML"),
    "a key that is a list": ("- ? [a]\n  : 1", "tasks must have texts as keys"),
    "an alias to itself": ("- &a [*a]", "tasks must not hold an alias to itself"),
    "nested too deep": ([{"a": json.loads("[" * 100 + "]" * 100)}], "tasks must not nest deeper"),
    "JSON text nested too deep": ("[" * 5000 + "]" * 5000, "tasks must not nest deeper"),
    "YAML text nested too deep": ("- " * 500 + "x", "tasks must not nest deeper"),
    "NUL": ([{"shell": "a\0b"}], "tasks must not hold NUL"),
    "NUL in text": ('[{"shell": "a\\u0000b"}]', "tasks must not hold NUL"),
    "a lone surrogate": ([{"shell": "\ud800"}], "tasks must not hold NUL or a lone surrogate"),
    "a lone surrogate in a key": ([{"\ud800": 1}], "tasks must not hold NUL or a lone surrogate"),
    "a number beyond 1,024 bits": ([{"a": 2**1024}], "tasks must hold whole numbers"),
    "an infinite YAML number": ("- a: .inf", "tasks must hold finite numbers"),
    "too many tasks": ([PING] * 10_001, "tasks must hold at most 10000 items"),
}

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(("value", "expected"), TASKS.values(), ids=TASKS.keys())
def test_every_form_of_tasks(value: Any, expected: list[dict[str, Any]]) -> None:
    assert work.read(value, "ansible_task", "tasks") == Work(tasks=expected)


@pytest.mark.parametrize(("value", "expected"), TEXTS.values(), ids=TEXTS.keys())
def test_what_the_kubernetes_api_would_change_is_kept_as_text(value: Any, expected: str) -> None:
    assert work.read(value, "ansible_task", "tasks") == Work(text=expected)


@pytest.mark.parametrize(("historic", "today"), HISTORIC.values(), ids=HISTORIC.keys())
def test_historic_actions_become_todays_form(
    historic: dict[str, Any], today: dict[str, Any]
) -> None:
    before = json.dumps(historic)
    assert work.translate(historic) == today
    assert json.dumps(historic) == before


def test_plays_are_a_playbook_whose_tasks_are_translated() -> None:
    block = {"name": "b", "block": [{"copy": {"src": "a", "dest": "/b"}}], "become": True}
    play = {
        "hosts": "web", "tasks": [{"action": {"module": "ping"}}, block], "vars": {"z": 1, "a": []},
    }  # fmt: skip
    assert work.read([play], "ansible_task", "tasks") == Work(
        playbook=[{"hosts": "web", "tasks": [PING, block], "vars": {"z": 1, "a": []}}]
    )
    assert work.read(play, "ansible_task", "tasks").playbook is not None


@pytest.mark.parametrize(("value", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_work_is_refused(value: Any, sentence: str) -> None:
    with pytest.raises(ParamError, match=f"^param error, error: {sentence}"):
        work.read(value, "ansible_task", "tasks")


def test_aliases_that_multiply_are_refused() -> None:
    with pytest.raises(ParamError, match="content must hold at most"):
        work.read(BOMB, "ansible_task", "content")


@pytest.mark.parametrize("value", ["x" * 300_000, [{"shell": "x" * 300_000}]])
def test_work_beyond_the_limit_names_it(value: Any) -> None:
    with pytest.raises(TooLarge, match="tasks must be at most 262144 bytes"):
        work.read(value, "ansible_task", "tasks")


@pytest.mark.parametrize("value", [["nginx"], "nginx", '["nginx"]', "- nginx"])
def test_roles_by_name(value: Any) -> None:
    assert work.read(value, "ansible_role", "tasks") == Work(roles=[{"role": "nginx"}])


@pytest.mark.parametrize("value", [[], ["a/b"], [".."], ["."], ["a b"], [{"role": "a"}], [7], {}])
def test_what_is_no_role_name_is_refused(value: Any) -> None:
    with pytest.raises(ParamError, match=r"^param error, error: tasks"):
        work.read(value, "ansible_role", "tasks")


KEYS = ["action", "module", "args", "block", "hosts", "a", "\0"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=20,
)


def _read(value: Any, kind: str) -> Work | str:
    try:
        return work.read(value, kind, "tasks")
    except Problem as problem:
        return problem.message


@given(JSON, st.sampled_from(["ansible_task", "ansible_role"]))
def test_whatever_comes_in_is_work_or_a_named_problem(value: Any, kind: str) -> None:
    found = _read(value, kind)
    if isinstance(found, str):
        assert found.startswith(("param error, error: tasks", "param error, error: action.args"))
        return
    text = None if found.text is None else json.loads(found.text)
    parts = [part for part in (found.tasks, found.roles, found.playbook, text) if part is not None]
    assert len(parts) == 1
    assert all(isinstance(item, dict) for item in parts[0])
    json.dumps(parts[0], allow_nan=False).encode()


@given(st.text(max_size=60))
def test_any_text_is_work_or_a_named_problem(text: str) -> None:
    found = _read(text, "ansible_task")
    assert isinstance(found, Work) or found.startswith("param error, error: tasks")
