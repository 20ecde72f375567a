"""What a program needs of its process: settings from the environment, and depth for JSON."""

import sys
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

S = TypeVar("S", bound=BaseSettings)


_RECURSION: Final = 25_000
"""The API server takes 10,000 levels of JSON, and kopf copies what it watches with two calls a
level."""


def allow_deep_json() -> None:
    """Let every object be read that the API server takes.

    By Python's default, one of 1,000 levels would end each list and each watch that it is in.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION))


def load(kind: type[S]) -> S:
    """The settings; exits with status 2 and a sentence a setting where they are wrong."""
    try:
        return kind()
    except (ValidationError, SettingsError) as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        for line in faults(error, prefix):
            sys.stderr.write(line + "\n")
        sys.exit(2)


def faults(error: ValidationError | SettingsError, prefix: str) -> list[str]:
    """One sentence a wrong setting, without its value: it may be a secret."""
    if isinstance(error, SettingsError):
        # NB: its text names the field and speaks of JSON; the value stands in its cause only.
        return [f"octans: {error}."]
    found = []
    for fault in error.errors(include_input=False, include_url=False):
        # NB: what has a bracket is no name but a type, in pydantic's words.
        named = [str(part) for part in fault["loc"] if "[" not in str(part)]
        name = f"{prefix}{'_'.join(named).upper()}: " if named else ""
        found.append(f"octans: {name}{fault['msg'].removeprefix('Value error, ')}.")
    return found
