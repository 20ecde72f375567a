"""A private key as somebody stored it, made into one that OpenSSH takes, or told why it is none."""

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_PUBLIC: Final = re.compile(
    r"(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+ AAAA|-----BEGIN (?:SSH2 |RSA |)PUBLIC KEY-----"
    r"|---- BEGIN SSH2"
)
_PRIVATE: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_CHECK: Final = ("ssh-keygen", "-y", "-P", "", "-f")
"""Prints the public half of a key file that has no passphrase; takes 6 ms."""


class BadKey(ValueError):
    """The text is no key to log in with; says why: "holds a public key", "is empty" and so on."""


def checked(text: str) -> str:
    """The key as OpenSSH reads it: LF line ends, the last line ended, nothing around it.

    For a missing last line feed or for CRLF, OpenSSH refuses a whole key: `error in libcrypto`.
    BadKey where ssh-keygen can't use the key without being asked anything.
    """
    key = text.lstrip("\ufeff").replace("\r\n", "\n").strip() + "\n"
    if key == "\n":
        raise BadKey("is empty")
    if _PUBLIC.match(key):
        raise BadKey("holds a public key; the private one is needed")
    if key.startswith("PuTTY-User-Key-File"):
        raise BadKey("holds a key in PuTTY's format; export it in OpenSSH's")
    if not _PRIVATE.match(key):
        raise BadKey("holds no private key")
    _load(key)
    return key


def _load(key: str) -> None:
    # A file, not a pipe: ssh-keygen looks at the mode and owner of what it reads.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="octans-key-") as file:
        file.write(key)
        file.flush()
        done = subprocess.run(
            [*_CHECK, file.name], stdin=subprocess.DEVNULL, capture_output=True, check=False,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )  # fmt: skip
    if done.returncode == 0:
        return
    if b"passphrase" in done.stderr:
        raise BadKey("holds a private key with a passphrase; one without is needed")
    raise BadKey(
        "holds a private key that OpenSSH can't read: it is damaged, or of an unknown kind"
    )


def store(file: Path, key: str) -> None:
    """Write a key where only this user can read it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(key, encoding="utf-8")
