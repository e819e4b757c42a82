"""Disconnect a project from the backend, and take back what the backend made in Label Studio.

That is its webhook, its Data Manager tabs, and the sampling mode. Annotations and tasks stay, and
so does MODEL_DIR: connect the project again, and it goes on where it was.
"""

import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from backend.commands.access import add_access_arguments, studio_of
from backend.errors import BackendError
from backend.project.footprint import Footprint, footprint_of
from backend.queue import undo
from backend.settings import from_env
from backend.studio.project import StudioProject

QUIET_SECONDS, LIMIT = 3.0, 60.0
"""A turn of the backend that runs just now may still write; wait until nothing has changed for this
long, and not longer than LIMIT."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--project", type=int, required=True, help="the project's number")
    add_access_arguments(parser)
    parser.add_argument(
        "--backend-url",
        default="",
        help="the backend's address in Settings > Model (default: as MODEL_DIR knows it, or the "
        "only one there)",
    )
    parser.add_argument(
        "--predictions", action="store_true", help="delete the backend's predictions, too"
    )


def run(arguments: Namespace) -> None:
    settings = from_env(os.environ)
    studio = studio_of(arguments, settings).of(arguments.project)
    known = footprint_of(settings.model_dir / str(arguments.project))
    url = arguments.backend_url or known.address or only_backend(studio)
    leave(studio, url, known)
    say(undo.remove_webhooks(studio, url))
    say(undo.reset_tabs(studio))
    if arguments.predictions:
        say(undo.remove_predictions(studio, known.versions))
    print(
        f"Project {arguments.project} is disconnected. What was learnt stays in "
        f"{settings.model_dir / str(arguments.project)}; delete it if you do not need it"
    )


def say(lines: Iterable[str]) -> int:
    """Print what was done, line by line. Returns how many lines there were."""
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007 (the last one counts)
        print(line)
    return count


def only_backend(studio: StudioProject) -> str:
    """The address of the project's only backend. Raises BackendError if there are none or more."""
    urls = [str(row["url"]) for row in studio.backends()]
    if len(urls) != 1:
        there = ", ".join(urls) or "none"
        raise BackendError(
            f"It is unknown which backend of project {studio.number} to disconnect (there: "
            f"{there}). Give its address with --backend-url"
        )
    return urls[0]


def leave(studio: StudioProject, url: str, known: Footprint) -> None:
    """Delete the backend from the list, and restore the settings. Once more if it is back then:
    Label Studio brings back a row that it was just looking at."""
    say(undo.disconnect(studio, url))
    settle(studio, known)
    while say(undo.disconnect(studio, url)):
        settle(studio, known)


def settle(studio: StudioProject, known: Footprint) -> None:
    """Restore the settings until they stay. Raises BackendError if something changes them."""
    until = time.monotonic() + LIMIT
    quiet_since = time.monotonic()
    while time.monotonic() < quiet_since + QUIET_SECONDS:
        if say(undo.restore_settings(studio, known.sampling)):
            quiet_since = time.monotonic()
        if time.monotonic() > until:
            raise BackendError(
                "Something sets the sampling mode again and again. Is another backend connected? "
                "See Settings > Model"
            )
        time.sleep(0.5)
