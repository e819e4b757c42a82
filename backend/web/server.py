"""The web server process. `python -m backend serve` starts it with the right environment.

waitress reads a request as a whole, in one thread for all connections, before it spends a thread on
it. So clients that stop in the middle of a request, or whose network dies, cost a connection and
nothing else.
"""

import logging
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server

from backend.errors import BadSetting, reported
from backend.settings import Settings, from_env
from backend.web.app import create_app
from backend.web.guard import MAX_BODY

CONNECTIONS = 1000
"""Open at the same time, if we may open four times as many files; further ones wait until another
is closed."""
REQUEST_SECONDS = 60
"""A request that has not arrived as a whole by then is dropped with its connection."""
SILENCE = 30
"""Seconds after which a connection that sends nothing is closed."""


def main() -> None:
    settings = from_env(os.environ)
    signal.signal(signal.SIGTERM, _end)
    files = _allowed_files()
    app = create_app(settings)
    # The server's own log repeats what the access log says, and counts every waiting request.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = server_of(app, settings, min(CONNECTIONS, files // 4))
    logging.getLogger("backend.web.server").info("listening on %s", _listen(settings))
    server.run()


def server_of(app: Flask, settings: Settings, connections: int) -> Any:
    """waitress's server, which listens and answers nothing yet; `connections`: at most so many at
    the same time. Raises BadSetting when it cannot listen there."""
    BaseWSGIServer.channel_class = Channel  # also where one name has several addresses
    try:
        return create_server(
            app,
            listen=_listen(settings),
            threads=settings.threads,
            connection_limit=connections,
            channel_timeout=SILENCE,
            cleanup_interval=5,
            # `select`, the default, ends at 1,024 open files.
            asyncore_use_poll=True,
            max_request_body_size=MAX_BODY,
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
    except OSError as error:
        raise BadSetting(
            f"The server cannot listen on {_listen(settings)} ({error.strerror}). Another program "
            "may use this port: stop it, or set PORT to another one"
        ) from error
    except ValueError as error:  # what waitress makes of a name that nobody knows
        raise BadSetting(
            f"HOST={settings.host} is no address of this machine. Set it to 0.0.0.0 for all IPv4 "
            "addresses, :: for all, or 127.0.0.1 or ::1 for this machine alone"
        ) from error


def _listen(settings: Settings) -> str:
    """Where to listen, as waitress wants it written. `::` means all addresses, also those of IPv4,
    as with other servers; waitress would take those of IPv6 alone."""
    host = settings.host.strip("[]")
    if host == "::":
        return f"*:{settings.port}"
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


def _end(*_: object) -> None:
    """Let requests that are being answered end, then leave through `atexit`."""
    sys.exit(0)


def _allowed_files() -> int:
    """How many files we may open: as many as the system lets us. Each project needs some."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        limit = most
    return limit


class Channel(HTTPChannel):  # type: ignore[misc]  # it tells no types
    """A connection. A byte now and then keeps it from counting as silent, but not for ever."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._began = 0.0

    def received(self, data: bytes) -> bool:
        """Bytes have come."""
        if self.request is None:
            self._began = time.monotonic()
        elif time.monotonic() > self._began + REQUEST_SECONDS:
            self.handle_close()
            return False
        return bool(super().received(data))


if __name__ == "__main__":
    sys.exit(reported(main))
