"""Slow, endless and broken answers of a real web server end within their limits."""

import gzip
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from threading import Event

import pytest
import requests

from backend.media.download import CHUNK, IncompleteDownload, TimedAdapter, _cut_after, body
from tests.backend.web import Answer, Web, dripping


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as client:
        client.mount("http://", TimedAdapter())
        yield client


def read(client: requests.Session, web: Web, seconds: float = 30.0) -> list[bytes]:
    with client.get(f"{web.url}/file", stream=True, timeout=30.0) as response:
        return list(body(response, time.monotonic() + seconds))


def test_a_file_comes_in_chunks(client: requests.Session, web: Web) -> None:
    content = bytes(range(256)) * 1000
    web.answers["/file"] = Answer(content)
    chunks = read(client, web)
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) == CHUNK


def test_a_compressed_file_comes_in_chunks(client: requests.Session, web: Web) -> None:
    """A small answer that unpacks to a huge one is never in memory as a whole."""
    content = bytes(10_000_000)
    web.answers["/file"] = Answer(gzip.compress(content), headers={"Content-Encoding": "gzip"})
    chunks = read(client, web)
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= CHUNK


@pytest.mark.parametrize("head", [b"", b"Content-Length: 1000\r\n"])
def test_a_body_that_drips_is_cut(client: requests.Session, web: Web, head: bytes) -> None:
    web.answers["/file"] = dripping(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
    with pytest.raises(IncompleteDownload):
        read(client, web, seconds=0.3)


def test_a_head_that_drips_is_no_answer(client: requests.Session, web: Web) -> None:
    """Cut in the middle it would look like a whole one of a file without content."""
    web.answers["/file"] = dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    with pytest.raises(requests.Timeout):
        client.get(f"{web.url}/file", stream=True, timeout=0.3)


def test_a_server_that_resets_what_was_cut_was_too_slow() -> None:
    """It depends on the moment whether a cut connection ends or is reset."""
    fired = Event()
    with pytest.raises(TimeoutError), _cut_after(0.0, fired.set):
        assert fired.wait(10)
        raise ConnectionResetError
    with pytest.raises(ConnectionResetError), _cut_after(60.0, fired.set):
        raise ConnectionResetError


def test_half_a_file_is_broken_off(client: requests.Session, web: Web) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        Answer(b"half", length=8)(handler)
        handler.close_connection = True

    web.answers["/file"] = half
    with pytest.raises(IncompleteDownload):
        read(client, web)


def test_what_is_not_compressed_as_it_says_is_broken_off(
    client: requests.Session, web: Web
) -> None:
    web.answers["/file"] = Answer(b"plain", headers={"Content-Encoding": "gzip"})
    with pytest.raises(IncompleteDownload):
        read(client, web)
