"""Clients that begin a request and say no more."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

HEAD = b"POST /webhook HTTP/1.1\r\nHost: localhost\r\n"
BODY = b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"project"'


@contextmanager
def silent_clients(url: str, count: int) -> Iterator[None]:
    """So many of them hold connections to the server there; half stop in the middle of a body.
    Raises OSError when the server takes no connection."""
    address = urlsplit(url)
    with ExitStack() as stack:
        for number in range(count):
            client = socket.create_connection((address.hostname or "", address.port or 80))
            stack.enter_context(client).sendall(HEAD + (BODY if number % 2 else b""))
        yield
