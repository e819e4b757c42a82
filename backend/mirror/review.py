"""The last review of a project's labels: written by the trainer, read for the tab and the page."""

import json
from pathlib import Path

from backend.types import Json
from model.storage.damage import Damaged, json_of

FILE = "review.json"


def read(folder: Path) -> Json:
    """The last review of a project; {} before the first, and when the file is damaged."""
    try:
        found: Json = json_of(folder / FILE)
    except Damaged:
        return {}
    return found


def write(folder: Path, review: Json) -> None:
    """Replace the last review, atomically."""
    aside = folder / f"{FILE}.unfinished"
    aside.write_text(json.dumps(review, ensure_ascii=False))
    aside.replace(folder / FILE)
