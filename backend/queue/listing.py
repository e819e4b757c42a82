"""Whether Label Studio lists this backend for a project (*Settings > Model*), and where.

A request to /setup proves nothing: whoever reaches us can send one, for any project and under any
name. So nothing is written into a project that Label Studio does not list us for. Which of the
listed backends we are, Label Studio itself finds out: it passes on what each of them answers to
/versions, and we answer with a name that this process made up.
"""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from backend.errors import NotListed
from backend.queue.inbox import Inbox
from backend.studio.project import StudioProject
from backend.types import Json


@dataclass(frozen=True)
class Listing:
    """own: our address as people entered it; earlier: the addresses of backends that were connected
    before us; studio_address: what Label Studio says its own is for browsers, "" if it did not say.
    """

    own: str
    earlier: tuple[str, ...]
    studio_address: str


def listing_of(studio: StudioProject, inbox: Inbox, known: str) -> Listing:
    """Ask Label Studio where it lists us for the project. `known`: our address so far, or "".

    Raises NotListed, and StudioError.
    """
    began = time.monotonic()
    rows = sorted(studio.backends(), key=lambda row: int(row["id"]))
    # While it answers, Label Studio calls /setup of each backend.
    said = {call.studio_address for call in inbox.setups_since(began)}
    urls = [str(row["url"]) for row in rows]
    own = known if known in urls else _found(studio, rows, inbox.identity)
    if own is None:
        raise NotListed(_sentence(studio.number, known))
    earlier = urls[: urls.index(own)]
    return Listing(own, tuple(earlier), said.pop() if len(said) == 1 else "")


def same_address(one: str, other: str) -> bool:
    """Whether two addresses name the same host, port and path."""
    first, second = urlsplit(one), urlsplit(other)
    hosts = first.netloc.lower(), second.netloc.lower()
    return hosts[0] == hosts[1] and first.path.rstrip("/") == second.path.rstrip("/")


def _found(studio: StudioProject, rows: list[Json], identity: str) -> str | None:
    for row in rows:
        if identity in studio.backend_versions(row["id"]):
            return str(row["url"])
    return None


def _sentence(project: int, known: str) -> str:
    sentence = (
        f"Label Studio does not list this backend for project {project}, so nothing is read or "
        "written. Connect it under Settings > Model"
    )
    if not known:
        return sentence
    return (
        f"{sentence}; to remove what it made there, run: "
        f"python -m backend disconnect --project {project}"
    )
