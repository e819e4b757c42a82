"""Where the server listens, and that it says so when it cannot."""

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from flask import Flask

from backend.dev.local import free_port
from backend.errors import BadSetting
from backend.settings import Settings
from backend.web.server import server_of


def app() -> Flask:
    made = Flask("test")
    made.add_url_rule("/health", view_func=lambda: "up")
    return made


@contextmanager
def running(host: str) -> Iterator[Settings]:
    settings = Settings(host=host, port=free_port(), threads=2)
    server = server_of(app(), settings, 100)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield settings
    server.close()
    thread.join(10)


def answers(host: str, port: int) -> bool:
    try:
        return requests.get(f"http://{host}:{port}/health", timeout=5).text == "up"
    except requests.ConnectionError:
        return False


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
@pytest.mark.parametrize(
    ("host", "by_ipv4", "by_ipv6"),
    [
        ("0.0.0.0", True, False),
        ("::", True, True),
        ("::1", False, True),
        ("[::1]", False, True),
    ],
)
def test_it_listens_where_host_says(host: str, by_ipv4: bool, by_ipv6: bool) -> None:
    """HOST=:: and HOST=::1 ended the start with "'' is not a valid port number"."""
    with running(host) as settings:
        assert answers("127.0.0.1", settings.port) == by_ipv4
        assert answers("[::1]", settings.port) == by_ipv6
        assert requests.get(f"{settings.own_url}/health", timeout=5).text == "up"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "1.2.3.4.5", "fe80::1::2"])
def test_a_host_that_nobody_knows_is_refused(host: str) -> None:
    with pytest.raises(BadSetting, match=f"HOST={host} is no address of this machine"):
        server_of(app(), Settings(host=host), 100)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_taken_port_is_reported() -> None:
    with running("::1") as settings:
        with pytest.raises(BadSetting, match=r"listen on \[::1\]:\d+ \("):
            server_of(app(), settings, 100)
        gc.collect()  # waitress leaves its socket open, as the process ends
