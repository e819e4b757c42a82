"""The map of a pool, a search in it, and what is done with the tasks that are found."""

from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, current_app, jsonify, render_template, request

from backend.project.picking import ids_in
from backend.web.current import current_service
from backend.web.pages.routes import link_of

if TYPE_CHECKING:
    from backend.explore.explorer import Explorer

looking = Blueprint("looking", __name__, template_folder="templates")


@looking.get("/status/<int:project>/map")
def map_page(project: int) -> str:
    loop = current_service().loop(project)
    title = loop.status.title or f"Project {project}"
    return render_template("map.html", project=project, title=title, link=link_of(loop))


@looking.get("/status/<int:project>/map.json")
def map_points(project: int) -> Response:
    return jsonify(_explorer().map(project, request.args.get("question", "")))


@looking.get("/status/<int:project>/label.json")
def one_label(project: int) -> Response:
    question, label = request.args.get("question", ""), request.args.get("label", "")
    return jsonify(_explorer().label(project, question, label))


@looking.get("/status/<int:project>/tasks.json")
def tasks(project: int) -> Response:
    return jsonify(tasks=_explorer().tasks(project, ids_in(request.args.get("ids", ""))))


@looking.get("/status/<int:project>/search.json")
def search(project: int) -> Response:
    """Tasks near to `words`, or like the tasks `like`."""
    if "like" in request.args:
        return jsonify(tasks=_explorer().like(project, ids_in(request.args["like"])))
    return jsonify(tasks=_explorer().by_words(project, request.args.get("words", "")))


@looking.get("/status/<int:project>/picture/<int:task>/<int:place>")
def picture(project: int, task: int, place: int) -> Response:
    found = _explorer().thumbnail(project, task, place)
    if found is None:
        abort(404, "There is no picture of this task in the cache of fetched media")
    answer = Response(found, content_type="image/jpeg")
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


@looking.post("/status/<int:project>/tab")
def tab(project: int) -> Response:
    """Show tasks in a Data Manager tab of their own."""
    tasks = ids_in(request.form.get("tasks", ""))
    return jsonify(sentence=_explorer().show_in_data_manager(project, tasks))


def _explorer() -> "Explorer":
    # Not at import: it loads the learning libraries, and the server starts without them.
    from backend.explore.explorer import Explorer  # noqa: PLC0415

    if "explorer" not in current_app.extensions:
        current_app.extensions["explorer"] = Explorer(current_service())
    explorer: Explorer = current_app.extensions["explorer"]
    return explorer
