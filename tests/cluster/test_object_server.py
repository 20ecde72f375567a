"""The S3 server of tests with object stores (platform/s3.py), from this machine and from a pod."""

import json
from datetime import timedelta
from typing import Any, Final

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import S3Store

from tests.cluster.platform.calls import unique
from tests.cluster.platform.given import Given
from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.pods import bare_pod
from tests.cluster.platform.s3 import ObjectServer

PUT: Final = """
import json, sys, urllib.error, urllib.request

def put(url):
    request = urllib.request.Request(url, data=b"from a pod", method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code

print(json.dumps([put(url) for url in sys.argv[1:]]))
"""
"""Puts to each URL it is given, and prints the statuses of the answers."""


@pytest.fixture
def store(object_server: ObjectServer) -> S3Store:
    """The server's bucket; each call is tried once, for 2 s."""
    return S3Store(
        object_server.bucket,
        config={
            "endpoint": object_server.url,
            "region": object_server.region,
            "access_key_id": object_server.access_key,
            "secret_access_key": object_server.secret_key,
            "virtual_hosted_style_request": False,
        },
        client_options={"allow_http": True, "timeout": "2s"},
        retry_config={"max_retries": 0},
    )


async def test_objects_from_this_machine(object_server: ObjectServer, store: S3Store) -> None:
    prefix = unique("host")
    await obstore.put_async(store, f"{prefix}/a/b", b"0123456789")
    assert await keys(store, prefix) == [f"{prefix}/a/b"]
    assert await part(store, f"{prefix}/a/b", 2, 5) == b"234"
    assert (
        object_server.folder / object_server.bucket / prefix / "a/b"
    ).read_bytes() == b"0123456789"
    await obstore.delete_async(store, f"{prefix}/a/b")
    assert await keys(store, prefix) == []


async def test_a_pod_puts_with_a_signature_only(
    given: Given, object_server: ObjectServer, store: S3Store
) -> None:
    name = unique("puts")
    signed = await obstore.sign_async(store, "PUT", f"{name}/signed", timedelta(minutes=5))
    unsigned = f"{object_server.url}/{object_server.bucket}/{name}/unsigned"
    assert await run_in_pod(given, name, signed, unsigned) == [200, 403]
    assert await keys(store, name) == [f"{name}/signed"]
    assert await part(store, f"{name}/signed", 0, 100) == b"from a pod"


async def test_away_silent_and_back(object_server: ObjectServer, store: S3Store) -> None:
    key = unique("stays")
    await obstore.put_async(store, key, b"kept")
    async with object_server.away():
        with pytest.raises(GenericError):
            await obstore.get_async(store, key)
    with object_server.silent(), pytest.raises(GenericError):
        await obstore.get_async(store, key)
    assert await part(store, key, 0, 100) == b"kept"


async def keys(store: S3Store, prefix: str) -> list[str]:
    return [found["path"] for found in await obstore.list(store, prefix).collect_async()]


async def part(store: S3Store, key: str, start: int, end: int) -> bytes:
    return bytes(await obstore.get_range_async(store, key, start=start, end=end))


async def run_in_pod(given: Given, name: str, *urls: str) -> list[int]:
    """What PUT prints in a pod of the runner's image."""
    kubectl = Kubectl(given.kubectl, given.kubeconfig)
    await kubectl("create", "-f", "-", stdin=_pod(given.runner_image, name, urls))
    try:
        await kubectl(
            "wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"
        )
        answers: list[int] = json.loads(await kubectl("logs", name))
        return answers
    finally:
        await kubectl("delete", "pod", name, "--wait=false")


def _pod(image: str, name: str, urls: tuple[str, ...]) -> dict[str, Any]:
    pod = bare_pod(name, schedulingGates=[], restartPolicy="Never")
    pod["spec"]["containers"][0] |= {
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", PUT, *urls],
    }
    return pod
