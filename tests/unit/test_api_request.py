"""What a body and its headers ask for (API.md, the tables of the five calls)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import body, dialects
from api.problems import BadJson, ParamError, Problem, TooLarge
from api.request import (
    Headers,
    LogAsk,
    RunAsk,
    Target,
    canonical,
    fingerprint,
    read_headers,
    read_log,
    read_run,
    read_target,
)
from api.settings import Settings
from crds.model import AnsibleTask

SETTINGS = Settings()
GOOD: dict[str, Any] = {"name": "n", "nodes": ["192.0.2.1"], "tasks": [{"ping": {}}]}
DOCUMENTED = dialects.DOCUMENTED.WORK_FIELDS
FIELD = dialects.FIELD.WORK_FIELDS


def asked(*, parallel: bool = False, **fields: Any) -> RunAsk:
    """What a good body with other fields asks for."""
    return read_run({**GOOD, **fields}, DOCUMENTED, SETTINGS, parallel=parallel)


def test_the_least_request_has_the_documented_defaults() -> None:
    spec = asked().spec
    assert (spec.user, spec.port, spec.forks, spec.slices) == ("root", 22, 5, 1)
    assert (spec.timeout_seconds, spec.gather_facts, spec.become) == (3600, True, False)
    assert (spec.check, spec.diff, spec.tags, spec.skip_tags, spec.limit) == (
        False, False, None, None, None,
    )  # fmt: skip


def test_every_field_reaches_the_spec() -> None:
    spec = asked(
        user="deploy", fork_num="7", timeout=60, port="2222", gather_facts=False, become=True,
        check=True, diff=True, tags="a, b", skip_tags=["c"], limit="web",
    ).spec  # fmt: skip
    assert (spec.user, spec.forks, spec.timeout_seconds, spec.port) == ("deploy", 7, 60, 2222)
    assert (spec.gather_facts, spec.become, spec.check, spec.diff) == (False, True, True, True)
    assert (spec.tags, spec.skip_tags, spec.limit) == (("a", "b"), ("c",), "web")


def test_null_counts_as_absent_and_unlisted_fields_are_ignored() -> None:
    fields = ["user", "fork_num", "timeout", "port", "tags", "limit", "params", "tasktype"]
    nothing: dict[str, Any] = dict.fromkeys(fields)
    assert asked(**nothing, nonsense="\0") == asked()


@pytest.mark.parametrize(
    "name", ["192.201.11.31_install_nginx_1501169594802406967", " a: b ", "安装", "x" * 253]
)
def test_names_are_kept_as_they_are(name: str) -> None:  # fmt: skip
    assert asked(name=name).spec.task_name == name


def test_tasks_win_over_content_and_field_clients_have_tasks_only() -> None:
    both = {**GOOD, "content": [{"debug": {}}]}
    only = {**both, "tasks": None}
    assert read_run(both, DOCUMENTED, SETTINGS, parallel=False).spec.tasks == [{"ping": {}}]
    assert read_run(only, DOCUMENTED, SETTINGS, parallel=False).spec.tasks == [{"debug": {}}]
    with pytest.raises(ParamError, match="tasks must be given"):
        read_run(only, FIELD, SETTINGS, parallel=False)


SPREADS = {
    "fewer nodes than slices": (3, 5, 3, 5),
    "even slices": (16, 1, 8, 2),
    "uneven slices": (17, 1, 8, 3),
    "many nodes at once": (1000, 1, 8, 50),
    "more forks than that": (1000, 200, 8, 200),
}


@pytest.mark.parametrize(("hosts", "forks", "slices", "each"), SPREADS.values(), ids=SPREADS)
def test_parallel_run_spreads_evenly(hosts: int, forks: int, slices: int, each: int) -> None:
    nodes = [f"h{at}" for at in range(hosts)]
    spec = asked(parallel=True, nodes=nodes, fork_num=forks).spec
    assert (spec.slices, spec.forks) == (slices, each)


def test_a_limit_makes_one_slice_with_the_forks_of_all() -> None:
    nodes = [f"h{at}" for at in range(100)]
    spec = asked(parallel=True, nodes=nodes, fork_num=1, limit="h1*").spec
    assert (spec.slices, spec.forks) == (1, 50)


def test_one_pod_works_on_as_many_machines_at_once() -> None:
    nodes = [f"h{at}" for at in range(60)]
    asked_for = {"name": "n", "nodes": nodes, "tasks": [{"raw": "true"}], "fork_num": 1}
    spec = read_run(asked_for, ("tasks",), Settings(max_slices=1), parallel=True).spec
    assert (spec.slices, spec.forks) == (1, 50)


WRONG: dict[str, tuple[str, Any]] = {
    "no name": ("name", None),
    "empty name": ("name", ""),
    "long name": ("name", "x" * 254),
    "name of another kind": ("name", 7),
    "NUL in the name": ("name", "a\0"),
    "a lone surrogate in the name": ("name", "\udc00"),
    "no nodes": ("nodes", None),
    "a tasktype of nobody": ("tasktype", "ansible_play"),
    "a user that is an option": ("user", "-l"),
    "a user with a template": ("user", "{{ x }}"),
    "an empty user": ("user", ""),
    "no forks": ("fork_num", 0),
    "too many forks": ("fork_num", "501"),
    "forks in words": ("fork_num", "five"),
    "half a fork": ("fork_num", 1.5),
    "forks of another kind": ("fork_num", True),
    "an endless number": ("fork_num", "9" * 5000),
    "no time": ("timeout", 0),
    "too much time": ("timeout", 86401),
    "port 0": ("port", 0),
    "port too high": ("port", 65536),
    "a flag in words": ("become", "yes"),
    "a flag as a number": ("gather_facts", 1),
    "tags of another kind": ("tags", 7),
    "a tag with whitespace": ("tags", ["a b"]),
    "a tag that is an option": ("skip_tags", ["-x"]),
    "too many tags": ("tags", ["a"] * 101),
    "a limit from a file": ("limit", "@/etc/passwd"),
    "a limit that is an option": ("limit", "--x"),
}


@pytest.mark.parametrize(("field", "value"), WRONG.values(), ids=WRONG)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(ParamError, match=rf"^param error, error: {field} must "):
        asked(**{field: value})


def test_a_task_too_large_to_be_stored_names_the_limit() -> None:
    with pytest.raises(TooLarge, match="1048576 bytes as stored"):
        asked(tasks=[{"shell": "<" * 200_000}])


TARGETS: dict[str, tuple[dict[str, Any], Target]] = {
    "an id": ({"id": 7}, Target(id=7)),
    "digits": ({"id": "7"}, Target(id=7)),
    "an id as floating point": ({"id": 7.0}, Target(id=7)),
    "the id decides alone": ({"id": 7, "name": 5}, Target(id=7)),
    "the largest id": ({"id": 2**31 - 1}, Target(id=2**31 - 1)),
    "a name": ({"name": "x"}, Target(name="x")),
    "null is no id": ({"id": None, "name": "x"}, Target(name="x")),
}
NO_TARGETS: list[dict[str, Any]] = [
    {}, {"id": 0}, {"id": -1}, {"id": 2**31}, {"id": 1.5}, {"id": "x", "name": "n"}, {"id": True},
    {"id": []}, {"id": ""}, {"name": ""}, {"name": 5}, {"name": "x" * 254}, {"id": " 7"},
]  # fmt: skip


@pytest.mark.parametrize(("given", "target"), TARGETS.values(), ids=TARGETS)
def test_which_task_is_meant(given: dict[str, Any], target: Target) -> None:
    assert read_target(given) == target


@pytest.mark.parametrize("given", NO_TARGETS, ids=str)
def test_what_means_no_task(given: dict[str, Any]) -> None:
    with pytest.raises(ParamError, match=r"^param error, error: (id|name) "):
        read_target(given)


HEADERS: dict[str, tuple[dict[str, str], Headers]] = {
    "none": ({}, Headers(None, None, False)),
    "documented": ({"x-resource": "hubble"}, Headers("hubble", None, False)),
    "field": ({"x-source": "a", "x-correlation-id": "16-16"}, Headers("a", "16-16", True)),
    "field wins": ({"x-source": "a", "x-resource": "b"}, Headers("a", None, True)),
    "an empty source counts": ({"x-source": "", "x-resource": "b"}, Headers("", None, True)),
    "other letters": ({"x-resource": "安".encode().decode("latin-1")}, Headers("安", None, False)),
    "asynchronous": (
        {"prefer": "wait=10, Respond-Async; x=1"},
        Headers(None, None, False, respond_async=True),
    ),
    "a key": ({"idempotency-key": "k"}, Headers(None, None, False, idempotency_key="k")),
}  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), HEADERS.values(), ids=HEADERS)
def test_headers_say_who_calls_and_in_which_dialect(
    given: dict[str, str], expected: Headers
) -> None:
    assert read_headers(given) == expected


def test_a_header_too_long_is_named() -> None:
    with pytest.raises(ParamError, match="X-CORRELATION-ID must be at most 1024 characters"):
        read_headers({"x-correlation-id": "x" * 1025})


def test_the_source_of_a_log_is_the_bodys_else_the_headers() -> None:
    headers = Headers("hubble", "16-16", False)
    assert read_log({}, headers) == LogAsk("16-16", "hubble", None)
    assert read_log({"source": "a", "host": "h"}, headers) == LogAsk("16-16", "a", "h")
    wrongs: tuple[dict[str, Any], ...] = ({"host": 5}, {"source": []}, {"source": "\0"})
    for wrong in wrongs:
        with pytest.raises(ParamError, match=r"^param error, error: (host|source) must"):
            read_log(wrong, headers)


NO_OBJECTS = {
    "empty": b"",
    "text": b"hello",
    "a list": b"[]",
    "null": b"null",
    "NaN": b'{"a": NaN}',
    "infinite": b'{"a": -Infinity}',
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "nested 10,000 deep": b'{"a":' * 10_000,
    "a number of 5,000 digits": b'{"a":' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("data", NO_OBJECTS.values(), ids=NO_OBJECTS)
def test_what_is_no_json_object(data: bytes) -> None:
    with pytest.raises(BadJson, match=r"^json encode error$"):
        body.parse(data)


def test_of_a_key_given_twice_the_last_counts() -> None:
    assert body.parse(b'{"a": 1, "a": 2}') == {"a": 2}


def test_equal_requests_share_a_fingerprint_and_others_do_not() -> None:
    headers = Headers("s", "c", False)
    first = canonical("run", headers, {"name": "n", "port": 2})
    for same in ({"port": 2, "name": "n"}, {"name": "n", "port": 2, "user": None, "unlisted": 1}):
        assert first == canonical("run", headers, same)
    others = [
        canonical("run", headers, {"name": "n", "port": "2"}),
        canonical("parallel_run", headers, {"name": "n", "port": 2}),
        canonical("run", Headers("s", "d", False), {"name": "n", "port": 2}),
    ]
    keyed = [Headers("s", c, False, idempotency_key="k") for c in ("c", "d")]
    assert len({canonical("run", head, {"a": 1}) for head in keyed}) == 1, "name, key and body"
    prints = [fingerprint("k", text) for text in (first, *others)] + [fingerprint("l", first)]
    assert len(set(prints)) == len(prints)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = [
    "name", "nodes", "tasks", "content", "tasktype", "params", "user", "fork_num", "timeout",
    "port", "gather_facts", "become", "check", "diff", "tags", "skip_tags", "limit",
]  # fmt: skip


def _read(given: dict[str, Any]) -> RunAsk | str:
    try:
        return read_run(given, DOCUMENTED, SETTINGS, parallel=True)
    except Problem as problem:
        return problem.message


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_whatever_comes_in_is_a_task_or_an_error_that_names_a_field(change: dict[str, Any]) -> None:
    found = _read({**GOOD, **change})
    if isinstance(found, str):
        assert found.startswith("param error, error: ")
        assert any(field in found for field in FIELDS)
        return
    stored = json.loads(json.dumps({"metadata": {}, "spec": found.spec.wire()}, allow_nan=False))
    assert AnsibleTask.model_validate(stored).spec == found.spec
