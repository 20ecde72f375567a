"""The three forms of params, and the names that are refused (API.md, run, params)."""

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import params
from api.problems import ParamError, Problem, TooLarge

FORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "absent": (None, {}),
    "an object": ({"a": 1, "b": [True, None]}, {"a": 1, "b": [True, None]}),
    "an empty list of a PHP caller": ([], {}),
    "text of an empty list": ("[]", {}),
    "empty text": ("  ", {}),
    "JSON text": ('{"a": {"b": 1.5}}', {"a": {"b": 1.5}}),
    "YAML text": ("a: 1\nb: two\n", {"a": 1, "b": "two"}),
    "YAML keys stay texts": ("n: 1\non: 2\n", {"n": 1, "on": 2}),
    "key=value pairs": ('a=1 b="two words" c=', {"a": "1", "b": "two words", "c": ""}),
    "a pair that YAML would take": ('a="b: c" x=1', {"a": "b: c", "x": "1"}),
    "backslashes": (r"path=C:\temp\new x=1", {"path": r"C:\temp\new", "x": "1"}),
    "a backslash beside an escaped quote": (
        r"""a="\"\\ \n" b=\"x c='\'""", {"a": '"\\ \\n', "b": '"x', "c": "\\"}),
    "quotes inside words": ("a=b\"c d\"e'f g'", {"a": "bc def g"}),
    "escaped quotes": (r'a="say \"hi\""', {"a": 'say "hi"'}),
    "one pair with a template": ("cmd={{x}}", {"cmd": "{{x}}"}),
    "a value with an equals sign": ("url=http://h/?a=b", {"url": "http://h/?a=b"}),
    "names that field clients send": ({"name": 1, "port": 2}, {"name": 1, "port": 2}),
    "templates stay text": ({"a": "{{ b }}"}, {"a": "{{ b }}"}),
    "big whole numbers": ({"a": 2**70}, {"a": 2**70}),
}  # fmt: skip

NAMES = [
    "ansible_host", "ansible_connection", "ansible_", "hostvars", "groups", "group_names",
    "inventory_hostname", "inventory_hostname_short", "play_hosts", "playbook_dir", "role_name",
    "role_path", "omit", "vars", "lookup", "query",
]  # fmt: skip

REFUSED: dict[str, Any] = {
    "a list": [1],
    "a number": 7,
    "a boolean": False,
    "plain text": "hello",
    "text of a number": "7",
    "pairs and a word": "a=1 b",
    "text that is no YAML": "a: [",
    "NUL": {"a": "\0"},
    "a lone surrogate": {"a": ["\ud800"]},
    "nested too deep": {"a": json.loads("[" * 100 + "]" * 100)},
    "not a number": "a: .nan",
    "a tag that lies": "a: !!bool maybe",
    "a number that is none": "a: !!int '_'",
    "a float without end": "a: " + "1:" * 300 + "1.5",
    "digits without end": "a: 0x" + "f" * 5000,
    "a whole number without end": {"a": 2**20_000},
}


@pytest.mark.parametrize(("value", "expected"), FORMS.values(), ids=FORMS.keys())
def test_every_form_of_params(value: Any, expected: dict[str, Any]) -> None:
    assert params.read(value) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", [lambda name: {name: 1}, lambda name: f"{name}=1"])
def test_names_with_a_meaning_to_ansible_are_refused(name: str, form: Any) -> None:
    with pytest.raises(ParamError, match=f"^param error, error: params must not set {name}:"):
        params.read(form(name))


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_a_param_error(value: Any) -> None:
    with pytest.raises(ParamError, match=r"^param error, error: params"):
        params.read(value)


@pytest.mark.parametrize("value", ["a=" + "x" * 300_000, {"a": "x" * 300_000}])
def test_params_beyond_the_limit_name_it(value: Any) -> None:
    with pytest.raises(TooLarge, match="params must be at most 262144 bytes"):
        params.read(value)


def test_a_text_that_aliases_multiply_is_refused_before_it_is_built() -> None:
    bomb = f'a: &a "{"x" * 100_000}"\nb:\n' + "- *a\n" * 2500
    with pytest.raises(TooLarge, match="aliases included"):
        params.read(bomb)


def _read(text: str) -> dict[str, Any] | str:
    try:
        return params.read(text)
    except Problem as problem:
        return problem.message


@given(st.text(max_size=60))
def test_any_text_is_variables_or_a_named_problem(text: str) -> None:
    found = _read(text)
    if isinstance(found, str):
        assert found.startswith("param error, error: params")
    else:
        json.dumps(found, allow_nan=False).encode()


@given(st.text(alphabet="ab=\"'\\ \t\n#", max_size=30))
def test_pairs_are_taken_apart_as_the_standard_library_does(text: str) -> None:
    words = shlex.shlex(text, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    if '\\"' not in text:
        words.escape = ""
    try:
        expected: list[str] | None = list(words)
    except ValueError:
        expected = None
    assert params._words(text) == expected


@pytest.mark.parametrize(
    "text", ["\\" * 262_000, "a='" + "x" * 262_000 + "'", "a=" + '\\"' * 131_000]
)
def test_long_words_take_no_time_by_their_square(text: str) -> None:
    """By the square they would take minutes at this length, forty times over."""
    for _ in range(40):
        params._words(text)
