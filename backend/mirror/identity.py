"""Whether a mirror is of the project that has this number in Label Studio now."""

import time
from pathlib import Path

from backend.errors import ProjectReplaced
from backend.mirror.pool import Pool
from backend.types import Json

CREATED = "born"
"""The fact that identifies the mirrored project: when Label Studio created it."""


def is_of(pool: Pool, described: Json) -> bool:
    """Whether the mirror is of this very project; a new mirror is assigned to it.

    Label Studio numbers its projects from 1 again when it starts with an empty database.
    """
    created = described["created_at"]
    if pool.fact(CREATED) is None:
        pool.remember(CREATED, created)
    return bool(pool.fact(CREATED) == created)


def set_aside(folder: Path) -> ProjectReplaced:
    """Move away what was learnt about another project with the same number. Returns the error to
    raise, so that the work starts again."""
    aside = folder.with_name(f"{folder.name}.replaced-{time.time():.0f}")
    folder.rename(aside)
    return ProjectReplaced(
        f"Project {folder.name} in Label Studio is not the same as before. What was learnt about "
        f"the old one is kept in {aside} and may be deleted"
    )
