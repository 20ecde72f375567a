"""A host as the caller wrote it, taken apart for Ansible."""

import ipaddress
import re
from dataclasses import dataclass

_BRACKETED = re.compile(r"\[([^\[\]]+)\](?::([0-9]{1,5}))?")
_WITH_PORT = re.compile(r"([^:\[\]]+):([0-9]{1,5})")
# `-` would be an option of ssh, `@` another user, `/` a URI or a path.
_NAME = re.compile(r"[^\s\x00-\x1f\x7f=@/:\[\]-][^\s\x00-\x1f\x7f=@/:\[\]]*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a host is reached; `port` is None where the text carries none."""

    host: str
    port: int | None = None


class BadHost(ValueError):
    """The text is no address or name of a host; says so in one sentence."""


def parse(text: str) -> Address:
    """The address in `10.0.0.7`, `web1:2222`, `fd00::7` or `[fd00::7]:2222`; else BadHost."""
    if found := _BRACKETED.fullmatch(text):
        if _version(found[1]) != 6:
            raise BadHost(f"host {text!r}: what stands in brackets is no IPv6 address")
        return Address(found[1], _port(text, found[2]))
    if found := _WITH_PORT.fullmatch(text):
        return Address(_name(text, found[1]), _port(text, found[2]))
    if _version(text) == 6:
        return Address(text)
    return Address(_name(text, text))


def _version(text: str) -> int:
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def _name(text: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadHost(f"host {text!r} is no address or name of a host")
    return name


def _port(text: str, digits: str | None) -> int | None:
    if digits is None:
        return None
    port = int(digits)
    if not 1 <= port <= 65535:
        raise BadHost(f"host {text!r}: the port must be 1 to 65535")
    return port
