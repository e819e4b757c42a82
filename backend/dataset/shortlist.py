"""The items of a dataset that are to be imported next, as the trainer has chosen them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.dataset.record import folder_of, write_whole
from backend.types import Json

FILE = "shortlist.json"


@dataclass(frozen=True)
class ShortlistItem:
    """An item, and the data of the task that it becomes."""

    id: str
    data: Json


@dataclass(frozen=True)
class Shortlist:
    """The items, ask-first order. version: whose head chose them, "" for none; labels: how many
    tasks had labels then; made_at: Unix time."""

    items: tuple[ShortlistItem, ...]
    version: str
    labels: int
    made_at: float


def write_shortlist(project: Path, shortlist: Shortlist) -> None:
    write_whole(folder_of(project) / FILE, asdict(shortlist))


def read_shortlist(project: Path) -> Shortlist | None:
    """None before there is one."""
    try:
        values = json.loads((folder_of(project) / FILE).read_text())
    except FileNotFoundError:
        return None
    items = tuple(ShortlistItem(**one) for one in values.pop("items"))
    return Shortlist(items, **values)
