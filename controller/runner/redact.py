"""Secrets of a run, and texts without them."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

MASK: Final = "********"
SHORTEST: Final = 6
"""Characters; shorter texts would take ordinary words along."""


class Redactor:
    """Replaces what is known to be secret; made once from the secrets' texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self.longest = len(longest_first[0]) if longest_first else 0
        """Characters of the longest form: so much context a cut must leave."""
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def text(self, text: str) -> str:
        """The text with every secret replaced."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(secret: str) -> Iterable[str]:
    """The text, its lines, and each of them as it stands inside JSON or a Python text."""
    for text in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:
        if len(text) >= SHORTEST:
            yield text
            yield json.dumps(text)[1:-1]
            yield json.dumps(text, ensure_ascii=False)[1:-1]
            yield repr(text)[1:-1]


def named(variables: dict[str, Any], pattern: str) -> list[str]:
    """Texts of all values under a name that the regular expression fits, nested ones too."""
    fits = re.compile(pattern, re.IGNORECASE)
    found: list[str] = []

    def walk(value: object, secret: bool) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                walk(item, secret or bool(fits.search(str(name))))
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item, secret)
        elif secret and value is not None and not isinstance(value, bool):
            found.append(str(value))

    walk(variables, False)
    return found
