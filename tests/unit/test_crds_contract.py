"""What the parts must agree on: names, frames, outcomes, reasons."""

import json
import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic_settings import BaseSettings, SettingsConfigDict

from crds import conditions, environment, errors, frames, model, names, ranges
from crds.conditions import ADVICE, Outcome, Reason
from crds.frames import Kind
from crds.records import Overflow, Part, Result, RunStatus, Summary
from tests.cluster.platform.reasons import TOLD_BY

CRD = yaml.safe_load(Path("crds/ansibletask.yaml").read_text())
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_the_printed_columns_that_programs_read() -> None:
    columns = {c["name"]: c for c in CRD["spec"]["versions"][0]["additionalPrinterColumns"]}
    assert columns[names.COLUMN_TASK]["jsonPath"] == ".spec.taskName"


def test_each_reason_has_a_test_that_has_it_told_for_real() -> None:
    assert TOLD_BY.keys() == set(Reason)
    for reason, file in TOLD_BY.items():
        assert re.search(rf"\b{reason}\b", Path("tests", file).read_text()), (reason, file)


@given(name=st.text(min_size=1, max_size=300), k=st.integers(0, 3))
def test_an_id_fits_a_signed_32_bit_integer_and_names_its_object(name: str, k: int) -> None:
    number = names.task_id("ns", name, k)
    assert 1 <= number <= 2**31 - 1
    assert names.id_in_object_name(names.object_name(number)) == number


@pytest.mark.parametrize("name", ["task-", "task-0", "task-00", "task-zzzzzzz", "other", "task-A"])
def test_other_names_hold_no_id(name: str) -> None:
    assert names.id_in_object_name(name) is None


@given(text=st.text(max_size=300))
def test_any_text_becomes_a_label_value(text: str) -> None:
    value = names.label_value(text)
    assert 1 <= len(value) <= 63
    assert names.label_value(text) == value


def test_a_text_that_looks_like_a_hash_does_not_meet_it() -> None:
    hashed = names.label_value("not a label!")
    assert names.label_value(hashed) != hashed


@given(data=st.dictionaries(st.text(max_size=5), st.text(max_size=9000), max_size=3))
def test_a_record_comes_back_from_its_frames(data: dict[str, str]) -> None:
    lines = frames.encode("run", 5, 1.5, Kind.TASK, data)
    assert all(len(line) <= frames.MAX_LINE and b"\n" not in line for line in lines)
    parsed = [frame for line in lines if (frame := frames.parse(line)) is not None]
    [record] = frames.records(parsed)
    assert (record.first, record.seq, record.data) == (5, 4 + len(lines), data)


def test_a_record_with_a_missing_part_is_left_out() -> None:
    lines = frames.encode("run", 1, 1.5, Kind.TASK, {"text": "x" * 20_000})
    lines += frames.encode("run", len(lines) + 1, 1.5, Kind.LINE, {"text": "y"})
    parsed = [frame for line in lines if (frame := frames.parse(line)) is not None]
    assert [record.kind for record in frames.records(parsed[:1] + parsed[2:])] == [Kind.LINE]


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b"null", b'{"kind":"x"}', b"[" * 100_000, b'{"kind":"end"}',
             b'{"kind":"end","run":"r","seq":1,"time":1,"data":[]}',
             b'{"kind":"end","run":"r","seq":1,"time":1,"part":[1],"text":""}'],
)  # fmt: skip
def test_what_is_no_frame_is_none(line: bytes) -> None:
    assert frames.parse(line) is None


def test_a_result_and_a_summary_come_back_from_json() -> None:
    result = Result("h", "t", "failed", 1.0, 2.0, rc=1, stderr="no", items=("a", "b"))
    assert Result.read(json.loads(json.dumps(result.data()))) == result
    summary = Summary("r", RunStatus.STOPPED, 1, 9, "ab", {"ok": 2}, inflight=("h",))
    assert Summary.read(json.loads(json.dumps(summary.data()))) == summary
    assert Summary.read({"run": "r"}) is None


def test_what_is_told_of_the_overflow_comes_back_from_json() -> None:
    part = Part(2, 11, 19, 3, 8000)
    assert Part.read(json.loads(json.dumps(part.data()))) == part
    assert Part.read({"part": 2, "first": 11}) is None
    summary = Summary("r", RunStatus.DONE, 0, 9, "ab", {"ok": 2})
    assert "overflow" not in summary.data(), "only where there was any"
    whole = replace(summary, overflow=Overflow(19, "cd", ((1, 4), (11, 19))))
    assert Summary.read(json.loads(json.dumps(whole.data()))) == whole
    assert Summary.read(whole.data() | {"overflow": {"last": 1, "kept": [1]}}) == summary


