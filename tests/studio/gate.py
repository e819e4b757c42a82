"""A proxy before Label Studio, as companies have them: it wants a password, and limits requests."""

import threading
from base64 import b64encode
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

MOST = 1 << 20
"""Bytes of a request; nginx lets no more through unless somebody raises that."""
OWN = {"transfer-encoding", "connection", "content-length"}
"""Headers that each of the two connections has for itself."""


class Gate:
    """Forwards to the server at `url` what brings these credentials and headers."""

    def __init__(self, url: str, credentials: str, headers: dict[str, str]) -> None:
        basic = f"Basic {b64encode(credentials.encode()).decode()}"
        self.wanted = {"Authorization": basic, **headers}
        self.refused: list[str] = []
        """What was asked for without them, or with too much."""
        self._target = urlsplit(url).netloc
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forward(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers["Content-Length"] or 0))
        is_known = all(asked.headers[name] == value for name, value in self.wanted.items())
        if not is_known or len(body) > MOST:
            self.refused.append(f"{asked.command} {asked.path}")
            status = 413 if is_known else 401
            _answer(asked, status, [], b"<html><title>Refused by the gate</title></html>")
            return
        connection = HTTPConnection(self._target, timeout=60)
        connection.request(asked.command, asked.path, body, dict(asked.headers.items()))
        answer = connection.getresponse()
        kept = [pair for pair in answer.getheaders() if pair[0].lower() not in OWN]
        _answer(asked, answer.status, kept, answer.read())
        connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                gate.forward(self)

            do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _answer(
    asked: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    asked.send_response_only(status)
    for name, value in [*headers, ("Content-Length", str(len(body)))]:
        asked.send_header(name, value)
    asked.end_headers()
    asked.wfile.write(body)
