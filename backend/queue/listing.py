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


@dataclass(frozen=True)
class Row:
    """A backend in Label Studio's list: its number there, and its address as people entered it."""

    number: int
    url: str


@dataclass(frozen=True)
class Listing:
    """own: our row; earlier: the backends that were connected before us; studio_address: what Label
    Studio says its own is for browsers, "" if it did not say."""

    own: Row
    earlier: tuple[Row, ...]
    studio_address: str


class Registration:
    """Our place in a project's list of backends.

    The list is asked for as rarely as possible. Label Studio calls each backend for it and then
    saves the row, so that one which somebody deletes at this moment is back afterwards, and a new
    address is the old one again. What a single backend answers to /versions, it passes on without
    saving anything.
    """

    def __init__(self, studio: StudioProject, inbox: Inbox, known: str) -> None:
        """`known`: our address so far, or ""."""
        self._studio, self._inbox, self._known = studio, inbox, known
        self.listing: Listing | None = None
        """As it was at the last look."""
        self._called_as = ""

    def look(self) -> Listing:
        """Where we are listed now. Raises NotListed, and StudioError."""
        listing = self.listing
        if listing is None or self._is_called_otherwise() or not self._is_ours(listing.own):
            self.listing = None
            listing = listing_of(self._studio, self._inbox, self._known)
            self.listing, self._known = listing, listing.own.url
            self._called_as = self._inbox.called_as()
        return listing

    def is_listed(self, row: Row) -> bool:
        """Whether this row is still there."""
        return self._studio.backend_versions(row.number) is not None

    def forget(self) -> None:
        """Ask for the whole list at the next look."""
        self.listing = None

    def _is_ours(self, row: Row) -> bool:
        return self._inbox.identity in (self._studio.backend_versions(row.number) or ())

    def _is_called_otherwise(self) -> bool:
        """Somebody may have changed our address in the list."""
        return self._inbox.called_as() != self._called_as


def listing_of(studio: StudioProject, inbox: Inbox, known: str) -> Listing:
    """Ask Label Studio for the project's backends, and which of them we are. `known`: our address
    so far, or "".

    Raises NotListed, and StudioError.
    """
    began = time.monotonic()
    rows = [Row(int(row["id"]), str(row["url"])) for row in studio.backends()]
    rows.sort(key=lambda row: row.number)
    # While it answers, Label Studio calls /setup of each backend.
    said = {call.studio_address for call in inbox.setups_since(began)}
    own = _found(studio, rows, inbox.identity, known)
    if own is None:
        raise NotListed(_sentence(studio.number, known))
    earlier = rows[: rows.index(own)]
    return Listing(own, tuple(earlier), said.pop() if len(said) == 1 else "")


def same_address(one: str, other: str) -> bool:
    """Whether two addresses name the same host, port and path."""
    first, second = urlsplit(one), urlsplit(other)
    hosts = first.netloc.lower(), second.netloc.lower()
    return hosts[0] == hosts[1] and first.path.rstrip("/") == second.path.rstrip("/")


def _found(studio: StudioProject, rows: list[Row], identity: str, known: str) -> Row | None:
    as_before = (row for row in rows if row.url == known)
    # Only then: Label Studio calls the backend for each.
    proved = (row for row in rows if identity in (studio.backend_versions(row.number) or ()))
    return next(as_before, None) or next(proved, None)


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
