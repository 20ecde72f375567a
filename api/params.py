"""The caller's variables: an object, JSON or YAML text, or key=value text. Pure."""

import re

from api import freeform
from api.freeform import Json
from api.problems import ParamError, TooLarge

_REFUSED = re.compile(
    r"ansible_.*|inventory_hostname.*|role_.*"
    r"|hostvars|groups|group_names|play_hosts|playbook_dir|omit|vars|lookup|query",
    re.DOTALL,
)
"""Ansible's connection and magic variables; nothing beyond this list is refused."""
_SPACE = r"(?P<space>[ \t\r\n]+)|'(?P<single>[^']*)'"
_PIECE = re.compile(rf"""{_SPACE}|"(?P<double>[^"]*)"|(?P<plain>[^ \t\r\n"']+)""")
_ESCAPED = re.compile(
    rf"""{_SPACE}|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>(?:[^ \t\r\n"'\\]|\\.)+)""", re.DOTALL
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_ANY = re.compile(r"[^\s=]+=")


def read(value: Json, *, limit: int = 256 * 1024, depth: int = 64) -> dict[str, Json]:
    """The variables; at most `limit` bytes (TooLarge), else ParamError."""
    if value is None or value == []:  # an empty array of a PHP caller
        return {}
    if isinstance(value, str):
        value = _from_text(value, limit, depth)
    if not isinstance(value, dict):
        raise ParamError("params must be an object, or text with an object or key=value pairs")
    freeform.check(value, "params", depth=depth)
    freeform.check_size(value, "params", limit)
    for name in value:
        if _REFUSED.fullmatch(name):
            raise ParamError(
                f"params must not set {name[:64]}: Ansible gives it a meaning of its own"
            )
    return value


def _from_text(text: str, limit: int, depth: int) -> Json:
    if len(text) > limit:
        raise TooLarge(f"params must be at most {limit} bytes")
    freeform.check_text(text, "params")
    if not text.strip():
        return {}
    words = _words(text)
    if (named := _pairs(words, _NAME)) is not None:
        return named  # before YAML, to which `a="b: c"` is a mapping
    fault: freeform.NotParsable | None = None
    try:
        value = freeform.parse(text, depth=depth)
        if isinstance(value, dict):
            return value
        if value == [] or value is None:
            return {}
    except freeform.NotParsable as error:
        fault = error
    if (pairs := _pairs(words, _ANY)) is not None:
        return pairs
    if fault is not None:
        raise ParamError(f"params {fault}") from fault
    return None


def _pairs(words: list[str] | None, name: re.Pattern[str]) -> dict[str, str] | None:
    """The variables of `a=1 b="two words"`; values stay texts. None where it is no such text."""
    if words is None or not all(name.match(word) for word in words):
        return None
    return dict(word.split("=", 1) for word in words)


def _words(text: str) -> list[str] | None:
    """A text's words as a shell takes them apart, None where a quote is not closed.

    Without an escaped quote in it a backslash is one: `path=C:\\temp`. The standard library's shlex
    would do, but takes time by the square of a word's length.
    """
    words: list[str] = []
    pieces: list[str] = []
    at, piece = 0, _ESCAPED if '\\"' in text else _PIECE
    while at < len(text):
        found = piece.match(text, at)
        if found is None:
            return None
        at = found.end()
        if found["space"] is not None:
            if pieces:
                words.append("".join(pieces))
            pieces = []
        elif found["single"] is not None:
            pieces.append(found["single"])
        elif piece is _PIECE:
            pieces.append(found["double"] if found["double"] is not None else found["plain"])
        elif found["double"] is not None:
            pieces.append(re.sub(r'\\(["\\])', r"\1", found["double"]))
        else:
            pieces.append(re.sub(r"\\(.)", r"\1", found["plain"], flags=re.DOTALL))
    if pieces:
        words.append("".join(pieces))
    return words
