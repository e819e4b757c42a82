"""Whether Label Studio lists this backend for a project (*Settings > Model*), and where.

A request to /setup proves nothing: whoever reaches us can send one, for any project and under any
name. So nothing is written into a project that Label Studio does not list us for, and what a
request says of addresses is believed only if Label Studio sent it when we asked: while it answers
what backends a project has, it calls /setup of each.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from backend.errors import NotListed
from backend.queue.inbox import Inbox, SetupCall
from backend.studio.project import StudioProject


@dataclass(frozen=True)
class Listing:
    """own: our address as people entered it, "" if we are one of several and there is no telling
    which one; earlier: the addresses of backends that were connected before us; studio_address:
    what Label Studio says its own is for browsers, "" if it did not say."""

    own: str
    earlier: tuple[str, ...]
    studio_address: str


def listing_of(studio: StudioProject, inbox: Inbox, known: str) -> Listing:
    """Ask Label Studio where it lists us for the project. `known`: our address so far, or "".

    Raises NotListed, and StudioError.
    """
    began = time.monotonic()
    rows = sorted(studio.backends(), key=lambda row: int(row["id"]))
    urls, calls = [str(row["url"]) for row in rows], inbox.setups_since(began)
    found = own_address(urls, known, calls)
    if found is None:
        raise NotListed(
            f"Label Studio does not list this backend for project {studio.number}, so nothing is "
            "read or written. Connect it under Settings > Model; to remove what it made there, "
            f"run: python -m backend disconnect --project {studio.number}"
        )
    earlier = urls[: urls.index(found)] if found else []
    said = {call.studio_address for call in calls}
    return Listing(found, tuple(earlier), said.pop() if len(said) == 1 else "")


def own_address(urls: Sequence[str], known: str, calls: Sequence[SetupCall]) -> str | None:
    """Which of the listed `urls` is ours; "" if it is one of them and there is no telling which
    one, None if none is. `calls`: those to our /setup while the list was made.

    A proxy may have changed the host that a call names, or https to http.
    """
    if known in urls:
        return known
    if not urls or not calls:
        return None
    called = [url for url in urls if any(same_address(url, call.backend_url) for call in calls)]
    if called:
        return called[0]
    return urls[0] if len(urls) == 1 else ""


def same_address(one: str, other: str) -> bool:
    """Whether two addresses name the same host, port and path."""
    first, second = urlsplit(one), urlsplit(other)
    return (first.netloc, first.path.rstrip("/")) == (second.netloc, second.path.rstrip("/"))
