"""The status page, its JSON form, and metrics for Prometheus."""

from datetime import datetime

from flask import (
    Blueprint,
    Response,
    jsonify,
    redirect,
    render_template,
    request,
)
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.wrappers import Response as AnyResponse

from backend.mirror.certified import MOST_BUDGET
from backend.mirror.review import read as read_review
from backend.project.loop import ProjectLoop
from backend.types import Json
from backend.web.current import current_service
from backend.web.pages.chart import coverage_curve, fit_curves, learning_curve
from backend.web.pages.people import with_names
from backend.web.pages.state import exposition, state_of
from model.measuring.savings import FACTORS
from model.types import MARKED

pages = Blueprint("pages", __name__, template_folder="templates")


@pages.get("/status")
def projects() -> str:
    return render_template("projects.html", projects=_states())


@pages.get("/status/<int:project>")
def project_page(project: int) -> str:
    loop = current_service().loop(project)
    reported = _report(loop)
    return render_template(
        "project.html",
        state=state_of(loop),
        report=reported,
        chart=learning_curve(reported["curve"]),
        fits=[
            (title, fit_curves(reported["fit"], name, title))
            for name, title in (("micro_f1", "Micro-F1"), ("log_loss", "Log-loss"))
        ],
        coverage=_coverage(reported["finishing"]),
        link=link_of(loop),
        can_look=loop.served is not None and loop.served.config.kind not in MARKED,
        most_asked=MOST_BUDGET,
        factors=(min(FACTORS.values()), max(FACTORS.values())),
        moment=lambda at: datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M"),
    )


@pages.get("/status.json")
def statuses() -> Response:
    return jsonify(projects=_states())


@pages.get("/status/<int:project>.json")
def status(project: int) -> Response:
    loop = current_service().loop(project)
    return jsonify(**state_of(loop), **_report(loop))


@pages.get("/metrics")
def prometheus() -> Response:
    return Response(exposition(current_service()), content_type=CONTENT_TYPE_LATEST)


@pages.post("/status/<int:project>/rollback/<version>")
def rollback(project: int, version: str) -> AnyResponse:
    current_service().pin(project, version)
    return redirect(f"../../{project}", 303)


@pages.post("/status/<int:project>/latest")
def latest(project: int) -> AnyResponse:
    current_service().pin(project, None)
    return redirect(f"../{project}", 303)


@pages.post("/status/<int:project>/certify")
def certify(project: int) -> AnyResponse:
    current_service().certify(project, request.form.get("budget", ""))
    return redirect(f"../{project}", 303)


@pages.post("/status/<int:project>/certify/stop")
def stop_certifying(project: int) -> AnyResponse:
    current_service().stop_certifying(project)
    return redirect(f"../../{project}", 303)


@pages.post("/status/<int:project>/pick")
def pick(project: int) -> Response:
    """Label these next: the form field `tasks` names them, with commas between their numbers."""
    return jsonify(**current_service().pick(project, request.form.get("tasks", "")))


@pages.post("/status/<int:project>/pick/stop")
def stop_picking(project: int) -> AnyResponse:
    current_service().stop_picking(project)
    return redirect(f"../../{project}", 303)


def _coverage(finishing: Json) -> str:
    """The picture of what the model can label by itself; "" where nothing is known of it."""
    if not finishing["curve"]:
        return ""
    return coverage_curve(finishing["curve"], finishing["precision"], finishing["sentence"])


def _states() -> list[Json]:
    return [state_of(loop) for loop in current_service().loops()]


def _report(loop: ProjectLoop) -> Json:
    """The report, and the last review."""
    # Not at import: it loads the learning libraries, and the server starts without them.
    from backend.web.pages.report import report  # noqa: PLC0415

    folder = current_service().folder(loop.project)
    found = report(folder, current_service().settings, loop.served)
    return {**found, "review": with_names(read_review(folder), loop.status.people)}


def link_of(loop: ProjectLoop) -> str:
    """The project's page in Label Studio as browsers reach it; "" while unknown."""
    address = loop.status.studio_address.rstrip("/")
    return f"{address}/projects/{loop.project}/data" if address else ""
