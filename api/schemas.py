"""JSON schemas of the five calls' bodies and answers, in both dialects.

They say what is accepted as far as a schema can; the rest is in the descriptions.
"""

from typing import Any, Final

from crds import names

Schema = dict[str, Any]


def _object(properties: Schema, *, required: tuple[str, ...] = (), closed: bool = False) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def _maybe(schema: Schema, description: str) -> Schema:
    """null counts as absent."""
    return {"anyOf": [schema, {"type": "null"}], "description": description}


def _given(name: str) -> Schema:
    """A field is there and not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _instead(name: str, other: str, schema: Schema) -> Schema:
    """A field that is only looked at where another one, which goes before it, is not given."""
    return {"required": [name], "properties": {other: {"type": "null"}, name: schema}}


def _whole(most: int, description: str) -> Schema:
    return {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": most},
            {"type": "string", "pattern": f"^0*({_digits(most)})$", "maxLength": 12},
            {"type": "null"},
        ],
        "description": f"{description} A number from 1 to {most}, or its digits.",
    }


def _digits(most: int) -> str:
    """A regular expression for the numbers from 1 to `most`."""
    text = str(most)
    parts = [f"[1-9][0-9]{{0,{len(text) - 2}}}"] if len(text) > 1 else []
    for at, digit in enumerate(text):
        least = 0 if at else 1
        if int(digit) > least:
            rest = len(text) - at - 1
            parts.append(f"{text[:at]}[{least}-{int(digit) - 1}][0-9]{{{rest}}}")
    return "|".join([*parts, text])


def _text(most: int, least: int = 1) -> Schema:
    """A text without NUL; what JSON can't say of lone surrogates is said in the description."""
    return {"type": "string", "minLength": least, "maxLength": most, "pattern": r"^[^\x00]*$"}


_NODE_TEXT: Final[Schema] = {
    "type": "string", "minLength": 1, "maxLength": 260, "pattern": r"^(?!-)[^\s=\x00-\x1f]+$",
}  # fmt: skip
_FREE: Final[Schema] = {"type": "object", "additionalProperties": True}
_WORDS: Final[Schema] = {
    "anyOf": [
        {
            "type": "array",
            "maxItems": 100,
            "items": {"type": "string", "pattern": r"^[^,\s-][^,\s]*$"},
        },
        {"type": "string"},
        {"type": "null"},
    ]
}
_WORK: Final[Schema] = {
    "anyOf": [
        {"type": "array", "minItems": 1, "items": {"anyOf": [_FREE, {"type": "string"}]}},
        _FREE,
        {"type": "string", "minLength": 1},
        {"type": "null"},
    ],
    "description": (
        "The work. tasktype ansible_task: a list of Ansible tasks, one task, a list of plays (items"
        " with `hosts`), or JSON or YAML text with any of these; the historic"
        ' {"action":{"module":"shell","args":"ls"}} is understood. tasktype ansible_role: a list of'
        " role names, or one name. At most 256 KiB."
    ),
}

ERROR: Final = _object(
    {"code": {"type": "integer", "const": -1}, "message": {"type": "string"}},
    required=("code", "message"), closed=True,
)  # fmt: skip

RUN_REQUEST: Final[Schema] = {
    **_object(
        {
            "name": {
                **_text(253),
                "description": "The caller's name of the task; unique among the tasks kept.",
            },
            "nodes": {
                "type": "array", "minItems": 1, "maxItems": 10000,
                "items": _NODE_TEXT,
                "description": "Machines: IPv4 or IPv6 addresses or host names, each may carry"
                " a port ([::1]:2222). Together at most 128 KiB. None may be this machine itself.",
            },
            "tasks": _WORK,
            "content": {"description": "As `tasks`, which wins; documented dialect only."},
            "tasktype": _maybe(
                {"type": "string", "enum": ["ansible_task", "ansible_role"]},
                "What tasks holds; default ansible_task.",
            ),
            "params": {
                "anyOf": [_FREE, {"type": "array", "maxItems": 0}, {"type": "string"},
                          {"type": "null"}],
                "description": "Variables of every machine: an object, JSON or YAML text with one,"
                " or key=value pairs. At most 256 KiB. Names must not be ansible_* or Ansible's"
                " magic variables.",
            },
            "user": _maybe(
                {"type": "string", "minLength": 1, "maxLength": 64,
                 "pattern": "^[A-Za-z0-9_.@+][A-Za-z0-9_.@+$-]*$"},
                "Remote user; default root.",
            ),
            "fork_num": _whole(500, "Machines worked on at a time; default 5."),
            "timeout": _whole(86400, "Seconds the play may take; default 3600."),
            "port": _whole(65535, "SSH port of nodes without one; default 22."),
            "gather_facts": _maybe({"type": "boolean"}, "Gather facts first; default true."),
            "become": _maybe({"type": "boolean"}, "Become root with sudo."),
            "pipelining": _maybe(
                {"type": "boolean"},
                "Ansible's SSH pipelining; false where sudo wants a terminal (requiretty).",
            ),
            "check": _maybe({"type": "boolean"}, "Ansible's check mode."),
            "diff": _maybe({"type": "boolean"}, "Ansible's diff mode."),
            "tags": {**_WORDS, "description": "Run only tasks with these tags."},
            "skip_tags": {**_WORDS, "description": "Leave out tasks with these tags."},
            "limit": _maybe(
                {"type": "string", "minLength": 1, "maxLength": 4096},
                "Ansible host pattern that narrows the nodes.",
            ),
        },
        required=("name", "nodes"),
    ),
    "anyOf": [_given("tasks"), _instead("content", "tasks", {"anyOf": _WORK["anyOf"][:-1]})],
}  # fmt: skip

