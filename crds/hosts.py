"""A host as the caller wrote it, and which machine that is; pure."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

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


def ip_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a program connects to for a text; None for a name."""
    if "%" in host:
        return None  # a scope is any text
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # 127.1, 0177.0.0.1 and 2130706433 are addresses to every C library, so to ssh too.
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


Machine = tuple[str, int]
"""Address or name, as one spelling of many, and port."""


def machine(text: str, port: int) -> Machine:
    """Which machine a text means where `port` is that of hosts without one.

    Two names of one address are two machines here: nobody is asked for addresses of names.
    """
    try:
        found = parse(text)
    except BadHost:
        return text, 0  # the runner refuses it
    address = ip_address(found.host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    host = found.host.lower().removesuffix(".") if address is None else str(address)
    return host, port if found.port is None else found.port


@lru_cache(maxsize=64)
def by_machine(hosts: tuple[str, ...], port: int) -> dict[Machine, str]:
    """Each machine of some hosts, and the first text that means it; not to be changed."""
    found: dict[Machine, str] = {}
    for text in hosts:
        found.setdefault(machine(text, port), text)
    return found


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
