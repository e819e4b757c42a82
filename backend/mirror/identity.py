"""Whether a mirror is one of the project that Label Studio has under this number now."""

import time
from pathlib import Path

from backend.errors import ProjectReplaced
from backend.mirror.pool import Pool
from backend.types import Json

CREATED = "born"
"""The fact that names the project that the mirror is about: when Label Studio created it."""


def is_of(pool: Pool, described: Json) -> bool:
    """Whether the mirror is one of this very project; a new mirror becomes one.

    Label Studio counts its projects from 1 again when it starts on an empty database.
    """
    created = described["created_at"]
    if pool.fact(CREATED) is None:
        pool.remember(CREATED, created)
    return bool(pool.fact(CREATED) == created)


def set_aside(folder: Path) -> ProjectReplaced:
    """Move away what was learnt about another project of the same number. Returns the error to
    raise, so that the work begins again."""
    aside = folder.with_name(f"{folder.name}.replaced-{time.time():.0f}")
    folder.rename(aside)
    return ProjectReplaced(
        f"Label Studio has another project {folder.name} than before. What was learnt about the "
        f"old one is kept in {aside} and may be deleted"
    )
