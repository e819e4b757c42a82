"""Connect a project of a running Label Studio to a running backend, and wait for the first order.

The same as Settings > Model > Connect Model, without the clicks. With --from the project begins
with what an earlier one learnt; this command then needs the server's MODEL_DIR.
"""

import os
import time
from argparse import ArgumentParser, Namespace

from backend.commands.access import add_access_arguments, studio_of
from backend.errors import BackendError, CannotTransfer
from backend.progress import waiting
from backend.project.beginning import beginning_in_words
from backend.project.transfer import take_over_for
from backend.queue.publish import SAMPLING
from backend.settings import Settings, from_env
from backend.studio.api import Studio
from backend.studio.project import StudioProject

LIMIT = 600.0


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--project", type=int, required=True, help="the project's number")
    add_access_arguments(parser)
    parser.add_argument(
        "--from",
        dest="source",
        default="",
        metavar="EARLIER",
        help="begin with what an earlier project learnt: its number, if it is one of the same "
        "backend, or a folder that `export` wrote",
    )
    parser.add_argument(
        "--backend-url",
        default="http://localhost:9090",
        help="this backend's address as Label Studio reaches it; a host name needs a dot, except "
        "localhost",
    )
    parser.add_argument(
        "--title", default="Active learning", help="the backend's name in Label Studio"
    )


def run(arguments: Namespace) -> None:
    settings = from_env(os.environ)
    studio = studio_of(arguments, settings)
    if arguments.source:
        print(begin_with(arguments.source, studio.of(arguments.project), settings))
    connect(studio, arguments.project, arguments.backend_url, arguments.title, settings)
    if not studio.of(arguments.project).describe()["task_number"]:
        print(
            "Connected. The project has no tasks yet; the order follows when you import some, or "
            f"give it a dataset: python -m backend pool add --project {arguments.project} DATASET"
        )
        return
    wait_for_order(studio, arguments.project)
    print(
        f"Connected. Open {studio.url}/projects/{arguments.project}/data and press Label All Tasks."
    )


def begin_with(source: str, project: StudioProject, settings: Settings) -> str:
    """Take over what an earlier project learnt, for one that nobody has labelled yet. Returns how
    it begins, and where that is kept. Raises BackendError; nothing is written then."""
    if not settings.model_dir.is_dir():
        raise CannotTransfer(
            f"There is no folder MODEL_DIR={settings.model_dir}, so that the server would not find "
            "what is taken over. Give this command the MODEL_DIR of the server, and start the "
            "server once before if it is new"
        )
    described = project.describe()
    labelled = int(described.get("num_tasks_with_annotations") or 0)
    if labelled:
        raise CannotTransfer(
            f"{labelled} tasks of project {project.number} are labelled already. Connect it "
            f"without --from, and the model learns from them. If it is to begin with {source} all "
            f"the same, start the backend with TRANSFER_FROM={source}"
        )
    earlier = take_over_for(source, settings, project.number, described["label_config"])
    folder = (settings.model_dir / str(project.number)).resolve()
    return (
        f"{beginning_in_words(earlier)} This is kept in {folder}, where the server must look: its "
        "status page says the same."
    )


def connect(studio: Studio, project: int, backend_url: str, title: str, settings: Settings) -> None:
    """Register the backend with the project; the backend does the rest when it is called."""
    address, own = backend_url.rstrip("/"), studio.of(project)
    if any(known["url"].rstrip("/") == address for known in own.backends()):
        return
    password = {
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": settings.basic_auth_user,
        "basic_auth_pass": settings.basic_auth_pass,
    }
    own.connect_backend(
        {
            "url": address,
            "title": title,
            **(password if settings.basic_auth_user else {"auth_method": "NONE"}),
        }
    )


def wait_for_order(studio: Studio, project: int) -> None:
    """Return once Label Studio's queue follows the backend. Raises BackendError after LIMIT."""
    until = time.monotonic() + LIMIT
    with waiting("reading and encoding tasks for the first order") as line:
        while studio.of(project).describe()["sampling"] != SAMPLING:
            if time.monotonic() > until:
                raise BackendError(
                    "There is no order after ten minutes. The backend's page /status and its log "
                    "say what it is doing, and `python -m backend doctor` says what is wrong"
                )
            line.update()
            time.sleep(0.5)