@given(ranges_=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9)), max_size=12))
def test_ranges(ranges_: list[tuple[int, int]]) -> None:
    given_ = [(first, first + more) for first, more in ranges_]
    numbers = {n for first, last in given_ for n in range(first, last + 1)}
    merged = ranges.merged(given_)
    assert [n for first, last in merged for n in range(first, last + 1)] == sorted(numbers)
    assert all(b[0] > a[1] + 1 for a, b in pairwise(merged))
    assert ranges.count(given_) == len(numbers)


FAILURES = {
    "msg": (Result("h", "t", "failed", 0, 0, msg="no such file"), "no such file"),
    "stderr where msg only speaks of a code": (
        Result("h", "t", "failed", 0, 0, msg="non-zero return code", stderr="E\n"), "E"),
    "else stdout": (
        Result("h", "t", "failed", 0, 0, msg="non-zero return code", stdout="out"), "out"),
    "stderr where a module did not run": (
        Result("h", "t", "failed", 0, 0, msg="Module result deserialization failed", stderr="E"),
        "E"),
    "which may say nothing": (
        Result("h", "t", "failed", 0, 0, msg="MODULE FAILURE\nSee"), "MODULE FAILURE\nSee"),
    "else nothing": (Result("h", "t", "failed", 0, 0), "no error msg out"),
}  # fmt: skip


@pytest.mark.parametrize(("result", "text"), FAILURES.values(), ids=FAILURES)
def test_failure_text(result: Result, text: str) -> None:
    assert result.failure() == text


def test_a_failure_without_a_word_tells_its_return_code() -> None:
    silent = Result("h", "t", "failed", 0, 0, msg="non-zero return code", rc=7)
    assert silent.told() == "return code 7"
    assert Result("h", "t", "failed", 0, 0, msg="m", rc=7).told() == "m"
    assert Result("h", "t", "failed", 0, 0).told() == silent.failure() == "no error msg out"


@given(found=st.lists(st.sampled_from(Outcome), max_size=50))
def test_outcomes_come_back(found: list[Outcome]) -> None:
    assert model.unpack_outcomes(model.pack_outcomes(found)) == found


@pytest.mark.parametrize("text", ["x", "3", "o", "3x", "-1o"])
def test_what_is_no_outcome_text_is_empty(text: str) -> None:
    assert model.unpack_outcomes(text) in ([], None)


def test_every_reason_has_advice_and_every_outcome_a_letter() -> None:
    assert set(ADVICE) == set(Reason)
    assert len(conditions.OUTCOME_OF_LETTER) == len(Outcome)


ANSWERS = {
    (404, ""): errors.NotFound,
    (409, "AlreadyExists"): errors.AlreadyExists,
    (409, "Conflict"): errors.Conflict,
    (422, "Invalid"): errors.Invalid,
    (403, "Forbidden"): errors.Forbidden,
    (429, ""): errors.Unavailable,
    (503, ""): errors.Unavailable,
    (418, ""): errors.ClusterError,
}


@pytest.mark.parametrize(("answer", "kind"), ANSWERS.items())
def test_errors_by_meaning(answer: tuple[int, str], kind: type[errors.ClusterError]) -> None:
    found = errors.from_answer(*answer, message="x" * 5000)
    assert type(found) is kind
    assert len(str(found)) <= errors.MESSAGE_LIMIT


def described(schema: dict[str, object], path: str) -> list[str]:
    """Paths of fields below a schema that have no description."""
    found = []
    fields = schema.get("properties")
    for name, field in fields.items() if isinstance(fields, dict) else ():
        inner = field.get("items", field)
        if "description" not in field and not path.startswith(".status"):
            found.append(f"{path}.{name}")
        found += described(inner, f"{path}.{name}")
    return found


def test_every_field_of_spec_is_described() -> None:
    assert described(SCHEMA["properties"]["spec"], ".spec") == []


def test_the_schema_and_the_model_have_the_same_fields() -> None:
    wire = {field.alias for field in model.Spec.model_fields.values()}
    assert wire == set(SCHEMA["properties"]["spec"]["properties"])
    wire = {field.alias for field in model.Status.model_fields.values()}
    assert wire == set(SCHEMA["properties"]["status"]["properties"])


def test_defaults_are_the_same_in_schema_and_model() -> None:
    for field in model.Spec.model_fields.values():
        schema = SCHEMA["properties"]["spec"]["properties"][field.alias]
        if "default" in schema:
            assert schema["default"] == field.default


class Example(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="EXAMPLE_")

    port: int = 1
    table: dict[str, int] = {}
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("EXAMPLE_PORT", "hunter2", "EXAMPLE_PORT: Input should be a valid integer"),
     ("EXAMPLE_TABLE", "{hunter2", "table"),
     ("EXAMPLE_TABLE", '{"a": "hunter2"}', "EXAMPLE_TABLE_A: Input"),
     ("EXAMPLE_NETWORKS", '["hunter2"]', "EXAMPLE_NETWORKS_0: Input is not")],
)  # fmt: skip
def test_a_wrong_setting_is_a_sentence_without_its_value(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        environment.load(Example)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert "hunter2" not in said
