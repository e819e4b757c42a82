"""Items that come after a dataset was added: those that are sent to the server wait here, in files
that are whole or absent, until the trainer adds them; and of the dataset's own address it is known
which files were read.
"""

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from backend.dataset.record import Record, folder_of, write_whole
from backend.dataset.rows import TooDeep, cleaned, id_of, listed
from backend.errors import TooManySent
from backend.interface.content import parts_of
from backend.interface.questions import LabelConfig
from backend.types import Json
from model.storage.damage import Damaged, json_of
from model.storage.disk import sync

if TYPE_CHECKING:  # it needs Parquet, which the server does not
    from model.dataset.source import File

ID_COLUMN = "id"
"""The column of the ids, where items are sent and no dataset was added before."""

MOST_FILES = 10_000
"""Each request makes one, and the trainer takes all of them in at once, unless it is stuck."""

READ = "read.json"


def arriving_of(project: Path) -> Path:
    """Where items that were sent wait."""
    return folder_of(project) / "arriving"


BY_REQUEST = "POST "
"""What no address of files begins with."""


def sent_to(project: Path) -> str:
    """What stands for the address of a dataset whose items are all sent."""
    return f"{BY_REQUEST}/pool/{project.name}/items"


def is_sent(record: Record) -> bool:
    """Whether the dataset has no files, because all of its items are sent."""
    return record.address.startswith(BY_REQUEST)


def sent_files(project: Path) -> list[Path]:
    """The files of what waits, the oldest first."""
    return sorted(arriving_of(project).glob("*.jsonl"))


def keep_sent(project: Path, rows: Sequence[Json]) -> None:
    """Keep these rows, on the disk when this returns. Raises TooManySent."""
    folder = arriving_of(project)
    folder.mkdir(parents=True, exist_ok=True)
    if len(sent_files(project)) >= MOST_FILES:
        raise TooManySent(
            f"{MOST_FILES:,} requests wait to be added to the dataset, so this one was not kept. "
            "The trainer adds them between its other work; send it again later, and send many "
            "items in one request"
        )
    path = folder / f"{time.time_ns():020d}-{token_hex(4)}.jsonl"
    aside = path.with_suffix(".unfinished")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)  # on a full disk it would waste space
    sync(folder)


def keep_aside(path: Path) -> Path:
    """Keep a file of which something could not be added, where nothing reads it. Returns its new
    place."""
    aside = path.with_suffix(".refused")
    path.rename(aside)
    return aside


def checked(
    rows: Sequence[object], id_column: str, config: LabelConfig
) -> tuple[list[Json], list[tuple[int, str]]]:
    """The rows that can be items, as they are to be kept; and of the others their places and why
    they cannot, see `refusal_of`."""
    accepted: list[Json] = []
    refused: list[tuple[int, str]] = []
    for place, row in enumerate(rows):
        try:
            clean = cleaned(row)
            why = refusal_of(clean, id_column, config)
        except TooDeep as error:
            why = str(error)
        if why:
            refused.append((place, why))
        else:
            accepted.append(clean)
    return accepted, refused


def refusal_of(row: object, id_column: str, config: LabelConfig) -> str:
    """Why a row that was sent, cleaned already, can be no item, in a sentence without a full stop;
    "" if it can."""
    if not isinstance(row, dict):
        return 'It is no JSON object, such as {"id": "a1", "text": "..."}'
    if id_column not in row:
        return f"It has no {id_column!r}, by which its labels would be kept; it has {listed(row)}"
    if id_of(row[id_column]) is None:
        return f"Its {id_column!r} must be a text or a whole number, not {row[id_column]!r:.80}"
    if parts_of(row, config) is None:
        keys = [f"${key}" for source in config.sources for key in source.keys]
        return (
            f"It shows nothing: the labelling interface shows {', '.join(keys)}, and it has "
            f"{listed(row)}"
        )
    return ""


def unread(project: Path, files: Iterable["File"]) -> list["File"]:
    """Which of the files at the dataset's address were not read as they are now."""
    known = _read(project)
    return [one for one in files if known.get(one.path) != [one.size, one.written]]


def write_read(project: Path, files: Iterable["File"]) -> None:
    """Remember that these files were read."""
    fresh = {one.path: [one.size, one.written] for one in files}
    if fresh:
        write_whole(folder_of(project) / READ, {**_read(project), **fresh})


def _read(project: Path) -> dict[str, list[int]]:
    try:
        found: dict[str, list[int]] = json_of(folder_of(project) / READ)
    except (Damaged, OSError):  # to read a file again does no harm
        return {}
    return found
