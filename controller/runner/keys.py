"""Private keys of single hosts, fetched from a key service (the setting `ssh.keyUrl`)."""

import contextlib
import shlex
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final
from urllib.error import HTTPError
from urllib.parse import quote

from controller.runner import private_key
from crds.hosts import Address

TIMEOUT: Final = 5.0
"""Seconds for one key."""
AT_A_TIME: Final = 16
_LARGEST: Final = 64 * 1024
"""Bytes; no private key is longer."""


@dataclass(frozen=True, slots=True)
class Found:
    """A host's key, or, with an empty text, why there is none."""

    text: str
    problem: str = ""


def fetch(url: str, addresses: Mapping[str, Address]) -> Iterator[dict[str, Found]]:
    """Fetch `url` + address once for each host; gives what came, at least every second.

    Who stops asking leaves threads behind that end with the process.
    """
    names = SimpleQueue[str]()
    found = SimpleQueue[tuple[str, Found]]()
    for name in addresses:
        names.put(name)

    def work() -> None:
        with contextlib.suppress(Empty):
            while True:
                name = names.get_nowait()
                found.put((name, _fetch(url + quote(addresses[name].host, safe=":"))))

    for _ in range(min(AT_A_TIME, len(addresses))):
        threading.Thread(target=work, name="key", daemon=True).start()
    left = len(addresses)
    while left:
        try:
            name, key = found.get(timeout=1.0)
        except Empty:
            yield {}
            continue
        left -= 1
        yield {name: key}


def _fetch(url: str) -> Found:
    try:
        text = _get(url)
    except HTTPError as error:
        with error:
            return Found("", f"the key service answered {error.code}")
    except (OSError, HTTPException, ValueError):
        return Found("", f"the key service did not answer within {TIMEOUT:g} s, or is not there")
    if not text.strip():
        return Found("", "the key service has no key for it")
    try:
        return Found(private_key.checked(text))
    except private_key.BadKey as bad:
        return Found("", f"what the key service answered {bad}")


def _get(url: str) -> str:
    """The body; TimeoutError where it takes longer in all, OSError and others by urllib."""
    until = time.monotonic() + TIMEOUT
    # No proxy: the key service is the installation's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=TIMEOUT) as answer:
        body = b""
        while (piece := answer.read1(4096)) and len(body) < _LARGEST:
            body += piece
            if time.monotonic() > until:
                raise TimeoutError
    return body.decode("utf-8", "replace")


def write(folder: Path, found: Mapping[str, Found]) -> dict[str, dict[str, str]]:
    """Write the keys, readable by us only; gives variables by host for Ansible's inventory.

    A host without a key gets, in ssh's place, a program that says so: it is unreachable, alone,
    in Ansible's own way, and never connected to.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    variables: dict[str, dict[str, str]] = {}
    for number, (name, key) in enumerate(found.items()):
        file = folder / str(number)
        if key.text:
            private_key.store(file, key.text)
            variables[name] = {"ansible_ssh_private_key_file": str(file)}
        else:
            file.touch(mode=0o700)
            said = shlex.quote(f"no SSH key: {key.problem}")
            file.write_text(f"#!/bin/sh\necho {said} >&2\nexit 255\n", encoding="utf-8")
            variables[name] = {"ansible_ssh_executable": str(file)}
    return variables
