"""Free-form data of a request (work and variables): bounded, plain JSON, from JSON or YAML text.

Pure. What is given back holds only what JSON can: objects with text keys, lists, texts without NUL
and lone surrogates, finite numbers, booleans and null.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import yaml

from api.problems import ParamError, TooLarge
from crds.records import NOT_IN_YAML

Json = Any
"""Data as a JSON or YAML parser gives it: anything may be anywhere until it was checked."""

_MOST_ITEMS: Final = 300_000
"""Values of a document; more can't stand in 256 KiB of JSON, but YAML's aliases multiply."""
_MOST_BYTES: Final = 1024 * 1024
"""Of a YAML document's texts, aliases counted each time: more than any limit here lets through."""
_LONGEST_NUMBER: Final = 400
"""Characters; a longer one is no number that Ansible or JSON would keep, but costs seconds."""
_MOST_BITS: Final = 1024
"""Of a whole number."""
_UNFIT = re.compile("[\0\ud800-\udfff]")
_GROWS = re.compile("[<>&\u2028\u2029]")


def check_text(text: str, field: str) -> str:
    """The text, where it holds neither NUL nor a lone surrogate."""
    if _UNFIT.search(text):
        raise ParamError(f"{field} must not hold NUL or a lone surrogate")
    return text


def check(value: Json, field: str, *, depth: int) -> None:
    """Refuse what is no plain data, nests deeper than `depth` or holds unfit text."""
    level, reached, seen = [value], 0, 0
    while level:
        reached += 1
        if reached > depth:
            raise ParamError(f"{field} must not nest deeper than {depth} levels")
        below: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    _check_key(key, field)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            else:
                _check_scalar(item, field)
        seen += len(below)
        if seen > _MOST_ITEMS:
            raise ParamError(f"{field} must hold at most {_MOST_ITEMS} values")
        level = below


def _check_key(key: Json, field: str) -> None:
    if not isinstance(key, str):
        raise ParamError(f"{field} must have texts as keys")
    check_text(key, field)


def _check_scalar(value: Json, field: str) -> None:
    if isinstance(value, str):
        check_text(value, field)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise ParamError(f"{field} must hold whole numbers of at most {_MOST_BITS} bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ParamError(f"{field} must hold finite numbers")
    else:
        raise ParamError(f"{field} must hold texts, numbers, booleans, lists and objects only")


def stays(value: Json) -> bool:
    """Whether the Kubernetes API gives checked data back as it is, in YAML, too: it stores 2.0 as
    2, whole numbers in 64 bits, and objects with their keys in order."""
    if isinstance(value, str):
        return NOT_IN_YAML.search(value) is None
    if isinstance(value, float):
        return not value.is_integer()
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, list):
        return all(stays(item) for item in value)
    if isinstance(value, dict):
        items = [*value, *value.values()]
        return list(value) == sorted(value) and all(stays(item) for item in items)
    return True


def check_size(value: Json, field: str, limit: int) -> None:
    """Refuse (TooLarge) what is longer than `limit` bytes as JSON or as the given text."""
    if len(dump(value)) > limit:
        raise TooLarge(f"{field} must be at most {limit} bytes")


def dump(value: Json) -> bytes:
    """The shortest JSON of checked data; of a text, the text itself."""
    text = value if isinstance(value, str) else json.dumps(
        value, ensure_ascii=False, separators=(",", ":")
    )  # fmt: skip
    return text.encode("utf-8", "surrogatepass")


def escaped(value: Json) -> str:
    """The same JSON of an array or object, with escapes for what YAML can't hold as it is."""
    return NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", dump(value).decode())


