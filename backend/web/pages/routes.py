"""What people look at: the status page, the same as JSON, and figures for Prometheus."""

from datetime import datetime
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
)
from werkzeug.wrappers import Response as AnyResponse

from backend.project.service import Service
from backend.web.pages.chart import learning_curve

pages = Blueprint("pages", __name__, template_folder="templates")


@pages.get("/status")
def projects() -> str:
    return render_template("projects.html", projects=_service().states())


@pages.get("/status/<int:project>")
def project_page(project: int) -> str:
    found = _service().report(project)
    return render_template(
        "project.html",
        state=_service().state(project),
        report=found,
        chart=learning_curve(found["curve"]),
        link=_service().link(project),
        moment=lambda at: datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M"),
    )


@pages.get("/status.json")
def statuses() -> Response:
    return jsonify(projects=_service().states())


@pages.get("/status/<int:project>.json")
def status(project: int) -> Response:
    return jsonify(**_service().state(project), **_service().report(project))


@pages.get("/metrics")
def prometheus() -> Response:
    return Response(_service().metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")


@pages.post("/status/<int:project>/rollback/<version>")
def rollback(project: int, version: str) -> AnyResponse:
    _refuse_other_sites()
    _service().pin(project, version)
    return redirect(f"../../{project}", 303)


@pages.post("/status/<int:project>/latest")
def latest(project: int) -> AnyResponse:
    _refuse_other_sites()
    _service().pin(project, None)
    return redirect(f"../{project}", 303)


def _refuse_other_sites() -> None:
    """A browser sends our password along, whichever page makes it ask; only ours may."""
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return  # browsers say so themselves, also where a proxy has changed our host
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        abort(403, "This can only be asked from the status page itself")


def _service() -> Service:
    service: Service = current_app.extensions["service"]
    return service
