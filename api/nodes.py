"""Which machines a request names: addresses and host names that may carry a port. Pure."""

import re
from ipaddress import IPv4Address, IPv6Address

from api.freeform import Json
from api.problems import ParamError, TooLarge
from crds.hosts import ip_address

_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*\.?"
)
_LONGEST_HOST = 253
"""Characters; DNS knows no longer name (RFC 1035, 2.3.4)."""
_PORT = re.compile(r"[0-9]{1,5}")
_LOCAL_NAMES = re.compile(
    r"(.*\.)?localhost(\.localdomain)?|localhost[46](\.localdomain[46])?|ip6-(localhost|loopback)",
    re.IGNORECASE,
)


def read(
    value: Json, *, most: int = 10_000, limit: int = 128 * 1024, allow_loopback: bool = False
) -> tuple[str, ...]:
    """The nodes, each once in its first place, byte for byte as they came.

    More than `limit` bytes in all are TooLarge; more than `most`, or anything but names and
    addresses of other machines, is a ParamError.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise ParamError(f"nodes must be a list of 1 to {most} strings")
    size = 0
    for at, node in enumerate(value):
        if not isinstance(node, str):
            raise ParamError(f"nodes[{at}] must be a string")
        size += len(node.encode("utf-8", "surrogatepass"))
        if size > limit:
            raise TooLarge(f"nodes must be at most {limit} bytes together")
    unique = tuple(dict.fromkeys(value))
    for node in unique:
        if fault := why_refused(node, allow_loopback=allow_loopback):
            raise ParamError(f"nodes[{value.index(node)}] {fault}")
    return unique


def why_refused(node: str, *, allow_loopback: bool = False) -> str | None:
    """What is wrong with a node's text, as the end of a sentence; None where nothing is."""
    if not node.strip():
        return "must not be blank"
    if node.startswith("-"):
        return "must not start with -"
    if re.search(r"[\s=\x00-\x1f\x7f-\x9f]", node):
        return "must not hold whitespace, = or control characters"
    host, port = split(node)
    if len(host) > _LONGEST_HOST:
        return f"must have a host of at most {_LONGEST_HOST} characters"
    if port is not None and not (_PORT.fullmatch(port) and 1 <= int(port) <= 65535):
        return "must have a port of 1 to 65535 after the colon"
    address = ip_address(host)
    bracketed = node.startswith("[")
    named = not bracketed and (address is not None or _HOST_NAME.fullmatch(host))
    if not named and not isinstance(address, IPv6Address):
        return (
            "must be an IPv4 address, an IPv6 address or a host name, each with or without a port"
        )
    if allow_loopback or not _is_local(host.rstrip("."), address):
        return None
    return "must not be localhost, a loopback or a link-local address"


def split(node: str) -> tuple[str, str | None]:
    """Host and port text of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address."""
    if found := re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", node):
        return found[1], found[2]
    if node.count(":") == 1:
        host, _, port = node.partition(":")
        return host, port
    return node, None


def _is_local(host: str, address: IPv4Address | IPv6Address | None) -> bool:
    if address is None:
        return _LOCAL_NAMES.fullmatch(host) is not None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif int(address) >> 32 == 0 and int(address) > 1:
            address = IPv4Address(int(address))  # ::127.0.0.1
    # Connecting to the unspecified address reaches the machine itself.
    return address.is_loopback or address.is_link_local or address.is_unspecified
