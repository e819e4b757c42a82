"""Who the annotators are, for the status page alone: no log and no file of ours holds a name."""

import logging
from collections.abc import Collection

from backend.errors import StudioError
from backend.studio.session import Session
from backend.studio.users import users
from backend.types import Json

log = logging.getLogger(__name__)


def people_in(review: Json) -> set[int]:
    """The ids of the users that a review tells of."""
    return {row["person"] for row in (review.get("annotators") or {}).get("people", [])}


def names_of(session: Session, people: Collection[int]) -> dict[int, str]:
    """The names of these users; without those that are deleted or not to be known."""
    if not people:
        return {}
    try:
        found = users(session)
    except StudioError as error:
        if error.status is None:
            raise  # Label Studio is away
        log.info("users are shown by number: Label Studio answers %d for their names", error.status)
        return {}
    return {user["id"]: name_of(user) for user in found if user.get("id") in people}


def name_of(user: Json) -> str:
    """The name that people gave themselves, else their address, else their number."""
    given = " ".join(str(user.get(part) or "") for part in ("first_name", "last_name")).strip()
    return given or str(user.get("email") or user.get("username") or f"user {user['id']}")
