"""Who may call: the three modes against the real API server, and connections that are cut off."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from crds import names
from tests.cluster.platform import pki, programs
from tests.cluster.platform.calls import Octans, unique
from tests.cluster.platform.installation import Installation
from tests.cluster.platform.processes import HostProcess

GOOD = {"nodes": ["192.0.2.1"], "tasks": [{"raw": "true"}]}


@asynccontextmanager
async def serving(
    installation: Installation, log: Path, **environment: str
) -> AsyncIterator[Octans]:
    """A further API with other settings."""
    process: HostProcess = await programs.api(installation, log)
    await process.start(**environment)
    async with httpx.AsyncClient(base_url=process.url, trust_env=False, timeout=30) as http:
        try:
            yield Octans(http)
        finally:
            await process.stop()


async def status(octans: Octans, call: str, token: str, **headers: str) -> int:
    """How a call with a token is answered."""
    body = {**GOOD, "name": unique("caller")} if call == "run" else {"id": 1}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    answer = await octans.post(call, body, headers)
    if answer.status_code != 200:
        assert answer.json().keys() == {"code", "message"}
        assert token not in answer.text or not token
    return answer.status_code


async def test_kubernetes_knows_callers_and_their_rights(
    installation: Installation, tmp_path: Path
) -> None:
    kubectl = installation.kubectl
    who, reader, nobody = unique("caller"), unique("reader"), unique("nobody")
    for account in (who, reader, nobody):
        await kubectl("create", "serviceaccount", account)
    resource = f"--resource={names.PLURAL}.{names.GROUP}"
    for account, verbs in ((who, "create,get,list,patch"), (reader, "get")):
        await kubectl("create", "role", account, f"--verb={verbs}", resource)
        owner = f"--serviceaccount={kubectl.namespace}:{account}"
        await kubectl("create", "rolebinding", account, f"--role={account}", owner)

    async def token(account: str, audience: str = "octans") -> str:
        return (await kubectl("create", "token", account, f"--audience={audience}")).strip()

    log = tmp_path / "log"
    async with serving(installation, log, OCTANS_AUTH="kubernetes") as octans:
        assert await status(octans, "run", "") == 401
        assert await status(octans, "run", "nonsense") == 401
        assert await status(octans, "run", await token(who, "others")) == 401
        assert await status(octans, "check", await token(nobody)) == 403
        assert await status(octans, "check", await token(reader)) == 404
        assert await status(octans, "stop", await token(reader)) == 403
        right = await token(who)
        assert await status(octans, "run", right) == 200
        assert await status(octans, "check", right) == 404
        burst = await asyncio.gather(*(status(octans, "run", right) for _ in range(20)))
        assert set(burst) == {200}
        assert (await octans.http.get("/healthz")).status_code == 200

        name = unique("mine")
        head = {"Authorization": f"Bearer {right}"}
        number = (await octans.content("run", {**GOOD, "name": name}, head))["id"]
        task = await kubectl.json("get", names.PLURAL, names.object_name(number))
        identity = f"system:serviceaccount:{kubectl.namespace}:{who}"
        assert task["metadata"]["annotations"][names.ANNOTATION_CALLER] == identity

        gone = await token(nobody)
        await kubectl("delete", "serviceaccount", nobody)
        assert await status(octans, "check", gone) == 401
        denied = await kubectl("create", "token", reader, "--audience=octans")
        assert await status(octans, "getlog", denied.strip()) == 403
    refused = [line for line in log.read_text().splitlines() if '"call": "getlog"' in line]
    assert len(refused) == 1
    assert f"system:serviceaccount:{kubectl.namespace}:{reader}" in refused[0]
    assert '"status": 403' in refused[0]
    audit = [line for line in log.read_text().splitlines() if f'"task": "{number}"' in line]
    assert len(audit) == 1
    assert identity in audit[0]
    assert '"call": "run"' in audit[0]
    assert right not in log.read_text()


async def test_tokens_that_nobody_knows_have_a_rate(
    installation: Installation, tmp_path: Path
) -> None:
    """Each costs the cluster a review; who is known already is let in beside them."""
    account = unique("caller")
    await installation.kubectl("create", "serviceaccount", account)
    made = await installation.kubectl("create", "token", account, "--audience=octans")
    few = {"OCTANS_OTHER_RATE": "0.01", "OCTANS_OTHER_BURST": "5"}
    async with serving(installation, tmp_path / "log", OCTANS_AUTH="kubernetes", **few) as octans:
        assert await status(octans, "check", made.strip()) == 403
        told = [await status(octans, "check", f"guess-{at}") for at in range(6)]
        assert told == [401] * 4 + [429] * 2
        assert await status(octans, "check", made.strip()) == 403


@pytest.mark.skipif(
    not pki.signing_key(os.environ).exists(),
    reason="signs tokens with the key of a cluster that `make test` made",
)
async def test_an_expired_token_is_none(installation: Installation, tmp_path: Path) -> None:
    """Kubernetes makes none for less than ten minutes, so the cluster's key signs both of these.

    It goes on taking one for a minute after its time (go-jose's leeway).
    """
    account = unique("caller")
    await installation.kubectl("create", "serviceaccount", account)
    made = await installation.kubectl.json("get", "serviceaccount", account)
    async with serving(installation, tmp_path / "log", OCTANS_AUTH="kubernetes") as octans:
        for seconds, expected in ((600, 403), (-90, 401)):
            token = pki.token(made, "octans", seconds, pki.signing_key(os.environ))
            assert await status(octans, "check", token) == expected, seconds


@pytest.mark.parametrize(
    ("networks", "expected", "forwarded"),
    [
        ({"OCTANS_TRUSTED_NETWORKS": "127.0.0.0/8"}, 200, {}),
        ({"OCTANS_TRUSTED_NETWORKS": "127.0.0.0/8"}, 401, {"X-Forwarded-For": "127.0.0.1"}),
        ({"OCTANS_TRUSTED_NETWORKS": "192.0.2.0/24"}, 401, {"X-Forwarded-For": "192.0.2.1"}),
        (
            {
                "OCTANS_TRUSTED_NETWORKS": "192.0.2.0/24",
                "OCTANS_PROXY_NETWORKS": "127.0.0.0/8",
            },
            200,
            {"X-Forwarded-For": "192.0.2.1"},
        ),
    ],
)
async def test_trusted_networks(
    installation: Installation,
    tmp_path: Path,
    networks: dict[str, str],
    expected: int,
    forwarded: dict[str, str],
) -> None:
    secret = {"OCTANS_AUTH": "token", "OCTANS_AUTH_TOKEN": "the-shared-one"}
    async with serving(installation, tmp_path / "log", **secret, **networks) as octans:
        assert await status(octans, "run", "", **forwarded) == expected
        assert await status(octans, "run", "the-shared-one", **forwarded) == 200
        if expected == 401:
            assert await status(octans, "run", "the-shared-On3", **forwarded) == 401


WIRE = {
    "no HTTP": (b"HELLO\r\n\r\n", b"HTTP/1.1 400 "),
    "headers without end": (b"GET / HTTP/1.1\r\nX: " + b"a" * 80_000, b"HTTP/1.1 431 "),
    "half a head": (b"GET / HTTP/1.1\r\nX: ", b"HTTP/1.1 408 "),
    "half a body": (
        b"POST /api/check HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 408 ",
    ),
    "nothing at all": (b"", b"HTTP/1.1 408 "),
}


def request(name: str, body: bytes, *lines: str) -> bytes:
    head = [f"POST /api/{name} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


ASK = b'{"id": 5}'
OFFERS = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")
LARGE = request("check", b'{"id": 5, "x": "%s"}' % (b"y" * 300_000))
SENT = {
    "an offer to upgrade, as Java's client makes it": [request("check", ASK, *OFFERS)],
    "its body later": [request("check", ASK, *OFFERS)[:-9], ASK],
    "byte by byte": [bytes([byte]) for byte in request("check", ASK, *OFFERS)],
    "long ones in a row": [request("check", b'{"id": 5, "x": "%s"}' % (b"y" * 70_000)) * 2],
    "the second, a long one, in two parts": [request("check", ASK) + LARGE[:30], LARGE[30:]],
    "an empty line before it": [b"\r\n\r\n" + request("check", ASK, *OFFERS)],
    "the second cut within its empty line": [
        request("check", ASK) + request("check", ASK)[: -len(ASK) - 2],
        request("check", ASK)[-len(ASK) - 2 :],
    ],
    "the second in two parts": [
        request("check", ASK) + b"POST /api/che",
        request("check", ASK)[13:],
    ],
}


@pytest.mark.parametrize("what", SENT)
async def test_however_a_request_comes_it_is_read_whole(front: Octans, what: str) -> None:
    url = front.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    for data in SENT[what]:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0)
    expected = b"".join(SENT[what]).count(b"POST ")
    answers = b""
    async with asyncio.timeout(10):
        while answers.count(b"task not found...") < expected:
            piece = await reader.read(65536)
            assert piece, answers
            answers += piece
    writer.close()
    assert answers.count(b"HTTP/1.1 404 ") == expected, answers


async def test_every_request_of_a_connection_may_offer_an_upgrade(front: Octans) -> None:
    url = front.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    for _ in range(3):
        writer.write(request("check", ASK, *OFFERS))
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b'task not found..."}')
        assert answer.startswith(b"HTTP/1.1 404 ")
    writer.close()


async def test_what_is_no_request_is_answered_in_our_shape_and_cut_off(front: Octans) -> None:
    url = front.http.base_url

    async def sent(data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(data)
        async with asyncio.timeout(15):
            answer = await reader.read()
        writer.close()
        return answer

    answers = await asyncio.gather(*(sent(data) for data, _ in WIRE.values()))
    for what, (answer, (_, start)) in zip(
        WIRE, zip(answers, WIRE.values(), strict=True), strict=True
    ):
        assert answer.startswith(start), (what, answer)
        assert b'{"code":-1,"message":"' in answer, (what, answer)