TARGET_REQUEST: Final[Schema] = {
    **_object(
        {
            "id": _whole(names.MAX_ID, "The task's id; decides alone where it is there."),
            "name": {"description": "The task's name, 1 to 253 characters; unused beside an id."},
        }
    ),
    "anyOf": [_given("id"), _instead("name", "id", _text(253))],
}

LOG_REQUEST: Final = _object(
    {
        "host": _maybe(_text(260, 0), "Lines of this machine only."),
        "source": _maybe(
            _text(1024, 0),
            "The service that asked for the tasks; default: the source header's.",
        ),
    }
)


def _success(content: Schema, **more: Schema) -> Schema:
    code = {"type": "integer", "const": 0}
    found = {"code": code, "content": content, **more}
    return _object(found, required=("code", "content"), closed=True)


_ID: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": names.MAX_ID}
_STATUS: Final[Schema] = {
    "type": "integer", "minimum": 0, "maximum": 5,
    "description": "0 init, 1 running, 2 success, 3 failed, 4 stopped, 5 partly success.",
}  # fmt: skip
_EXTRAS: Final[Schema] = {
    "phase": {"type": "string"},
    "reason": {"type": "string"},
    "message": {"type": "string"},
    "queue_position": {"type": ["integer", "null"]},
    "log_complete": {"type": "boolean"},
}
_LINES: Final[Schema] = {"type": "array", "items": {"type": "string"}}

_NEW: Final = _object({"id": _ID}, required=("id",), closed=True)
CREATED: Final = _success(_NEW)
DONE: Final = _success(_object({}, closed=True))
_FLAT: Final = _object(
    {
        "id": {"type": "integer"},
        "status": _STATUS,
        "create_time": {"type": "string", "description": "HTTP date."},
        "update_time": {"type": "string", "description": "HTTP date."},
        "err": {"type": ["string", "null"]},
        "log": {"type": "string", "description": "JSON text: a list with an object per result."},
        "nodes": {"type": "string", "description": "JSON text: the list of nodes."},
        **_EXTRAS,
    },
    required=("id", "status", "create_time", "update_time", "err", "log", "nodes"),
)
_NODE: Final = _object(
    {
        "ip": {"type": "string"},
        "status": {"type": "integer", "minimum": 0, "maximum": 4},
        "log": {"type": "string", "description": "JSON text: a list with an object per result."},
    },
    required=("ip", "status", "log"),
)
_PARTS: Final = _object(
    {
        "task": _object(
            {"id": {"type": "integer"}, "status": _STATUS, "err": {"type": "string"}, **_EXTRAS},
            required=("id", "status", "err"),
        ),
        "nodes": {"type": "array", "items": _NODE},
    },
    required=("task", "nodes"),
)
CHECK_ANSWER: Final = _success({"anyOf": [_FLAT, _PARTS]})
LOG_ANSWER: Final[Schema] = {
    "anyOf": [_LINES, _success(_object({"log": _LINES}, required=("log",), closed=True))]
}
_SLICED: Final[Schema] = {
    "type": "string", "description": "What of the work each of several pods does for itself.",
}  # fmt: skip
PARALLEL_ANSWER: Final[Schema] = {"anyOf": [_LINES, _success(_NEW, message=_SLICED)]}
