"""Serves the text that /etc/greeter.conf held at start, at port 8080."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

GREETING = Path("/etc/greeter.conf").read_bytes()


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(GREETING)))
        self.end_headers()
        self.wfile.write(GREETING)


server = ThreadingHTTPServer(("", 8080), Greeter)
Path("/run/greeter.pid").write_text(str(os.getpid()))  # only once it listens
server.serve_forever()
