"""How deep JSON data may nest that people write. Pure."""

from typing import Any, Final

DEEPEST: Final = 200
"""Levels of lists and objects that work and variables may have: nobody writes so many by hand, and
what handles them in the pod (Jinja2, PyYAML) walks them by recursion."""


def too_deep(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether data has more than DEEPEST levels."""
    level = [value]
    for _ in range(DEEPEST + 1):
        if not level:
            return False
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below
    return bool(level)
