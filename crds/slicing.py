"""What of Ansible a slice does for itself alone, because it knows its own hosts only; pure."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from crds.model import Spec

_KEYWORDS: Final = ("run_once", "serial", "any_errors_fatal", "max_fail_percentage")
_VARIABLES: Final = re.compile(r"\b(?:groups|hostvars)\b(?=\s*[\[.|])")
_NO: Final = (None, False, "", "false", "False", "no", "No")


def warning(spec: Spec) -> str:
    """A sentence for people whose work speaks of all hosts and is spread over slices; else empty.

    Roles and files of the project folder are not looked into.
    """
    slices = spec.slice_count
    if slices < 2:
        return ""
    found = set(_found(_work(spec)))
    if not found:
        return ""
    names = [name for name in (*_KEYWORDS, "groups", "hostvars") if name in found]
    verb = "holds" if len(names) == 1 else "hold"
    return f"The hosts are spread over {slices} slices; {', '.join(names)} {verb} in each alone."


def _work(spec: Spec) -> object:
    if spec.work is None:
        return [spec.tasks, spec.roles, spec.playbook]
    try:
        return json.loads(spec.work)
    except (ValueError, RecursionError):
        return None  # the runner refuses it


def _found(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        yield from (name for name in _KEYWORDS if value.get(name) not in _NO)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _found(item)
    elif isinstance(value, str):
        yield from (found[0] for found in _VARIABLES.finditer(value))
