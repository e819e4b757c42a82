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
from contextlib import suppress

from waitress.server import create_server

from backend.errors import BadSetting, reported
from backend.settings import from_env
from backend.web.app import create_app
from backend.web.guard import MAX_BODY

CONNECTIONS = 1000
"""Open at the same time; further ones wait until another is closed."""
SILENCE = 30
"""Seconds after which a connection that sends nothing is closed."""


def main() -> None:
    settings = from_env(os.environ)
    signal.signal(signal.SIGTERM, _end)
    _allow_files()
    app = create_app(settings)
    # The server's own log repeats what the access log says, and counts every waiting request.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        server = create_server(
            app,
            host=settings.host,
            port=settings.port,
            threads=settings.threads,
            connection_limit=CONNECTIONS,
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
            f"The server cannot listen on {settings.host}:{settings.port} ({error.strerror}). "
            "Another program may use this port: stop it, or set PORT to another one"
        ) from error
    logging.getLogger("backend.web.server").info("listening on %s:%d", settings.host, settings.port)
    server.run()


def _end(*_: object) -> None:
    """Let requests that are being answered end, then leave through `atexit`."""
    sys.exit(0)


def _allow_files() -> None:
    """Raise the limit on open files as far as we may: each project needs some."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(reported(main))
