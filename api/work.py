"""The work in its historic and today's forms -> tasks, roles, a playbook or their text. Pure.

The work is code: what Ansible would refuse is left to Ansible, with Ansible's own message. Only
the shape is checked here, and the historic `{"action":{"module":...,"args":...}}`, a mapping that
Ansible no longer takes, is rewritten to today's `{MODULE: ARGS}`.
"""

import re
from dataclasses import dataclass
from typing import Final

from api import freeform
from api.freeform import Json
from api.problems import ParamError, TooLarge
from crds.runinput import is_play

_TAKES_CMD: Final = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "ansible.builtin.", "ansible.legacy.")
    for name in ("command", "shell")
)
_OPTION_IN_TEXT = re.compile(
    r"(?:^|\s)(?:creates|removes|chdir|executable|warn|stdin|stdin_add_newline"
    r"|strip_empty_ends|argv|expand_argument_vars)="
)
_MOST_ITEMS: Final = 10_000
_MOST_ROLES: Final = 1_000
"""Bounds of spec.tasks, spec.playbook and spec.roles in ansibletask.yaml."""
_ROLE = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,253}")
_LOOP: Final = re.compile(r"loop$|with_")
_BLOCKS: Final = ("block", "rescue", "always")
_SECTIONS: Final = ("pre_tasks", "tasks", "post_tasks", "handlers")


@dataclass(frozen=True, slots=True)
class Work:
    """Exactly one is set, as spec.tasks, spec.roles, spec.playbook or spec.work have it."""

    tasks: list[dict[str, Json]] | None = None
    roles: list[dict[str, Json]] | None = None
    playbook: list[dict[str, Json]] | None = None
    text: str | None = None


def read(value: Json, kind: str, field: str, *, limit: int = 256 * 1024, depth: int = 64) -> Work:
    """What a request's work is; `kind` is its tasktype, `field` where it stood.

    At most `limit` bytes (TooLarge); ParamError for what is no work at all.
    """
    if value is None:
        raise ParamError("tasks must be given: a list, an object or text")
    if isinstance(value, str):
        if len(value) > limit:
            raise TooLarge(f"{field} must be at most {limit} bytes")
        freeform.check_text(value, field)
    freeform.check(value, field, depth=depth)
    freeform.check_size(value, field, limit)
    work = _roles(value, field, depth) if kind == "ansible_role" else _tasks(value, field, depth)
    for part in (work.tasks, work.roles, work.playbook):
        # Text was parsed since, and a translation may have nested it.
        freeform.check(part, field, depth=depth + 4)
        freeform.check_size(part, field, limit)
        most = _MOST_ROLES if part is work.roles else _MOST_ITEMS
        if part is not None and len(part) > most:
            raise ParamError(f"{field} must hold at most {most} items")
    items = work.tasks or work.playbook
    if items is None or all(_stays(item) for item in items):
        return work
    return Work(text=freeform.escaped(items))


def _stays(item: Json) -> bool:
    """Whether the Kubernetes API gives a play, block or task back as it is for Ansible: the order
    of its keywords means nothing, nor that of a module's arguments or of variables."""
    if not isinstance(item, dict):
        return freeform.stays(item)
    for key, value in item.items():
        if key in (*_BLOCKS, *_SECTIONS) and isinstance(value, list):
            good = all(_stays(part) for part in value)
        elif isinstance(value, dict) and not _LOOP.match(key):
            good = all(freeform.stays(part) for part in value.values())
        else:
            good = freeform.stays(value)
        if not good:
            return False
    return True


def _tasks(value: Json, field: str, depth: int) -> Work:
    items = _items(value, field, depth)
    if not items:
        raise ParamError(f"{field} must hold at least one task")
    plays = [is_play(item) for item in items]
    if not any(plays):
        return Work(tasks=[translate(item) for item in items])
    if not all(plays):
        raise ParamError(f"{field} must hold either tasks or plays, not both")
    return Work(playbook=[_translate_play(item) for item in items])


