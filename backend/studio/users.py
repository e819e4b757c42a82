"""The users of Label Studio, as far as the token's user may know them."""

from backend.studio.session import Session
from backend.types import Json


def users(session: Session) -> list[Json]:
    """All users of the organisation. Raises StudioError, with 403 where they may not be read."""
    answer = session.json("GET", "/api/users/")
    found: list[Json] = answer.get("items") or answer.get("results") or []
    return found
