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
"""Characters of all messages of a loop's failed items together."""

SHORT_TEXT: Final = 256
"""Characters of the message in a result's short form."""

_STATUS: Final = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}
_FACTS: Final = frozenset({
    "setup", "ansible.builtin.setup", "ansible.legacy.setup",
    "gather_facts", "ansible.builtin.gather_facts", "ansible.legacy.gather_facts",
})  # fmt: skip


def output(event: Mapping[str, Any], redactor: Redactor) -> tuple[str, bool] | None:
    """The raw output of an event and whether it was cut; None where it has none."""
    text = str(event.get("stdout") or "").strip("\r\n")
    return _clip(text, redactor, MAX_TEXT) if text else None


def result(
    event: Mapping[str, Any], name: str | None, redactor: Redactor, items: "Items | None" = None
) -> Result | None:
    """The result in an event, under the task's evaluated name where it is known; else None."""
    status = _STATUS.get(str(event.get("event")))
    if status is None:
        return None
    data = event.get("event_data") or {}
    found = data.get("res")
    res: dict[str, Any] = found if isinstance(found, dict) else {}
    facts = data.get("task_action") in _FACTS
    end = seconds(data.get("end")) or seconds(event.get("created"))
    texts = _texts(res, bad=status in {"failed", "unreachable"}, facts=facts)
    kept, cut = _clipped(texts, redactor)
    failed = items if status == "failed" and items else Items()
    rc = res.get("rc")
    return Result(
        host=str(data.get("host", "")),
        task=redactor.text(str(name or data.get("task") or "")),
        status=status, start=seconds(data.get("start")) or end, end=end,
        changed=res.get("changed") is True,
        ignored=status == "failed" and data.get("ignore_errors") is True,
        facts=facts,
        rc=rc if isinstance(rc, int) and not isinstance(rc, bool) else None,
        items=tuple(failed.messages), cut=(*cut, "items") if failed.cut else cut,
        **kept,
    )  # fmt: skip


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
        cut=("msg",) if bad else (),
    )


def seconds(value: object) -> float:
    """Seconds since 1970 of an ISO time; 0 where there is none."""
    try:
        return datetime.fromisoformat(str(value)).timestamp() if value else 0.0
    except ValueError:
        return 0.0


def _texts(res: Mapping[str, Any], *, bad: bool, facts: bool) -> dict[str, str]:
    """cmd, stdout, stderr and msg of a result; nothing of facts but why they failed."""
    if facts and not bad:
        return {}
    values = {
        "cmd": res.get("cmd"),
        # A module that broke down leaves its output under these names.
        "stdout": res.get("stdout", res.get("module_stdout")),
        "stderr": res.get("stderr", res.get("module_stderr")),
        "msg": res.get("msg", res.get("censored", res.get("reason"))),
    }
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return shlex.join(value)
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


class Items:
    """Messages of a loop's failed items, taken one by one.

    Not from the loop's own result: with ansible-core 2.21 that says of no item whether it failed.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.cut = False
        self._left = MAX_ITEMS

    def add(self, event: Mapping[str, Any], redactor: Redactor) -> None:
        """Take in a `runner_item_on_failed`."""
        res = (event.get("event_data") or {}).get("res")
        texts = _texts(res if isinstance(res, dict) else {}, bad=True, facts=False)
        whole = Result("", "", "failed", 0, 0, **texts).failure()  # type: ignore[arg-type]
        message, short = _clip(whole, redactor, min(MAX_TEXT, self._left))
        self.cut = self.cut or short
        self._left -= len(message)
        if message:
            self.messages.append(message)
