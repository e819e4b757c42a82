"""The last review of a project's labels: written by the trainer, read for the tab and the page."""

import json
from pathlib import Path

from backend.types import Json

FILE = "review.json"


def read(folder: Path) -> Json:
    """The last review of a project; {} before the first."""
    path = folder / FILE
    return json.loads(path.read_text()) if path.exists() else {}


def write(folder: Path, review: Json) -> None:
    """Replace the last review, atomically."""
    aside = folder / f"{FILE}.unfinished"
    aside.write_text(json.dumps(review, ensure_ascii=False))
    aside.replace(folder / FILE)
