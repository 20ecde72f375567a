"""The variables of a run: which names are refused, what `varsFrom` Secrets hold."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from crds import runinput
from crds.nesting import DEEPEST, too_deep

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


def read_folders(folder: Path, secrets: Sequence[str]) -> dict[str, Any]:
    """Variables of the Secrets so named, mounted in `0/`, `1/`, ...; later ones win.

    BadVariables where one holds something else, or a name that is refused.
    """
    found: dict[str, Any] = {}
    for index, secret in enumerate(secrets):
        for file in sorted((folder / str(index)).iterdir()):
            if not file.name.startswith(".") and file.is_file():
                found |= _read_file(secret, file)
    return found


def _read_file(secret: str, file: Path) -> dict[str, Any]:
    where = f"the key {file.name} of the Secret {secret}"
    value = _values(where, file)
    try:
        check(list(value))
    except BadVariables as bad:
        raise BadVariables(f"{where}: {bad}") from None
    return value


def _values(where: str, file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadVariables(f"{where} is not UTF-8 text") from None
    if file.name not in {runinput.VARS_KEY, "vars.yaml", "vars.yml"}:
        return {file.name: text}
    value = _parse(where, text, is_json=file.name == runinput.VARS_KEY)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BadVariables(f"{where} must hold an object whose keys are names of variables")
    if too_deep(value):
        raise BadVariables(f"{where} nests deeper than {DEEPEST} levels")
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
