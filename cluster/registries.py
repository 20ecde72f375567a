"""Lets pip and uv inside a build reach packages the way they do on this machine.

What the machine is configured with may hold a password: it is mounted into the
build's steps and never becomes part of an image, as an argument or a variable would.
"""

import ast
import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "cert")
CERTIFICATES = "/etc/ssl/certs/"
"""Mounted into builds at the same place, so that a path into it is good inside too."""


def pip_settings(listing: str) -> dict[str, str]:
    """The settings of use inside a build, out of what `pip config list` prints."""
    found: dict[str, str] = {}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        setting = name.rpartition(".")[2]
        if setting in PIP_SETTINGS and value.startswith(("'", '"')):
            found[setting] = str(ast.literal_eval(value))
    if not found.get("cert", "").startswith(CERTIFICATES):
        found.pop("cert", None)
    return found


def uv_settings(pip: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """uv's settings: its own variables, else what pip has; and the machine's certificates."""
    index = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
    index = index or pip.get("index-url", "")
    settings = {"native-tls": "true"}
    if index:
        settings["index-url"] = f'"{index}"'
    return settings


@contextlib.contextmanager
def mounts() -> Iterator[list[str]]:
    """The `-v` arguments for buildah, good while the context lasts."""
    pip = pip_settings(_pip_config_list())
    uv = uv_settings(pip, os.environ)
    with tempfile.TemporaryDirectory(prefix="octans-build-") as name:
        pip_file, uv_file = Path(name, "pip.conf"), Path(name, "uv.toml")
        pip_file.write_text("[global]\n" + "".join(f"{k} = {_ini(v)}\n" for k, v in pip.items()))
        uv_file.write_text("".join(f"{k} = {v}\n" for k, v in uv.items()))
        yield ["-v", f"{pip_file}:/etc/pip.conf:ro", "-v", f"{uv_file}:/etc/uv/uv.toml:ro"]


def _ini(value: str) -> str:
    """Several values stand on lines of their own, indented."""
    return "\n    ".join(value.splitlines())


def _pip_config_list() -> str:
    try:
        return subprocess.run(
            ["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return ""
