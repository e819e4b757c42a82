"""A small web server on a free port whose answers a test writes down."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """`length`: what the answer says of itself, where that is not true."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(self.status)
        length = len(self.body) if self.length is None else self.length
        for name, value in {"Content-Length": str(length), **self.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(self.body)


def redirect(url: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"Location": url})


def dripping(head: bytes) -> Callable[[Any], None]:
    """A byte now and then for half a minute: more often than any timeout between two bytes."""

    def answer(handler: Any) -> None:
        handler.close_connection = True
        with suppress(OSError):
            handler.wfile.write(head)
            for _ in range(600):
                handler.wfile.write(b"x")
                if handler.web.closing.wait(0.05):
                    return

    return answer


@dataclass(frozen=True)
class Seen:
    path: str
    authorization: str | None
    headers: dict[str, str] = field(default_factory=dict, compare=False)
    body: bytes = field(default=b"", compare=False)


class Web:
    """`answers`: by path, without the query; everything else is not found."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Any], None]] = {}
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            web = self

            def do_GET(self) -> None:
                self.body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                headers = dict(self.headers.items())
                seen = Seen(self.path, self.headers["Authorization"], headers, self.body)
                self.web.seen.append(seen)
                self.web.answers.get(self.path.partition("?")[0], Answer(status=404))(self)

            do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler
