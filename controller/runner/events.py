"""What ansible-runner tells of a play (its events), in terms of the frames; pure."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from controller.runner.redact import Redactor
from crds.records import Result

MAX_TEXT: Final = 16 * 1024
"""Characters of one text of a result, and of one piece of raw output."""
MAX_ITEMS: Final = 64 * 1024
"""Characters of all items of a loop together."""

SHORT_TEXT: Final = 256
"""Characters of the message in a result's short form."""

_STATUS: Final = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}
_ITEM_STATUS: Final = {
    "runner_item_on_ok": "ok",
    "runner_item_on_failed": "failed",
    "runner_item_on_skipped": "skipped",
}
_FACTS: Final = frozenset({"setup", "gather_facts"})
_NO_VARIABLES: Final = frozenset({
    "changed", "failed", "skipped", "skip_reason", "msg", "invocation", "warnings", "deprecations",
    "exception", "attempts", "failed_when_result", "ansible_facts", "item", "ansible_loop_var",
    "ansible_index_var", "ansible_loop", "censored",
})  # fmt: skip
"""What else stands in a result of `debug` beside the variable that it shows."""


def output(event: Mapping[str, Any], redactor: Redactor) -> tuple[str, bool] | None:
    """The raw output of an event and whether it was cut; None where it has none."""
    text = str(event.get("stdout") or "").strip("\r\n")
    return _clip(text, redactor, MAX_TEXT) if text else None


def result(
    event: Mapping[str, Any], name: str | None, redactor: Redactor, parts: "Parts | None" = None
) -> Result | None:
    """The result in an event, under the task's evaluated name where it is known, with the parts
    that were told before it; None where the event is no result."""
    status = _STATUS.get(str(event.get("event")))
    if status is None:
        return None
    data = event.get("event_data") or {}
    action = str(data.get("task_action") or "").rpartition(".")[2]
    facts = action in _FACTS
    end = seconds(data.get("end")) or seconds(event.get("created"))
    parts = parts or Parts()
    texts = {} if facts and status in {"ok", "skipped"} else _texts(action, _res(data))
    kept, cut = _clipped(texts, redactor)
    rc = _res(data).get("rc")
    return Result(
        host=str(data.get("host", "")),
        task=redactor.text(str(name or data.get("task") or "")),
        status=status, start=seconds(data.get("start")) or end, end=end,
        changed=_res(data).get("changed") is True,
        ignored=status == "failed" and data.get("ignore_errors") is True,
        facts=facts,
        rc=rc if isinstance(rc, int) and not isinstance(rc, bool) else None,
        items=tuple(parts.messages) if status == "failed" else (),
        results=tuple(parts.results), diff=parts.diff or None, cut=(*cut, *sorted(parts.cut)),
        **kept,
    )  # fmt: skip


def _res(data: Mapping[str, Any]) -> Mapping[str, Any]:
    found = data.get("res")
    return found if isinstance(found, dict) else {}


def short(result_: Result) -> Result:
    """The result without its texts but the beginning of why it failed."""
    bad = result_.status in {"failed", "unreachable"}
    message = result_.failure()[:SHORT_TEXT] if bad else None
    return replace(
        result_,
        cmd=None,
        stdout=None,
        stderr=None,
        msg=message,
        items=(),
        results=(),
        diff=None,
        cut=("msg",) if bad else (),
    )


def seconds(value: object) -> float:
    """Seconds since 1970 of an ISO time; 0 where there is none."""
    try:
        return datetime.fromisoformat(str(value)).timestamp() if value else 0.0
    except ValueError:
        return 0.0


