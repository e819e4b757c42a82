"""Imports items of a dataset as tasks, each once, whatever is interrupted.

Which items were sent is remembered before they are. Label Studio keeps an import as a whole or not
at all, and each task carries its item's id, so the next look at the tasks says whether it came.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from backend.dataset.shortlist import ShortlistItem
from backend.errors import ItemsRefused, StudioError
from backend.mirror.items import META
from backend.mirror.pool import Pool
from backend.studio.project import StudioProject

SENT = "items sent"
"""The fact that holds which items were sent last and are not seen as tasks yet, and when."""

IMPORTED = "items imported"
"""The fact that holds what is known of the last import, see Imported."""

SETTLED_SECONDS = 120.0
"""Label Studio goes on with an import after the connection is lost. What is no task after this time
was not imported."""


@dataclass(frozen=True)
class Imported:
    """An import. at: Unix time; labels: how many there were; version: whose head and vectors chose,
    "" for none."""

    at: float = 0.0
    labels: int = 0
    version: str = ""


REFUSALS = (400, 413, 422)
"""What Label Studio, or a proxy before it, answers when it has read an import and wants none of
it."""


def import_items(
    studio: StudioProject, pool: Pool, items: Sequence[ShortlistItem], what: Imported
) -> None:
    """Import these items. Raises ItemsRefused when Label Studio does not want them, and StudioError
    when it does not answer; whether they came is then seen at a later look."""
    pool.remember(SENT, {"ids": [item.id for item in items], "at": time.time()})
    try:
        studio.import_in_pieces([{"data": one.data, "meta": {META: one.id}} for one in items])
    except StudioError as error:
        if error.status not in REFUSALS:
            raise
        pool.remember(SENT, None)
        raise ItemsRefused(
            f"Label Studio refuses to import items of the dataset, such as {items[0].id!r}: {error}"
        ) from error
    pool.remember(IMPORTED, asdict(replace(what, at=time.time())))


def is_waiting(pool: Pool, now: float) -> bool:
    """Whether items that were sent may still become tasks; `now`: Unix time, of a moment before the
    last look at the tasks."""
    sent: Any = pool.fact(SENT)
    if sent is None:
        return False
    if pool.items.missing(sent["ids"]) and now < sent["at"] + SETTLED_SECONDS:
        return True
    pool.remember(SENT, None)
    return False


def last_import(pool: Pool) -> Imported:
    """When items were imported last, and what was known then; zeros before."""
    known: Any = pool.fact(IMPORTED)
    return Imported() if known is None else Imported(**known)


def delete_second_copies(studio: StudioProject, pool: Pool) -> int:
    """Delete tasks that nobody has touched and that show an item which another task shows, too.
    Returns how many they were."""
    copies = pool.items.second_copies()
    for task in copies:
        studio.delete_task(task)
    return len(copies)