def stored_size(value: Json) -> int:
    """Bytes of JSON data as the Kubernetes API stores it: it escapes <, > and & with six each."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass")) + 5 * len(_GROWS.findall(text))


class NotParsable(Exception):
    """Neither JSON nor YAML, or out of bounds; the message goes on after `FIELD `."""


def parse(text: str, *, depth: int, work: bool = False) -> Json:
    """What a JSON or YAML text holds; plain text is a str. Raises NotParsable.

    In `work` Ansible's own tags are known, `!unsafe` and `!vault`: as its JSON has them.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise NotParsable(f"must not nest deeper than {depth} levels") from error
    except ValueError:
        pass
    try:
        _bound(text, depth)
        loader = _WorkLoader if work else _Loader
        return yaml.load(text, Loader=loader)  # noqa: S506 - made from SafeLoader
    except RecursionError as error:
        raise NotParsable(f"must not nest deeper than {depth} levels") from error
    except (yaml.YAMLError, ValueError, TypeError, LookupError, OverflowError) as error:
        raise NotParsable(f"must be JSON or YAML{_where(error)}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"


@dataclass(frozen=True, slots=True)
class _Size:
    """Of a part of a document: its values, and the bytes of its texts."""

    values: int = 0
    bytes: int = 0

    def __add__(self, other: "_Size") -> "_Size":
        return _Size(self.values + other.values, self.bytes + other.bytes)

    def __sub__(self, other: "_Size") -> "_Size":
        return _Size(self.values - other.values, self.bytes - other.bytes)


def _bound(text: str, depth: int) -> None:
    """Bound a document before anything is built from it: its nesting, and its values and texts as
    aliases multiply them."""
    sizes: dict[str, _Size] = {}
    opened: list[tuple[str | None, _Size]] = []
    total = _Size()
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        anchor, before = getattr(event, "anchor", None), total
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((anchor, total))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            total += _Size(1)
        elif isinstance(event, yaml.ScalarEvent):
            total += _Size(1, len(event.value))
        elif isinstance(event, yaml.AliasEvent):
            total += _size_of_alias(sizes, anchor)
        if anchor is not None and not isinstance(event, yaml.CollectionStartEvent):
            sizes[anchor] = total - before
        if len(opened) > depth:
            raise NotParsable(f"must not nest deeper than {depth} levels")
        if total.values > _MOST_ITEMS:
            raise NotParsable(f"must hold at most {_MOST_ITEMS} values")
        if total.bytes > _MOST_BYTES:
            raise TooLarge(f"YAML must hold at most {_MOST_BYTES} bytes of text, aliases included")


def _size_of_alias(sizes: dict[str, _Size], anchor: str | None) -> _Size:
    if anchor is None or anchor not in sizes:
        raise NotParsable("must not hold an alias to itself or to nothing")
    return sizes[anchor]


class _Loader(yaml.CSafeLoader):
    """YAML as data: keys are texts as written, dates stay texts, other tags are refused."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = True,  # noqa: ARG002 - always deep: nothing here refers to itself
    ) -> dict[Json, Json]:
        self.flatten_mapping(node)
        # YAML 1.1 makes booleans of the keys n, y, on and off; Ansible's keys are texts.
        return {self._key(key): self.construct_object(value, True) for key, value in node.value}

    def _key(self, node: yaml.Node) -> Json:
        if not isinstance(node, yaml.ScalarNode):
            raise NotParsable("must have texts as keys")
        return node.value


def _as_list(loader: Json, node: yaml.Node) -> Json:
    return loader.construct_sequence(node, deep=True)


def _as_text(loader: Json, node: yaml.Node) -> Json:
    return loader.construct_scalar(node)


def _as_int(loader: Json, node: yaml.ScalarNode) -> Json:
    return loader.construct_yaml_int(_number(node))


def _as_float(loader: Json, node: yaml.ScalarNode) -> Json:
    return loader.construct_yaml_float(_number(node))


def _number(node: yaml.ScalarNode) -> yaml.ScalarNode:
    if len(node.value) > _LONGEST_NUMBER:
        raise NotParsable(f"must hold numbers of at most {_LONGEST_NUMBER} characters")
    return node


def _as_mapping(loader: Json, node: yaml.Node) -> Json:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)
_Loader.add_constructor("tag:yaml.org,2002:value", _as_text)
_Loader.add_constructor("tag:yaml.org,2002:seq", _as_list)
_Loader.add_constructor("tag:yaml.org,2002:map", _as_mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _as_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _as_float)


class _WorkLoader(_Loader):
    """YAML as Ansible's loader takes it."""


def _as_unsafe(loader: Json, node: yaml.Node) -> Json:
    return {"__ansible_unsafe": loader.construct_scalar(node)}


def _as_vault(loader: Json, node: yaml.Node) -> Json:
    return {"__ansible_vault": loader.construct_scalar(node)}


_WorkLoader.add_constructor("!unsafe", _as_unsafe)
_WorkLoader.add_constructor("!vault", _as_vault)
