"""The plugin class under label-studio-ml's own server, 2.x: `label-studio-ml start FOLDER`, or
gunicorn with the folder's `_wsgi.py`. examples/active_learning is such a folder.

Importing this module prepares that server: its application is a global of label-studio-ml, and
takes no further routes once it serves. The learning libraries are imported here, too, because
Label Studio waits for /setup for three seconds. Threads and processes start with the first request:
gunicorn's `--preload` imports in one process and serves in another.
"""

import atexit
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, Response, g, has_request_context, request
from label_studio_ml import api
from werkzeug.datastructures import Authorization

import backend.project.turn  # noqa: F401 (see above)
from backend.errors import BackendError, BadSetting
from backend.project.service import HINTS, Service
from backend.queue.webhook import SECRET_HEADER
from backend.settings import from_env
from backend.types import Json
from backend.web import plugin, wire
from backend.web.guard import MAX_BODY

if not plugin.SECOND_GENERATION:
    raise ImportError(
        "label-studio-ml 1.0.9's own server is not supported: it starts a process for each webhook "
        "and keeps one model for all projects, so nothing would be learnt. Install 2.x (pip "
        "install git+https://github.com/HumanSignal/label-studio-ml-backend.git), or run our own "
        "server: python -m backend serve"
    )

server: Flask = api._server
"""label-studio-ml's application; its `init_app` returns it."""

PATIENCE = 1.0
"""Seconds to wait for MODEL_DIR: whoever sent the first request waits meanwhile."""

SETTINGS = from_env(os.environ)
"""Read now, so that one that cannot be used ends the server with its sentence."""

_password = SETTINGS.basic_auth_user + SETTINGS.basic_auth_pass
if not _password.isascii() or _password != _password.strip():
    raise BadSetting(
        "label-studio-ml's server fails at a password outside of ASCII, and Label Studio cuts off "
        "the spaces around one, so it would never be let in. Choose BASIC_AUTH_USER and "
        "BASIC_AUTH_PASS of ASCII letters, digits and signs, or run our own server: "
        "python -m backend serve"
    )

_starting = threading.Lock()


class ActiveLearningBackend(plugin.ActiveLearningBackend):
    """What `model.py` names: label-studio-ml makes one for each request.

    The first request starts the service of this process.
    """

    def setup(self) -> None:
        """Called from the constructor. Label Studio's own /setup connects the project."""
        with _explained():
            if has_request_context() and request.path == "/setup":
                wire.connect(self._service(), request.get_json())
            super().setup()

    def predict(self, tasks: list[Json], context: Json | None = None, **kwargs: Any) -> list[Json]:
        with _explained():
            return super().predict(tasks, context, **kwargs)

    def fit(self, event: str, data: Json, **kwargs: Any) -> Json:
        secret = request.headers.get(SECRET_HEADER) if has_request_context() else None
        with _explained():
            return super().fit(event, {**data, SECRET_HEADER: secret}, **kwargs)

    def _service(self) -> Service:
        return service()


def service() -> Service:
    """The one service of this process, started at the first call, its earlier projects running.

    Raises ModelDirInUse in a second process on the same MODEL_DIR.
    """
    with _starting:
        if "service" not in server.extensions:
            started = Service(SETTINGS)
            started.hold(PATIENCE)
            atexit.register(started.stop)
            started.resume()
            server.extensions["service"] = started
        found: Service = server.extensions["service"]
        return found


class SecretOpensWebhook:
    """WSGI middleware: the secret of our own webhook stands in for the password, for which
    label-studio-ml asks on all routes. Label Studio sends no password with webhooks, and shows
    their headers to all of its users."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if api.BASIC_AUTH is not None and environ.get("PATH_INFO") == "/webhook":
            secret = environ.get("HTTP_" + SECRET_HEADER.upper().replace("-", "_"))
            if secret is not None and service().project_of(secret) is not None:
                user, password = api.BASIC_AUTH
                known = Authorization("basic", {"username": user, "password": password})
                environ = {**environ, "HTTP_AUTHORIZATION": known.to_header()}
        return self._app(environ, start_response)


@contextmanager
def _explained() -> Iterator[None]:
    """label-studio-ml answers 500 without a reason to all errors: remember ours for `_explain`."""
    try:
        yield
    except BackendError as error:
        if has_request_context():
            g.refusal = error
        raise


def _explain(answer: Response) -> Response:
    return wire.explain(g.refusal) if "refusal" in g else answer


def _versions() -> Response:
    """By this Label Studio finds out which of the listed backends we are: backend.queue.listing."""
    service()
    return wire.versions()


api.TRAIN_EVENTS = tuple(HINTS)
server.config["MAX_CONTENT_LENGTH"] = MAX_BODY
server.add_url_rule("/versions", view_func=_versions)
server.register_error_handler(BackendError, wire.explain)
server.after_request(_explain)
server.wsgi_app = SecretOpensWebhook(server.wsgi_app)  # type: ignore[method-assign]
