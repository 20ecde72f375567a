"""Starts a program that ends or freezes itself at a write: `python -m tests.faults.crashing`.

OCTANS_TEST_MODULE   api or controller
OCTANS_TEST_WRITES   a file that gets the name of each write that is sent, one a line
OCTANS_TEST_CRASH    a file with the point, read at each write, and gone once the point was met:
                     `before WRITE` or `after WRITE`: SIGKILL there;
                     `frozen WRITE`: SIGSTOP before it is sent, and what became of it when it was
                     sent at last is noted as `WRITE -> ANSWER`

A write is named for what it is (`PATCH ansibletasks/status Running`), so that one that is added to
the product later is found by the tests without being told of.
"""

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from crds import names
from crds.client import Client

_WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")
_ASKING: Final = ("tokenreviews", "subjectaccessreviews")
"""Kinds that are created to be answered, and not kept."""


def name_of(method: str, path: str, body: Any) -> str | None:
    """What a request writes, in words; None where it only asks."""
    if method not in _WRITES:
        return None
    parts = [unquote(part) for part in path.split("/")]
    if "namespaces" not in parts:
        return None if parts[-1] in _ASKING else f"{method} {parts[-1]}"
    plural, *rest = parts[parts.index("namespaces") + 2 :]
    kind = "/".join([plural, *rest[1:]])
    return " ".join(filter(None, (method, kind, _detail(kind, body))))


def _detail(kind: str, body: Any) -> str:
    match kind:
        case "ansibletasks/status":
            status = next(each["value"] for each in body if each["path"] == "/status")
            claims = len(status.get("slices", []))
            return f"{status.get('phase', '')}, {claims} claimed"
        case "events":
            return str(body.get("reason", ""))
        case "configmaps":
            labels = body.get("metadata", {}).get("labels", {})
            return f"of slice {labels.get(names.LABEL_SLICE)}" if labels else ""
        case "leases":
            return "held" if body.get("spec", {}).get("holderIdentity") else "free"
    return ", ".join(_changed(body))


def _changed(body: Any) -> list[str]:
    """The fields of a patch; nothing for a whole object."""
    if isinstance(body, list):
        return [each["path"].split("/")[2] for each in body if each["op"] != "test"]
    if not isinstance(body, dict) or "kind" in body or "preconditions" in body:
        return []
    found = []
    for section, values in body.items():
        if not isinstance(values, dict):
            continue
        for field, value in values.items():
            keys = value if field in ("annotations", "labels") and isinstance(value, dict) else [""]
            found += [f"{section}.{field}" + (f"[{key}]" if key else "") for key in keys]
    return sorted(each for each in found if not each.endswith("resourceVersion"))


def _install() -> None:
    """Have every request of the client looked at."""
    # Where all requests come together, after whatever may keep them from being sent.
    plain = Client._send

    async def watched(
        self: Client, method: str, path: str, query: Any, body: Any = None, *rest: Any, **more: Any
    ) -> Any:
        name = name_of(method, path, body)
        if name is None:
            return await plain(self, method, path, query, body, *rest, **more)
        _note(name)
        side = _met(name)
        if side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if side == "frozen":
            os.kill(os.getpid(), signal.SIGSTOP)
        try:
            answer = await plain(self, method, path, query, body, *rest, **more)
        except BaseException as error:  # being cancelled is an answer, too
            if side:
                _note(f"{name} -> {type(error).__name__}")
            raise
        if side == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        if side:
            _note(f"{name} -> accepted")
        return answer

    Client._send = watched  # type: ignore[method-assign]  # the tests' hook, kept out of the product


def _met(name: str) -> str:
    """The side of the point, if this is the write of it; of several processes one meets it."""
    file = Path(os.environ.get("OCTANS_TEST_CRASH", ""))
    try:
        side, _, wanted = file.read_text().partition(" ")
        if name != wanted:
            return ""
        file.rename(file.with_name(f"{file.name}-met"))
    except OSError:
        return ""
    return side


def _note(name: str) -> None:
    if file := os.environ.get("OCTANS_TEST_WRITES"):
        with Path(file).open("a") as lines:
            lines.write(name + "\n")


if __name__ == "__main__":
    module = os.environ["OCTANS_TEST_MODULE"]
    _install()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