def _texts(action: str, res: Mapping[str, Any]) -> dict[str, str]:
    """cmd, stdout, stderr and msg of a result."""
    values = {
        "cmd": res.get("cmd"),
        # A module that broke down leaves its output under these names.
        "stdout": res.get("stdout", res.get("module_stdout")),
        "stderr": res.get("stderr", res.get("module_stderr")),
        "msg": res.get("msg", res.get("censored", res.get("reason"))),
    }
    if action == "debug" and values["msg"] is None:
        values["msg"] = _shown(res) or None
    if action == "fetch" and values["msg"] is None and "dest" in res:
        # Without a word it would seem to be kept.
        values["msg"] = f"fetched to {res['dest']} in the task's pod; it goes with the pod"
    return {name: _text(name, value) for name, value in values.items() if value is not None}


def _shown(res: Mapping[str, Any]) -> dict[str, Any]:
    """The variable that `debug` shows, by its name or expression."""
    return {
        name: value
        for name, value in res.items()
        if name not in _NO_VARIABLES and not name.startswith("_ansible_")
    }


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return shlex.join(value) if name == "cmd" else "\n".join(value)
    return json.dumps(value, ensure_ascii=False)


def _clipped(
    texts: Mapping[str, str], redactor: Redactor
) -> tuple[dict[str, Any], tuple[str, ...]]:
    clips = {name: _clip(text, redactor, MAX_TEXT) for name, text in texts.items()}
    return (
        {name: text for name, (text, _) in clips.items()},
        tuple(name for name, (_, cut) in clips.items() if cut),
    )


def _clip(text: str, redactor: Redactor, limit: int) -> tuple[str, bool]:
    """At most `limit` characters, and whether that cut it; no half secret is left at the cut."""
    window = text[: limit + redactor.longest]
    clean = redactor.text(window)
    if len(window) < len(text):
        # The window may end within a secret, and the secrets before it may have shrunk.
        clean = clean[: max(0, len(clean) - redactor.longest)]
    return clean[:limit], len(text) > limit


class Parts:
    """What is told of a result before the result itself: a loop's items, and diffs.

    Items are not taken from the loop's own result: with ansible-core 2.21 that says of no item
    whether it failed.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []
        """Of items that failed."""
        self.results: list[dict[str, Any]] = []
        """Of every item: see records.Result."""
        self.diff = ""
        self.cut: set[str] = set()
        self._left = {"items": MAX_ITEMS, "results": MAX_ITEMS}

    def add(self, event: Mapping[str, Any], redactor: Redactor) -> None:
        """Take in an event of an item or of a diff."""
        kind, data = str(event.get("event")), event.get("event_data") or {}
        if kind == "runner_on_file_diff":
            self._add_diff(str(event.get("stdout") or "").strip("\r\n"), redactor)
            return
        status, res = _ITEM_STATUS[kind], _res(data)
        action = str(data.get("task_action") or "").rpartition(".")[2]
        texts = _texts(action, res)
        if status == "failed":
            whole = Result("", "", "failed", 0, 0, **texts).failure()  # type: ignore[arg-type]
            message = self._take("items", whole, redactor)
            self.messages += [message] if message else []
        label = res.get("_ansible_item_label", res.get(str(res.get("ansible_loop_var", "item"))))
        item: dict[str, Any] = {"status": status}
        if label is not None:
            item["item"] = self._take("results", _text("item", label), redactor)
        if isinstance(rc := res.get("rc"), int):
            item["rc"] = int(rc)
        for name, text in ((name, text) for name, text in texts.items() if text):
            item[name] = self._take("results", text, redactor)
        if self._left["results"] > 0:
            self.results.append(item)
        self._left["results"] -= 40  # what stands around the texts

    def _add_diff(self, text: str, redactor: Redactor) -> None:
        before = f"{self.diff}\n" if self.diff else ""
        clean, cut = _clip(text, redactor, max(0, MAX_TEXT - len(before)))
        self.diff = before + clean if clean else self.diff
        self.cut |= {"diff"} if cut else set()

    def _take(self, name: str, text: str, redactor: Redactor) -> str:
        """The text as far as there is room."""
        clean, cut = _clip(text, redactor, max(0, min(MAX_TEXT, self._left[name])))
        self.cut |= {name} if cut else set()
        self._left[name] -= len(clean)
        return clean
