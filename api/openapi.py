"""The OpenAPI document's part on each call; bodies are read by us, so it is written out here."""

from typing import Any, Final

from api.schemas import (
    CHECK_ANSWER,
    CREATED,
    DONE,
    ERROR,
    LOG_ANSWER,
    LOG_REQUEST,
    PARALLEL_ANSWER,
    RUN_REQUEST,
    TARGET_REQUEST,
)

_ERRORS: Final = {
    400: "The body is no JSON object, a field is wrong, or the name is in use.",
    401: "The caller is not known.",
    403: "The caller may not do this.",
    404: "There is no such task.",
    408: "The request took too long to arrive.",
    413: "The body or a part of it is too large.",
    429: "Too many requests; Retry-After says when to try again.",
    500: "A fault of the server; its log has more under the error id.",
    503: "The Kubernetes API cannot be reached; Retry-After says when to try again.",
}
_TEXT: Final = {"type": "string"}


_KEPT: Final = {"type": "string", "maxLength": 1024}


def _header(name: str, description: str, schema: dict[str, Any] = _KEPT) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": schema}


_PARAMETERS: Final = [
    _header("X-CORRELATION-ID", "Groups the log lines of several tasks. One is made where it is"
            " missing; with X-SOURCE it is required on run and parallel_run."),
    _header("X-RESOURCE", "The requesting service, in the documented dialect."),
    _header("X-SOURCE", "The requesting service, in the field dialect: where this header is there,"
            " even empty, answers have the field's shape."),
]  # fmt: skip
_ONCE: Final = _header(
    "Idempotency-Key",
    "The same name, key and request are answered with the same id; without a key a name that is in"
    " use is an error.",
)
_PREFER: Final = _header("Prefer", "`respond-async`: answer the id at once.", _TEXT)
_TASK_HEADERS: Final = {
    "X-TASK-ID": {"description": "The task's id.", "schema": _TEXT},
    "X-TASK-STATUS": {"description": "Its status, 0 to 5.", "schema": _TEXT},
    "X-CORRELATION-ID": {"description": "The request's, else the task's.", "schema": _TEXT},
}


def _responses(
    schema: dict[str, Any],
    description: str,
    without: tuple[int, ...] = (),
    links: dict[str, Any] | None = None,
    headers: dict[str, Any] | None = None,
) -> dict[int | str, dict[str, Any]]:
    answers: dict[int | str, dict[str, Any]] = {
        200: {
            "description": description,
            "content": {"application/json": {"schema": schema}},
            "headers": _TASK_HEADERS | (headers or {}),
        }
    }
    if links:
        answers[200]["links"] = links
    for status, meaning in _ERRORS.items():
        if status not in without:
            answers[status] = error(meaning)
    return answers


def error(meaning: str) -> dict[str, Any]:
    """How an error answer is described."""
    return {"description": meaning, "content": {"application/json": {"schema": ERROR}}}


def _call(
    name: str,
    request: dict[str, Any],
    answers: dict[int | str, dict[str, Any]],
    *further: dict[str, Any],
) -> dict[str, Any]:
    """Arguments of a route."""
    content = {"schema": request, "example": _EXAMPLES[name]}
    return {
        "operation_id": name,
        "responses": answers,
        "openapi_extra": {
            "parameters": [*_PARAMETERS, *further],
            "requestBody": {"required": True, "content": {"application/json": content}},
        },
        "tags": ["calls"],
    }


_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "run": {
        "name": "192.0.2.11_install_nginx_1501169594802406967",
        "nodes": ["192.0.2.11", "192.0.2.12:2222"],
        "tasks": [
            {"name": "install", "ansible.builtin.package": {"name": "{{ package }}"}},
            {"action": {"module": "shell", "args": "systemctl is-active {{ package }}"}},
        ],
        "params": {"package": "nginx"},
        "fork_num": 10,
    },
    "parallel_run": {
        "name": "patch-day",
        "nodes": ["192.0.2.11", "192.0.2.12"],
        "content": [{"raw": "uptime"}],
    },
    "stop": {"id": 7},
    "check": {"name": "192.0.2.11_install_nginx_1501169594802406967"},
    "getlog": {"host": "192.0.2.11", "source": "hubble"},
}
_LINKS: Final = {
    call: {
        "operationId": call,
        "requestBody": {"id": "$response.body#/content/id"},
        "description": f"The id is what {call} takes.",
    }
    for call in ("check", "stop")
}


def ask_for_token(document: dict[str, Any], *, trusted: bool) -> None:
    """Say in the whole document that the calls want a bearer token; where some callers are
    `trusted` for where they call from, that it may be left out."""
    bearer = {"type": "http", "scheme": "bearer"}
    document.setdefault("components", {})["securitySchemes"] = {"bearer": bearer}
    for call in _EXAMPLES:
        asked: list[dict[str, list[str]]] = [{"bearer": []}, *([{}] if trusted else [])]
        document["paths"][f"/api/{call}"]["post"]["security"] = asked


RUN: Final = _call("run", RUN_REQUEST, _responses(CREATED, "The task's id.", (404,), _LINKS), _ONCE)
PARALLEL_RUN: Final = _call(
    "parallel_run",
    RUN_REQUEST,
    _responses(
        PARALLEL_ANSWER,
        "Documented dialect: the log lines at the task's end, or when the wait is over. Field"
        " dialect, or with `Prefer: respond-async`: the task's id at once.",
        (404,),
    ),
    _ONCE,
    _PREFER,
)
STOP: Final = _call("stop", TARGET_REQUEST, _responses(DONE, "The stop was asked for."))
CHECK: Final = _call(
    "check", TARGET_REQUEST,
    _responses(CHECK_ANSWER, "How the task stands.", headers={"Age": {
        "description": "The age of this answer in seconds; present only while the Kubernetes API"
                       " does not answer.", "schema": _TEXT}}),
)  # fmt: skip
GETLOG: Final = _call("getlog", LOG_REQUEST, _responses(LOG_ANSWER, "The log lines."))
