"""Responses of web servers that may be slow, endless or broken: read within limits, in chunks."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Timer
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

CHUNK = 1 << 16

PLAIN = {"Accept-Encoding": "identity"}
"""Compressed responses have no length by which to check that they are complete."""


class IncompleteDownload(Exception):
    """The response ended before it was complete, or did not arrive in time."""


def body(response: requests.Response, deadline: float) -> Iterator[bytes]:
    """The response's bytes in chunks. Raises IncompleteDownload, at the latest at `deadline` (of
    time.monotonic), however slowly they arrive."""
    raw: HTTPResponse = response.raw
    try:
        with _cut_after(deadline - time.monotonic(), raw.shutdown):
            yield from raw.stream(CHUNK, decode_content=True)
    except (HTTPError, OSError, ValueError) as error:
        raise IncompleteDownload(type(error).__name__) from error


@contextmanager
def _cut_after(seconds: float, cut: Callable[..., object], *arguments: object) -> Iterator[None]:
    """A socket's own timeout starts again at each byte; this one does not. Raises TimeoutError
    whatever the cut leads to, also if what was cut looks complete, such as a response without a
    length."""
    is_cut = Event()

    def fire() -> None:
        is_cut.set()
        with suppress(OSError, ValueError, RuntimeError):  # it has ended by itself
            cut(*arguments)

    timer = Timer(max(0.0, seconds), fire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if is_cut.is_set():  # the end, or a reset by a server that was still sending
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if is_cut.is_set():
        raise TimeoutError


class _TimedHeaders:
    """Applies the read timeout to all headers of a response together."""

    timeout: Any
    sock: Any

    def getresponse(self) -> HTTPResponse:
        head: HTTPResponse | None = None
        try:
            with _cut_after(self.timeout, self.sock.shutdown, socket.SHUT_RDWR):
                head = super().getresponse()  # type: ignore[misc]
        except TimeoutError:
            if head is not None:  # incomplete
                head.close()
            raise
        return head


class _Connection(_TimedHeaders, HTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(_TimedHeaders, HTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class TimedAdapter(HTTPAdapter):
    """For requests.Session.mount: a server cannot block us by sending headers byte by byte."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
