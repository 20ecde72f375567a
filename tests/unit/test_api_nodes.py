"""Which node texts are machines (API.md, run, nodes)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import nodes
from api.problems import ParamError, Problem, TooLarge
from crds import hosts

ACCEPTED = [
    "10.0.0.7", "10.0.0.7:2222", "fd00::7", "[fd00::7]", "[fd00::7]:2222", "web-1.example.com",
    "web_1", "WEB1:22", "example.com.", "127.example.com", "localhosts", "1.1.1.1:65535",
]  # fmt: skip

REFUSED = {
    "blank": "",
    "only spaces": "   ",
    "leading dash": "-oProxyCommand=x",
    "whitespace inside": "a b",
    "line feed": "a\nb",
    "other whitespace": "a\u2003b",
    "equals sign": "a=b",
    "control character": "a\x07b",
    "loopback": "127.0.0.1",
    "loopback with port": "127.9.9.9:22",
    "loopback, short": "127.1",
    "loopback, one number": "2130706433",
    "loopback, octal": "0177.0.0.1",
    "loopback, hexadecimal": "0x7f.1",
    "an address that is longer than any name": "0" * 300 + "7",
    "likewise, hexadecimal, with a port": "0x" + "0" * 300 + "b000007:22",
    "likewise, loopback": "0" * 300 + "127.0.0.1",
    "IPv4 in brackets": "[10.0.0.7]:22",
    "IPv4 in brackets, short": "[1.2]",
    "loopback v6": "::1",
    "loopback v6 with port": "[::1]:2222",
    "loopback v6, mapped": "::ffff:127.0.0.1",
    "loopback v6, compatible": "::127.0.0.1",
    "unspecified": "0.0.0.0",
    "unspecified v6": "::",
    "link-local": "169.254.169.254",
    "link-local v6": "fe80::1",
    "link-local with a scope": "fe80::1%eth0",
    "a scope": "fd00::1%eth0",
    "localhost": "localhost",
    "localhost, other case": "LocalHost:22",
    "localhost with a dot": "localhost.",
    "below localhost": "a.localhost",
    "localhost of a distribution": "localhost4.localdomain4",
    "no port after the colon": "host:",
    "port 0": "host:0",
    "port too high": "host:65536",
    "port no number": "host:ssh",
    "two colons": "host:22:22",
    "brackets around a name": "[host]:22",
    "open bracket": "[fd00::7",
    "template": "{{lookup('pipe','id')}}",
    "pattern": "web*",
    "list in one": "a,b",
    "path": "a/b",
    "user in it": "root@host",
    "other letters": "höst",
}


@pytest.mark.parametrize("node", ACCEPTED)
def test_machines_are_given_back_byte_for_byte(node: str) -> None:
    assert nodes.read([node]) == (node,)


@pytest.mark.parametrize("node", ACCEPTED)
def test_the_runner_takes_what_the_api_takes(node: str) -> None:
    assert hosts.parse(node).host


@given(st.text(alphabet="1a.:[]0x", min_size=1, max_size=16))
def test_the_runner_takes_whatever_the_api_takes(node: str) -> None:
    if nodes.why_refused(node, allow_loopback=True) is None:
        assert hosts.parse(node).host


@pytest.mark.parametrize("node", REFUSED.values(), ids=REFUSED.keys())
def test_no_machines_are_refused_with_their_place(node: str) -> None:
    with pytest.raises(ParamError, match=r"^param error, error: nodes\[1\] must "):
        nodes.read(["10.0.0.7", node])


@pytest.mark.parametrize("node", ["127.0.0.1", "localhost:2222", "[::1]:2222", "169.254.1.1"])
def test_a_setting_allows_loopback(node: str) -> None:
    assert nodes.read([node], allow_loopback=True) == (node,)


def test_duplicates_are_dropped_and_the_first_place_kept() -> None:
    assert nodes.read(["b", "a", "b", "a:22", "a"]) == ("b", "a", "a:22")


@pytest.mark.parametrize("value", [None, [], {}, "10.0.0.7", 7, [7], [None], [["a"]], {"a": 1}])
def test_anything_but_a_list_of_strings_is_a_param_error(value: object) -> None:
    with pytest.raises(ParamError, match=r"^param error, error: nodes"):
        nodes.read(value)


def test_too_many_or_too_long_nodes_name_the_limit() -> None:
    with pytest.raises(ParamError, match="nodes must be a list of 1 to 10000 strings"):
        nodes.read(["a"] * 10_001)
    with pytest.raises(TooLarge, match="131072"):
        nodes.read(["a" * 200 + str(at) for at in range(1000)])


def _read(text: str) -> tuple[str, ...] | str:
    try:
        return nodes.read([text])
    except Problem as problem:
        return problem.message


@given(st.text(max_size=40))
def test_any_text_is_a_machine_or_refused(text: str) -> None:
    found = _read(text)
    assert found == (text,) or str(found).startswith("param error, error: nodes[0]")
