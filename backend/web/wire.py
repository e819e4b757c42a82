"""The wire contract: exactly what Label Studio 1.23 sends and expects, and nothing else.

Every handler answers at once. Training, encoding and writing happen in the project's loop.
"""

import hmac
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from backend.errors import (
    BackendError,
    BadRequest,
    UnknownProject,
    UnknownVersion,
    UnsupportedConfig,
)
from backend.interface.parse import parse
from backend.project.service import Service, project_id
from backend.queue.webhook import SECRET_HEADER
from backend.types import Json
from backend.web.pages.routes import pages

if TYPE_CHECKING:
    from backend.web.plugin import ActiveLearningBackend

log = logging.getLogger(__name__)

MAX_BODY = 64 * 1024 * 1024
"""Bytes. `/predict` receives all selected tasks in one request."""

STATUS: dict[type[BackendError], int] = {
    BadRequest: 400,
    UnsupportedConfig: 400,
    UnknownProject: 404,
    UnknownVersion: 404,
    BackendError: 503,
}

wire = Blueprint("wire", __name__)


def install(app: Flask, service: Service) -> None:
    """Add the routes, the password check and the error handlers to the app."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.extensions["service"] = service
    app.before_request(_check_password)
    app.register_error_handler(BackendError, _explain)
    app.register_error_handler(HTTPException, _explain_http)
    app.register_error_handler(Exception, _explain_bug)
    app.register_blueprint(wire)
    app.register_blueprint(pages)


@wire.get("/")
@wire.get("/health")
def health() -> Response:
    return jsonify(status="UP", model_class="ActiveLearningBackend", v2=True)


@wire.post("/setup")
def setup() -> Response:
    """Label Studio connects, or checks that we are well. The rest of the setup runs in the loop of
    the project; a labelling interface that we cannot learn from is refused here."""
    body = _body()
    project = project_id(body.get("project"))
    parse(_text(body, "schema"))
    _service().connect(
        project, _address(body.get("hostname")), _string(body.get("access_token")), request.url_root
    )
    return jsonify(model_version=_service().version_of(project))


@wire.post("/predict")
def predict() -> Response:
    body = _body()
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise BadRequest("'tasks' must be a list of tasks")
    project = project_id(body.get("project"))
    return jsonify(results=_plugin(project).predict(tasks))


@wire.post("/webhook")
def webhook() -> tuple[Response, int]:
    body = _body()
    event = _text(body, "action")
    project = project_id(body.get("project"))
    secret = request.headers.get(SECRET_HEADER)
    if _service().is_starting:
        # Label Studio, and the annotator with it, waits for at most a second.
        _service().notify(project, event, body.get("project"), secret)
    else:
        _plugin(project).fit(event, {**body, SECRET_HEADER: secret})
    return jsonify(status="ok"), 201


@wire.route("/versions", methods=["GET", "POST"])
def versions() -> Response:
    named = _body().get("project") if request.method == "POST" else request.args.get("project")
    if named is None:
        return jsonify(versions=[])
    project = project_id(named)
    return jsonify(versions=_service().versions_of(project), served=_service().version_of(project))


@wire.post("/train")
def train() -> tuple[Response, int]:
    return jsonify(
        error="Label Studio starts training through /webhook with the action START_TRAINING; press "
        "Start Training in Settings > Model"
    ), 410


def _service() -> Service:
    service: Service = current_app.extensions["service"]
    return service


def _plugin(project: int) -> "ActiveLearningBackend":
    """A new plugin for each request, as in label-studio-ml."""
    # Not at import: label-studio-ml imports torch, and /health must not wait for it.
    from backend.web.plugin import bound_to  # noqa: PLC0415

    if "plugin" not in current_app.extensions:
        current_app.extensions["plugin"] = bound_to(_service())
    plugin: ActiveLearningBackend = current_app.extensions["plugin"](project_id=str(project))
    return plugin


def _check_password() -> Response | None:
    """Basic authentication on every route, compared in constant time."""
    settings = _service().settings
    if not settings.basic_auth_user:
        return None
    sent = request.authorization
    user, password = ("", "") if sent is None else (sent.username or "", sent.password or "")
    # Both are always compared, so that the time does not reveal which one was wrong.
    right_user = hmac.compare_digest(user.encode(), settings.basic_auth_user.encode())
    right_password = hmac.compare_digest(password.encode(), settings.basic_auth_pass.encode())
    if right_user and right_password:
        return None
    answer = jsonify(error="Wrong user name or password (BASIC_AUTH_USER, BASIC_AUTH_PASS)")
    answer.status_code = 401
    answer.headers["WWW-Authenticate"] = 'Basic realm="Active learning backend"'
    return answer


def _body() -> Json:
    try:
        body = request.get_json(force=True, silent=True)
    except RecursionError:
        raise BadRequest("The body is nested too deeply") from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object")
    return body


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"'{name}' must be a string")
    return value


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _address(value: object) -> str:
    """The http(s) address at which Label Studio says it is; "" for anything else."""
    text = _string(value)
    try:
        scheme = urlsplit(text).scheme
    except ValueError:  # http://[
        return ""
    return text if scheme in ("http", "https") else ""


def _explain(error: BackendError) -> Response:
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    answer = jsonify(error=str(error))
    # Label Studio's settings page shows only the reason phrase.
    reason = error.reason if isinstance(error, UnsupportedConfig) else type(error).__name__
    answer.status = f"{status} {_one_line(reason)}"
    return answer


def _explain_http(error: HTTPException) -> tuple[Response, int]:
    return jsonify(error=error.description), error.code or 500


def _explain_bug(error: Exception) -> tuple[Response, int]:
    log.exception("%s %s failed", request.method, request.path)
    return jsonify(error=f"The backend has a bug ({type(error).__name__}); see its log"), 500


def _one_line(reason: str) -> str:
    """A reason phrase: one line, and only what HTTP headers can carry."""
    return " ".join(reason.split()).encode("latin-1", "replace").decode("latin-1")[:200]
