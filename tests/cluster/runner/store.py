"""An object store as far as the runner knows one: it takes PUTs, or behaves otherwise."""

import gzip
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Store(ThreadingHTTPServer):
    """Keeps what is PUT; `answer` gives the status for the n-th request (from 0), None for none."""

    daemon_threads = True

    def __init__(self, answer: Callable[[int], int | None], certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.scheme = "https" if certificate else "http"
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.kept: dict[str, bytes] = {}
        """By path and query."""
        self.asked: list[tuple[str, dict[str, str]]] = []
        """Path, query and headers of every request."""
        self.closing = threading.Event()

    def urls(self, count: int) -> tuple[str, ...]:
        """Pre-signed URLs for so many parts."""
        base = f"{self.scheme}://127.0.0.1:{self.server_port}"
        return tuple(f"{base}{_path(number)}" for number in range(count))

    def lines(self, part: int) -> list[bytes]:
        """The lines of a part that is kept."""
        return gzip.decompress(self.kept[_path(part)]).splitlines()


def _path(number: int) -> str:
    return f"/bucket/{number}?X-Signature=planted%2F{number}"


class _Handler(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        status = self.server.answer(len(self.server.asked) - 1)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if status is None:
            self.server.closing.wait()
            return
        if 200 <= status < 300:
            self.server.kept[self.path] = body
        self.send_response(status)
        self.send_header("Location", "/planted-elsewhere")
        self.end_headers()
        self.wfile.write(b"planted answer")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(
    answer: Callable[[int], int | None] = lambda _: 200, certificate: Path | None = None
) -> Iterator[Store]:
    """A store on loopback, in a thread; with TLS where there is a certificate (and its key)."""
    with Store(answer, certificate) as store:
        thread = threading.Thread(target=store.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield store
        finally:
            store.closing.set()
            store.shutdown()
            thread.join()
