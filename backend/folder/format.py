"""The number of the format in which a project's folder is written.

An older release that meets newer data refuses it in a sentence; older data is migrated forward.
Releases up to 0.2 wrote no number.
"""

import json
from pathlib import Path

from backend.errors import NewerData
from model.storage.damage import Damaged, json_of
from model.storage.store import Store

FORMAT = 3
"""Grows when an older release could not read what this one writes, or would misread it."""

FILE = "format.json"

BEFORE_NUMBERS = 2


def check_format(folder: Path) -> None:
    """Raises NewerData when a later release wrote what is in a project's folder."""
    found = format_of(folder)
    if found > FORMAT:
        raise NewerData(
            f"A later release wrote {folder}: it has format {found}, and this release reads "
            f"formats up to {FORMAT}. Install the later release again, or give this one a "
            "MODEL_DIR of its own: it then reads all labels again from Label Studio"
        )


def migrate(store: Store) -> None:
    """Bring what an earlier release wrote into this release's format. May be interrupted and begun
    again at any time."""
    if format_of(store.folder) < FORMAT:
        store.identify_encoders()
        aside = store.folder / f"{FILE}.unfinished"
        aside.write_text(json.dumps({"format": FORMAT}))
        aside.replace(store.folder / FILE)


def format_of(folder: Path) -> int:
    """As it was written down. Damaged, it counts as old: to migrate again does no harm."""
    try:
        found = json_of(folder / FILE).get("format")
    except Damaged:
        return BEFORE_NUMBERS
    return found if isinstance(found, int) else BEFORE_NUMBERS
