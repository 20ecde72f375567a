"""The pure parts of letting a request in: addresses, rates, memory, what is remembered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.address import of_caller, trusted
from api.limits import Memory, Rate, Rates
from api.problems import NotAuthenticated, TooMany
from api.remembered import Remembered
from api.settings import Settings
from crds import errors
from tests.unit.clock import Clock

TRUST: dict[str, Any] = {
    "auth": "token", "auth_token": "t", "trusted_networks": "10.0.0.0/8, fd00::/8",
    "proxy_networks": "192.0.2.0/24",
}  # fmt: skip
Lines = list[tuple[str, str]]
FORWARDED: dict[str, tuple[str, Lines, bool]] = {
    "from a trusted network": ("10.1.2.3", [], True),
    "from a trusted IPv6 network": ("fd00::1", [], True),
    "IPv4 in IPv6 form": ("::ffff:10.1.2.3", [], True),
    "from elsewhere": ("198.51.100.1", [], False),
    "elsewhere, claiming": ("198.51.100.1", [("x-forwarded-for", "10.1.2.3")], False),
    "an unknown proxy in a trusted network": ("10.1.2.3", [("x-forwarded-for", "8.8.8.8")], False),
    "an unknown proxy, other header": ("10.1.2.3", [("forwarded", "for=8.8.8.8")], False),
    "our proxy, trusted caller": ("192.0.2.1", [("x-forwarded-for", "10.1.2.3")], True),
    "our proxy, other caller": ("192.0.2.1", [("x-forwarded-for", "8.8.8.8")], False),
    "our proxy, a claim": ("192.0.2.1", [("x-forwarded-for", "10.1.2.3, 8.8.8.8")], False),
    "our proxy's line behind a claim": (
        "192.0.2.1", [("x-forwarded-for", "10.1.2.3"), ("x-forwarded-for", "8.8.8.8")], False,
    ),
    "our two proxies": ("192.0.2.1", [("x-forwarded-for", "10.1.2.3, 192.0.2.9")], True),
    "our proxy without a word": ("192.0.2.1", [], False),
    "our proxy, nonsense": ("192.0.2.1", [("x-forwarded-for", "10.1.2.3, x")], False),
    "no address": ("", [], False),
}  # fmt: skip


@pytest.mark.parametrize(("peer", "headers", "expected"), FORWARDED.values(), ids=FORWARDED)
def test_who_is_trusted_for_an_address(peer: str, headers: Lines, expected: bool) -> None:
    settings = Settings.model_validate(TRUST)
    address = of_caller(peer, headers, settings.proxy_networks)
    assert trusted(address, settings.trusted_networks) is expected


def test_buckets_fill_again_with_time() -> None:
    clock = Clock()
    rates = Rates(Rate(10, 2), Rate(1000, 1000), clock)
    rates.take("a", runs=True)
    rates.take("a", runs=True)
    with pytest.raises(TooMany):
        rates.take("a", runs=True)
    clock.now = 0.1
    rates.take("a", runs=True)
    with pytest.raises(TooMany):
        rates.take("a", runs=True)


@given(st.lists(st.floats(0, 1), max_size=60))
def test_a_source_never_gets_more_than_its_share(steps: list[float]) -> None:
    clock = Clock()
    rates = Rates(Rate(5, 3), Rate(1, 1), clock)
    taken = 0
    for step in steps:
        clock.now += step
        try:
            rates.take("a", runs=True)
        except TooMany:
            continue
        taken += 1
    assert taken <= 3 + 5 * sum(steps) + 1e-6


def test_memory_is_given_back() -> None:
    memory = Memory(10)
    memory.take(8)
    with pytest.raises(TooMany):
        memory.take(3)
    memory.give(8)
    memory.take(10)


async def test_answers_are_remembered_for_a_while_and_errors_are_not() -> None:
    clock = Clock()
    kept: Remembered[int] = Remembered(60, 2, clock)
    asked: list[str] = []

    async def ask() -> int:
        asked.append("x")
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise NotAuthenticated("first")
        return len(asked)

    with pytest.raises(NotAuthenticated):
        await kept.get("a", ask)
    assert await asyncio.gather(*(kept.get("a", ask) for _ in range(5))) == [2] * 5
    clock.now = 59
    assert await kept.get("a", ask) == 2
    clock.now = 60
    assert await kept.get("a", ask) == 3
    await kept.get("b", ask)
    await kept.get("c", ask)
    assert await kept.get("a", ask) == 6


async def test_an_answer_is_given_while_it_is_renewed_and_while_there_is_no_new_one() -> None:
    clock = Clock()
    kept: Remembered[int] = Remembered(60, 2, clock, renewal=30)
    asked: list[str] = []
    answers: list[int | Exception] = []

    def question(word: str) -> Callable[[], Awaitable[int]]:
        async def ask() -> int:
            asked.append(word)
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask

    async def get() -> int:
        found = await kept.get("a", question("ask"), renew=question("renew"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return found

    answers = [1, errors.Unavailable("away"), errors.Unavailable("away"), 2]
    assert await get() == 1
    clock.now = 29
    assert await get() == 1
    assert asked == ["ask"]
    clock.now = 30
    assert [await get() for _ in range(2)] == [1, 1], "no new one yet"
    assert asked == ["ask", "renew", "renew"]
    clock.now = 40
    assert [await get() for _ in range(2)] == [1, 2], "asked for anew meanwhile"
    clock.now = 69
    assert await get() == 2
    answers = [errors.Unavailable("away"), NotAuthenticated("revoked"), 4]
    clock.now = 100
    with pytest.raises(errors.Unavailable):
        await get()
    with pytest.raises(NotAuthenticated):
        await get()
    assert await get() == 4
    assert asked[-3:] == ["ask", "ask", "ask"], "as a stranger again"
