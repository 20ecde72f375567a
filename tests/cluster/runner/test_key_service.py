"""Hosts with a key of their own, fetched from a key service."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from crds import runinput
from tests.cluster.runner.ground import Ground


def test_a_host_without_a_key_fails_alone(ground: Ground) -> None:
    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/key/127.0.0.1"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(ground.server.key.read_bytes() if known else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    ground.path(runinput.SSH_KEY_FILE).unlink()
    other = f"127.0.0.2:{ground.server.port}"
    with HTTPServer(("127.0.0.1", 0), Service) as service:
        threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}).start()
        ran = ground.run(
            slices=((ground.server.host, other),),
            key_url=f"http://127.0.0.1:{service.server_port}/key/",
        )
        service.shutdown()
    assert ran.counts == {"ok": 1, "unreachable": 1}
    assert f"{other}: raw: " in ran.end.message
    assert "no SSH key: the key service answered 404" in ran.end.message
