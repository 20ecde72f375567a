"""The variables of a run: which names are refused, what `varsFrom` Secrets hold."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from crds import runinput

_MAGIC: Final = frozenset({
    "hostvars", "groups", "group_names", "play_hosts", "playbook_dir",
    "omit", "vars", "lookup", "query",
})  # fmt: skip
_MAGIC_PREFIXES: Final = ("ansible_", "inventory_hostname", "role_")


class BadVariables(ValueError):
    """Variables that are refused; says which in one sentence."""


def check(names: Iterator[str] | list[str]) -> None:
    """BadVariables for the names that API.md refuses; nothing beyond them."""
    for name in names:
        if name in _MAGIC or name.startswith(_MAGIC_PREFIXES):
            raise BadVariables(f"variable {name!r} is Ansible's own and can't be set")


def read_folders(folder: Path, count: int) -> dict[str, Any]:
    """Variables of the Secrets mounted in `0/`, `1/`, ...; later ones win; else BadVariables."""
    found: dict[str, Any] = {}
    for index in range(count):
        for file in sorted((folder / str(index)).iterdir()):
            if not file.name.startswith(".") and file.is_file():
                found |= _read_file(index, file)
    return found


def _read_file(index: int, file: Path) -> dict[str, Any]:
    where = f"varsFrom {index}: {file.name}"
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadVariables(f"{where} is not UTF-8 text") from None
    if file.name not in {runinput.VARS_KEY, "vars.yaml", "vars.yml"}:
        return {file.name: text}
    value = _parse(where, text, is_json=file.name == runinput.VARS_KEY)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BadVariables(f"{where} must hold an object whose keys are names of variables")
    return value


def _parse(where: str, text: str, *, is_json: bool) -> object:
    try:
        if is_json:
            return json.loads(text)
        # Dates and the like become texts; what JSON can't hold no variable can.
        return json.loads(json.dumps(yaml.safe_load(text), default=str))
    except (ValueError, TypeError, RecursionError, yaml.YAMLError):
        # The parser's own words would quote the text, which is secret.
        kind = "JSON" if is_json else "YAML"
        raise BadVariables(f"{where} can't be read as {kind}") from None
