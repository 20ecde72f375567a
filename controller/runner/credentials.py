"""The Secrets that a run logs in with, looked at before Ansible starts.

A Secret is mounted whole, so that the keys which are there can be told where one is missing. Names
of Secrets and of their keys are told; what stands in them never is.
"""

import base64
import binascii
from pathlib import Path
from typing import Final

from controller.runner import private_key
from controller.runner.paths import Paths
from crds.runinput import RunInput

_LARGEST: Final = 1024 * 1024
"""Bytes, as Kubernetes limits a Secret."""
_LISTED: Final = 10
"""Keys of a Secret that are named at most."""


class BadSecret(ValueError):
    """A Secret can't be used; says which, and which key of it, in one sentence."""


def check(paths: Paths, given: RunInput) -> None:
    """BadSecret for the first Secret that can't be used; stores the private key for ssh."""
    if given.ssh_key_secret:
        text = _text(given.ssh_key_secret, paths.ssh_key)
        try:
            key = private_key.checked(text)
        except private_key.BadKey as bad:
            raise BadSecret(f"{where(given.ssh_key_secret, paths.ssh_key)} {bad}") from None
        private_key.store(paths.private_key, key)
    if given.known_hosts_secret:
        _known_hosts(given.known_hosts_secret, paths.known_hosts)
    for secret, file in (
        (given.become_password_secret, paths.become_password),
        (given.vault_password_secret, paths.vault_password),
    ):
        # Ansible takes off the white space around it, a last line feed with it.
        if secret and not _text(secret, file).strip():
            raise BadSecret(f"{where(secret, file)} is empty")


def where(secret: str, file: Path) -> str:
    """How a key of a Secret is named to people."""
    return f"the key {file.name} of the Secret {secret}"


def _text(secret: str, file: Path) -> str:
    """The value of a key; BadSecret where it is missing or no text."""
    if not file.is_file():
        keys = sorted(e.name for e in file.parent.iterdir() if not e.name.startswith("."))
        more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
        there = f"it has {', '.join(keys[:_LISTED])}{more}" if keys else "it is empty"
        raise BadSecret(f"the Secret {secret} has no key {file.name}; {there}")
    try:
        return file.read_bytes()[:_LARGEST].decode()
    except UnicodeDecodeError:
        raise BadSecret(f"{where(secret, file)} is not UTF-8 text") from None


def _known_hosts(secret: str, file: Path) -> None:
    """BadSecret where no line could ever let a host in; what else is wrong, ssh passes over."""
    text = _text(secret, file)
    if not text.strip():
        raise BadSecret(f"{where(secret, file)} is empty")
    if not any(_names_a_key(line) for line in text.splitlines()):
        raise BadSecret(
            f"{where(secret, file)} has no line that names a host and its public key,"
            " as ssh-keyscan prints them"
        )


def _names_a_key(line: str) -> bool:
    """Whether a line of known_hosts is `[@marker] hosts type key [comment]` (sshd(8))."""
    words = line.split()
    if words and words[0].startswith("@"):
        words = words[1:]
    if len(words) < 3 or words[0].startswith("#"):
        return False
    try:
        blob = base64.b64decode(words[2], validate=True)
    except (binascii.Error, ValueError):
        return False
    # The key says its own type first, behind four bytes of length (RFC 4253, 6.6).
    return blob[4 : 4 + len(words[1])] == words[1].encode()
