"""The plain fields of a request body, each checked with one sentence that names it. Pure."""

import re

from api.freeform import Json, check_text
from api.problems import ParamError

_DIGITS = re.compile(r"[0-9]{1,12}")


class Fields:
    """A body's fields; null counts as absent, what is not asked for is ignored."""

    def __init__(self, body: dict[str, Json]) -> None:
        self._body = body

    def get(self, name: str) -> Json:
        """The raw value; None where it is absent."""
        return self._body.get(name)

    def text(
        self, name: str, *, most: int, pattern: str = "", must: str = "", empty: bool = False
    ) -> str | None:
        """A string of at most `most` characters that fits `pattern`, told as `must`."""
        value = self.get(name)
        if value is None:
            return None
        least = 0 if empty else 1
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise ParamError(f"{name} must be a string of {least} to {most} characters")
        check_text(value, name)
        if pattern and not re.fullmatch(pattern, value):
            raise ParamError(f"{name} must be {must}")
        return value

    def whole(self, name: str, *, least: int, most: int) -> int | None:
        """A whole number, or its digits, from `least` to `most`."""
        value = self.get(name)
        if value is None:
            return None
        number = whole(value)
        if number is None or not least <= number <= most:
            raise ParamError(f"{name} must be a whole number from {least} to {most}")
        return number

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise ParamError(f"{name} must be true or false")
        return value

    def words(self, name: str) -> tuple[str, ...] | None:
        """A list of words, or one string with commas between them."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            value = [word.strip() for word in value.split(",") if word.strip()]
        fault = f"{name} must be a list of at most 100 words without whitespace or commas"
        if not isinstance(value, list) or len(value) > 100:
            raise ParamError(fault)
        for word in value:
            if not isinstance(word, str) or not re.fullmatch(r"[^,\s-][^,\s]{0,252}", word):
                raise ParamError(fault)
            check_text(word, name)
        return tuple(value) or None


def whole(value: Json) -> int | None:
    """The whole number that a JSON number or a text of digits stands for; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)  # JSON knows one kind of number: 7.0 is 7
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return None
