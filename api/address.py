"""From where a request comes, and whether its caller is trusted for that. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from api.settings import Networks

_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")
"""Headers that a proxy adds; whoever sends one came, or claims to have come, through a proxy."""


def of_caller(
    peer: str, headers: Sequence[tuple[str, str]], proxies: Networks
) -> IPv4Address | IPv6Address | None:
    """The caller's address; None where it can't be known. `headers` are all lines, names in lower
    case: some proxies add to the caller's X-Forwarded-For, others write one of their own behind it.

    The peer's own, unless that is one of our proxies: then the last address of X-Forwarded-For
    that is not a proxy of ours. What a caller wrote there itself stands before that. A request
    that shows signs of another proxy has no known address.
    """
    address = parsed(peer)
    if address is None or not _within(address, proxies):
        return None if any(name in _FORWARDED for name, _ in headers) else address
    lines = [text for name, text in headers if name == "x-forwarded-for"]
    for text in reversed(",".join(lines).split(",")):
        address = parsed(text)
        if address is None or not _within(address, proxies):
            return address
    return None


def trusted(address: IPv4Address | IPv6Address | None, networks: Networks) -> bool:
    """Whether an address is in one of the networks."""
    return address is not None and _within(address, networks)


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address, an IPv4 address in IPv6 form as IPv4; None for anything else."""
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: IPv4Address | IPv6Address, networks: Networks) -> bool:
    return any(address.version == network.version and address in network for network in networks)