def _items(value: Json, field: str, depth: int) -> list[dict[str, Json]]:
    """The objects in a list, in one object, or in texts that hold either."""
    if isinstance(value, str):
        value = _parse(value, field, depth)
        if isinstance(value, str) or value is None:
            raise ParamError(f"{field} must be a list, an object, or text that holds one")
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise ParamError(f"{field} must be a list, an object, or text that holds one")
    found: list[dict[str, Json]] = []
    if len(value) > _MOST_ITEMS:
        raise ParamError(f"{field} must hold at most {_MOST_ITEMS} items")
    for at, item in enumerate(value):
        if isinstance(item, str):
            parsed = _parse(item, f"{field}[{at}]", depth)
            item = parsed if isinstance(parsed, list) else [parsed]  # noqa: PLW2901
        for part in item if isinstance(item, list) else [item]:
            if not isinstance(part, dict):
                raise ParamError(f"{field}[{at}] must be an object, or text that holds one")
            found.append(part)
    return found


def _parse(text: str, field: str, depth: int) -> Json:
    try:
        value = freeform.parse(text, depth=depth, work=True)
    except freeform.NotParsable as error:
        raise ParamError(f"{field} {error}") from error
    freeform.check(value, field, depth=depth)
    return value


def _roles(value: Json, field: str, depth: int) -> Work:
    if isinstance(value, str):
        value = [value] if _ROLE.fullmatch(value) else _parse(value, field, depth)
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise ParamError(f"{field} must be a list of role names")
    for at, name in enumerate(value):
        if not isinstance(name, str) or not _ROLE.fullmatch(name):
            raise ParamError(f"{field}[{at}] must be a role name of letters, digits, _ . and -")
    return Work(roles=[{"role": name} for name in value])


def _translate_play(play: dict[str, Json]) -> dict[str, Json]:
    return {
        key: _translate_list(value) if key in _SECTIONS else value for key, value in play.items()
    }


def _translate_list(value: Json) -> Json:
    if not isinstance(value, list):
        return value
    return [translate(item) if isinstance(item, dict) else item for item in value]


def translate(task: dict[str, Json]) -> dict[str, Json]:
    """A task in today's form: `{"action":{"module":"shell","args":"ls"}}` is `{"shell":"ls"}`."""
    task = {key: _translate_list(value) if key in _BLOCKS else value for key, value in task.items()}
    action = task.get("action")
    if not isinstance(action, dict):
        return task
    module, args = action.get("module"), action.get("args")
    if not isinstance(module, str) or not module:
        return task
    if not isinstance(args, str | dict | None):
        raise ParamError("action.args must be text or an object")
    rest = {key: value for key, value in action.items() if key not in ("module", "args")}
    today = {key: value for key, value in task.items() if key not in ("action", "args")}
    today |= _call(module, args, rest)
    if "args" in task:
        today["args"] = _merged(task["args"], today.get("args"))
    return today


def _merged(given: Json, ours: Json) -> Json:
    return {**given, **(ours or {})} if isinstance(given, dict) else given


def _call(
    module: str, args: str | dict[str, Json] | None, rest: dict[str, Json]
) -> dict[str, Json]:
    """`{MODULE: ARGS}`, with a task's keyword `args` where text and options stand side by side."""
    if isinstance(args, dict):
        options = {**rest, **args}
        text = options.pop("_raw_params", None)
        if not isinstance(text, str):
            return {module: options}
        return {module: text, **({"args": options} if options else {})}
    if not args:
        return {module: rest}
    if module in _TAKES_CMD and not _OPTION_IN_TEXT.search(args):
        # As a mapping the text stays whole; `shell: TEXT` would take quotes and `=` apart.
        return {module: {"cmd": args, **rest}}
    return {module: args, **({"args": rest} if rest else {})}
