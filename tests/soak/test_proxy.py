"""A line that can be cut: broken it ends connections, silent it holds back what is sent."""

import socket
from collections.abc import Iterator

import pytest

from tests.soak.proxy import Proxy
from tests.soak.world import port_of


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30.0)
        yield server


@pytest.fixture
def line(listener: socket.socket) -> Iterator[Proxy]:
    proxy = Proxy(listener.getsockname()[1])
    yield proxy
    proxy.close()


def call(line: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(line.url)), timeout=30.0)


def test_both_directions_pass(listener: socket.socket, line: Proxy) -> None:
    with call(line) as near, listener.accept()[0] as far:
        near.sendall(b"there")
        assert far.recv(100) == b"there"
        far.sendall(b"back")
        assert near.recv(100) == b"back"


def test_a_broken_line_ends_what_is_open_and_what_is_new(
    listener: socket.socket, line: Proxy
) -> None:
    with call(line) as near, listener.accept()[0]:
        near.sendall(b"x")
        line.cut(silent=False)
        assert near.recv(100) == b""
    with call(line) as new:
        assert new.recv(100) == b""
    line.heal()
    with call(line) as healed, listener.accept()[0] as far:
        healed.sendall(b"again")
        assert far.recv(100) == b"again"


def test_a_silent_line_goes_on_where_it_stopped(listener: socket.socket, line: Proxy) -> None:
    with call(line) as near, listener.accept()[0] as far:
        line.cut(silent=True)
        near.sendall(b"late")
        far.settimeout(0.3)
        with pytest.raises(TimeoutError):
            far.recv(100)
        line.heal()
        far.settimeout(30.0)
        assert far.recv(100) == b"late"
