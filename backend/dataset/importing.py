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

REFUSED, MOST_REFUSED = "items refused", 10
"""The fact that holds which items Label Studio does not want, and of how many of an import that is
found out."""

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


@dataclass(frozen=True)
class Refused:
    """Items that Label Studio does not want as tasks, and why it does not want the first."""

    ids: tuple[str, ...]
    why: str


def import_items(
    studio: StudioProject, pool: Pool, items: Sequence[ShortlistItem], what: Imported
) -> Refused | None:
    """Import these items, without those that Label Studio does not want: one that it refuses would
    keep all others out. Returns these, None if there are none, and remembers them.

    Raises ItemsRefused when it wants none, or too many are refused to look for each; StudioError
    when it does not answer: whether they came is then seen at a later look.
    """
    pool.remember(SENT, {"ids": [item.id for item in items], "at": time.time()})
    refused: dict[str, str] = {}
    try:
        _import_without_refused(studio, items, refused)
        if len(refused) == len(items):  # no fault of each of them
            raise ItemsRefused(_sentence(items[0], next(iter(refused.values()))))
    except ItemsRefused:
        pool.remember(SENT, None)
        raise
    came = [item.id for item in items if item.id not in refused]
    pool.remember(SENT, {"ids": came, "at": time.time()})
    pool.remember(IMPORTED, asdict(replace(what, at=time.time())))
    if not refused:
        return None
    pool.remember(REFUSED, [*refused_items(pool), *refused])
    return Refused(tuple(refused), next(iter(refused.values())))


def refused_items(pool: Pool) -> list[str]:
    """The ids of the items that Label Studio does not want."""
    found: Any = pool.fact(REFUSED)
    return [] if found is None else list(found)


def _import_without_refused(
    studio: StudioProject, items: Sequence[ShortlistItem], refused: dict[str, str]
) -> None:
    """All together, or where that is refused each half by itself: so few requests find the items
    at fault."""
    try:
        studio.import_in_pieces([{"data": one.data, "meta": {META: one.id}} for one in items])
    except StudioError as error:
        if error.status not in REFUSALS:
            raise
        if len(refused) >= MOST_REFUSED:
            raise ItemsRefused(_sentence(items[0], str(error))) from error
        if len(items) == 1:
            refused[items[0].id] = str(error)
            return
        half = len(items) // 2
        _import_without_refused(studio, items[:half], refused)
        _import_without_refused(studio, items[half:], refused)


def _sentence(item: ShortlistItem, why: str) -> str:
    return f"Label Studio refuses to import items of the dataset, such as {item.id!r}: {why}"


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
