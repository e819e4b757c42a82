"""The wire contract: exactly what Label Studio 1.23 sends and expects, and nothing else.

Every handler answers at once. Training, encoding and writing happen in the project's loop.
"""

import logging
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from backend.errors import (
    BackendError,
    BadRequest,
    UnknownProject,
    UnknownVersion,
    UnsupportedConfig,
    explained,
    is_disk_full,
)
from backend.interface.parse import parse
from backend.project.service import Service, project_id
from backend.queue.webhook import SECRET_HEADER
from backend.types import Json
from backend.web import guard
from backend.web.current import current_service
from backend.web.pages.looking import looking
from backend.web.pages.routes import pages

log = logging.getLogger(__name__)

MAX_VALUES = 2_000_000
"""In one request. A value takes some 100 bytes once it is read, so bytes alone limit no memory."""

STATUS: dict[type[BackendError], int] = {
    BadRequest: 400,
    UnsupportedConfig: 400,
    UnknownProject: 404,
    UnknownVersion: 404,
    BackendError: 503,
}

wire = Blueprint("wire", __name__)


def install(app: Flask, service: Service) -> None:
    """Add the routes, the checks of requests and the error handlers to the app."""
    app.extensions["service"] = service
    guard.install(app)
    app.register_error_handler(BackendError, explain)
    app.register_error_handler(HTTPException, _explain_http)
    app.register_error_handler(Exception, _explain_bug)
    app.register_blueprint(wire)
    app.register_blueprint(pages)
    app.register_blueprint(looking)


@wire.get("/")
@wire.get("/health")
def health() -> Response:
    return jsonify(status="UP", model_class="ActiveLearningBackend", v2=True)


@wire.get("/ready")
def ready() -> tuple[Response, int]:
    """Whether annotators get their tasks in order: 200, or 503 with what is missing."""
    found = current_service().readiness()
    missing = [name for name, holds in found.items() if not holds]
    if missing:
        return jsonify(ready=False, **found, error=f"Not ready: {', '.join(missing)}"), 503
    return jsonify(ready=True, **found), 200


@wire.post("/setup")
def setup() -> Response:
    """Label Studio connects, or checks that we are well. The rest of the setup runs in the loop of
    the project; a labelling interface that we cannot learn from is refused here."""
    body = _body()
    project = connect(current_service(), body)
    return jsonify(model_version=current_service().version_of(project))


def connect(service: Service, body: Json) -> int:
    """Do what this body of /setup asks for. Returns the project's number.

    Raises BadRequest, UnsupportedConfig, and NotConnected without LABEL_STUDIO_URL.
    """
    project = project_id(body.get("project"))
    parse(_text(body, "schema"))
    hostname, token = _address(body.get("hostname")), _string(body.get("access_token"))
    service.connect(project, hostname, token, request.url_root)
    return project


@wire.post("/predict")
def predict() -> Response:
    body = _body()
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise BadRequest("'tasks' must be a list of tasks")
    project = project_id(body.get("project"))
    return jsonify(results=current_service().predict(project, tasks))


@wire.post("/webhook")
def webhook() -> tuple[Response, int]:
    secret = request.headers.get(SECRET_HEADER)
    own = guard.secret_project()
    if own is not None and _is_too_large():
        # It need not be read, because it would only say where to look.
        current_service().notify(own, "ANNOTATION_CREATED", {})
        return jsonify(status="ok"), 201
    body = _body()
    event = _text(body, "action")
    project = project_id(body.get("project"))
    current_service().notify(project, event, body, secret)
    return jsonify(status="ok"), 201


def _is_too_large() -> bool:
    return (request.content_length or 0) > (request.max_content_length or 0)


@wire.post("/pool/<int:project>/items")
def items(project: int) -> tuple[Response, int]:
    """Rows for the project's dataset: a JSON list of objects, or one object."""
    _check_size()
    body = _json()
    if body is None:
        raise BadRequest("The body is no JSON: send a list of objects, or one object")
    rows = body if isinstance(body, list) else [body]
    if not rows:
        raise BadRequest("There are no items in the list")
    answer = current_service().take_items(project, rows)
    return jsonify(answer), 201 if answer["accepted"] else 400


@wire.route("/versions", methods=["GET", "POST"])
def versions() -> Response:
    named = _body().get("project") if request.method == "POST" else request.args.get("project")
    if named is None:  # Label Studio asks so, and passes the answer on to us
        return jsonify(versions=[current_service().identity])
    project = project_id(named)
    return jsonify(
        versions=current_service().versions_of(project),
        served=current_service().version_of(project),
    )


@wire.post("/train")
def train() -> tuple[Response, int]:
    return jsonify(
        error="Label Studio starts training through /webhook with the action START_TRAINING; press "
        "Start Training in Settings > Model"
    ), 410


def _body() -> Json:
    _check_size()
    body = _json()
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object")
    return body


def _check_size() -> None:
    if request.get_data().count(b",") > MAX_VALUES:
        raise BadRequest(f"The body has more than {MAX_VALUES:,} values; send fewer tasks at once")


def _json() -> object:
    try:
        return request.get_json(force=True, silent=True)
    except RecursionError:
        raise BadRequest("The body is nested too deeply") from None


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


def explain(error: BackendError) -> Response:
    """The answer to a request in which this error was raised."""
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    answer = jsonify(error=str(error))
    # Label Studio's settings page shows only the reason phrase.
    reason = error.reason if isinstance(error, UnsupportedConfig) else str(error)
    answer.status = f"{status} {_one_line(reason)}"
    return answer


def _explain_http(error: HTTPException) -> Response:
    answer = jsonify(error=error.description)
    # Label Studio's settings page shows only the reason phrase.
    answer.status = f"{error.code or 500} {_one_line(error.description or error.name)}"
    return answer


def _explain_bug(error: Exception) -> Response | tuple[Response, int]:
    if is_disk_full(error):  # what is noted or picked is written at once
        return explain(BackendError(explained(error)))
    log.exception("%s %s failed", request.method, request.path)
    return jsonify(error=f"The backend has a bug ({type(error).__name__}); see its log"), 500


def _one_line(reason: str) -> str:
    """A reason phrase: one line, and only what HTTP headers can carry."""
    return " ".join(reason.split()).encode("latin-1", "replace").decode("latin-1")[:200]
