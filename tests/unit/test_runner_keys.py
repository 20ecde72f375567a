"""Private keys from a key service, a real HTTP server on loopback."""

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controller.runner import keys
from crds import hosts
from tests.cluster.platform.processes import free_port


def _key() -> str:
    """A new private key."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
        return file.read_text().strip()


KEY = _key()

BODIES = {
    "/key/10.0.0.1": (200, KEY),
    "/key/10.0.0.2": (200, f"\r\n{KEY}\n\n".replace("\n", "\r\n")),
    "/key/10.0.0.3": (200, " \n"),
    "/key/10.0.0.4": (200, "<html>log in</html>"),
    "/key/10.0.0.5": (404, KEY),
    "/key/fd00::7": (200, KEY),
    "/key/10.0.0.8": (200, "x" * 1_000_000),
}

EXPECTED = {
    "10.0.0.1:2222": keys.Found(KEY + "\n"),
    "10.0.0.2": keys.Found(KEY + "\n"),
    "10.0.0.3": keys.Found("", "the key service has no key for it"),
    "10.0.0.4": keys.Found("", "what the key service answered holds no private key"),
    "10.0.0.5": keys.Found("", "the key service answered 404"),
    "[fd00::7]": keys.Found(KEY + "\n"),
    "10.0.0.8": keys.Found("", "what the key service answered holds no private key"),
}


class Service(BaseHTTPRequestHandler):
    """Answers as BODIES says, and counts."""

    asked: list[str] = []  # noqa: RUF012 - one list for all requests is what is wanted

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, body = BODIES[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """Where the service is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{server.server_port}/key/"
        server.shutdown()


def fetched(url: str, *names: str) -> dict[str, keys.Found]:
    """All that came."""
    found: dict[str, keys.Found] = {}
    for some in keys.fetch(url, {name: hosts.parse(name) for name in names}):
        found |= some
    return found


def test_keys(url: str) -> None:
    Service.asked.clear()
    assert fetched(url, *EXPECTED) == EXPECTED
    assert sorted(Service.asked) == sorted(BODIES)


def test_nobody_there() -> None:
    (found,) = fetched(f"http://127.0.0.1:{free_port()}/", "a").values()
    assert found == keys.Found("", "the key service did not answer within 5 s, or is not there")


def test_a_service_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    class Drips(Service):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            while not over.wait(0.05):
                self.wfile.write(b"-")

    over = threading.Event()
    monkeypatch.setattr(keys, "TIMEOUT", 0.5)
    with ThreadingHTTPServer(("127.0.0.1", 0), Drips) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        began = time.monotonic()
        (found,) = fetched(f"http://127.0.0.1:{server.server_port}/", "a").values()
        over.set()
        server.shutdown()
    assert found.problem.startswith("the key service did not answer within 0.5 s")
    assert time.monotonic() - began < 10


def test_files(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    variables = keys.write(folder, {"a": keys.Found("key\n"), "b": keys.Found("", "it's why")})
    key = Path(variables["a"]["ansible_ssh_private_key_file"])
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("key\n", 0o600)
    done = subprocess.run(
        [variables["b"]["ansible_ssh_executable"], "-o", "x"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (255, "no SSH key: it's why\n")
