"""Makes docs/settings.md and docs/reasons.md from the code; `--check` fails where they are old."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import api.settings
import controller.settings
from crds.conditions import ADVICE, Phase, Reason

ROOT: Final = Path(__file__).resolve().parents[1]
TEMPLATES: Final = ROOT / "charts" / "octans" / "templates"
VALUE: Final = re.compile(r"name: (OCTANS_\w+), value(?:From)?: .*?\.Values\.([\w.]+)")
WITH: Final = re.compile(r"\{\{- with \.Values\.([\w.]+) \}\}\s+- \{?name: (OCTANS_\w+),")

SETTINGS_HEAD: Final = """# Settings

Made by `make reference` from the programs' own settings and the chart.

Both programs read environment variables. The chart sets them from its values, which
[values.yaml](../charts/octans/values.yaml) lists with a comment each; a variable without a value of
its own is set through `api.extraEnv` or `controller.extraEnv`:

    controller:
      extraEnv:
      - {name: OCTANS_WORKERS, value: "32"}

Lists and objects are JSON text. A program that is given nonsense says so and does not start.
"""
REASONS_HEAD: Final = """# Phases and reasons

Made by `make reference` from [crds/conditions.py](../crds/conditions.py).

A task's `status.phase` only moves down this list; the last four are final:
{phases}.

Its two conditions are `Succeeded` (True when every host finished well, False at any other end,
Unknown before) and `Finished` (True at every end: `kubectl wait --for=condition=Finished` waits for
it). Their reason is one of these; the message says what happened in this case.

| reason | what to do |
|---|---|
"""


def main() -> int:
    """Write the pages, or with `--check` compare them."""
    pages = {"settings.md": settings(), "reasons.md": reasons()}
    old = [name for name, text in pages.items() if _read(ROOT / "docs" / name) != text]
    if "--check" in sys.argv:
        for name in old:
            sys.stderr.write(f"docs/{name} is old: run `make reference`.\n")
        return 1 if old else 0
    for name in old:
        (ROOT / "docs" / name).write_text(pages[name])
    return 0


def settings() -> str:
    """The page of both programs' settings."""
    values = _chart_values()
    lines = [SETTINGS_HEAD]
    for title, model in (
        ("API", api.settings.Settings),
        ("Controller", controller.settings.Settings),
    ):
        lines.append(
            f"## {title}\n\n| variable | default | meaning | chart value |\n|---|---|---|---|"
        )
        lines += _rows(model, values)
        lines.append("")
    return "\n".join(lines)


def reasons() -> str:
    """The page of phases and reasons."""
    phases = ", ".join(f"`{phase}`" for phase in Phase)
    rows = "".join(f"| `{reason}` | {ADVICE[reason]} |\n" for reason in Reason)
    return REASONS_HEAD.format(phases=phases) + rows


def _rows(model: type[BaseSettings], values: dict[str, str]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = f"OCTANS_{name.upper()}"
        value = f"`{values[variable]}`" if variable in values else ""
        yield f"| `{variable}` | {_default(field)} | {_meaning(field)} | {value} |"


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    text = str(default.get_secret_value() if hasattr(default, "get_secret_value") else default)
    if isinstance(default, dict | list | tuple):
        text = "" if not default else re.sub(r"'", '"', text)
    return f"`{text}`" if text else ""


def _meaning(field: FieldInfo) -> str:
    words = field.description or ""
    if get_origin(field.annotation) is Literal and not words:
        words = "One of " + ", ".join(f"`{choice}`" for choice in get_args(field.annotation)) + "."
    return words.replace("|", "\\|")


def _chart_values() -> dict[str, str]:
    """Environment variable to the chart's value that it is set from."""
    found = {
        "OCTANS_RUNNER_IMAGES": "runner.image, runner.images",
        "OCTANS_AUTH_TOKEN": "api.auth.tokenSecret",
    }
    for file in sorted(TEMPLATES.glob("*.yaml")):
        text = file.read_text()
        found.update(VALUE.findall(text))
        found.update({variable: value for value, variable in WITH.findall(text)})
    return found


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
