"""A project's history as pages and the stopping rules need it.

The file grows by a line a version. It is read on from where it was read last, and of old versions
only some are kept in memory, so that a page costs the same after twenty thousand versions.
"""

import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.types import Json

FILE = "history.jsonl"
COMPARED = "compared.safetensors"
"""The file with the answers of the version that was compared last."""

KNOWN = {"version", "created_at", "labels", "open_tasks", "kind", "classes", "measured"}
"""What each line of the history says."""

NEWEST = 50
"""The last versions that are kept whatever they are."""

MOST, STEP = 1000, 1.01
"""When more than MOST comparable rows are kept, those with less than one per cent more labels than
the one before are dropped, which no curve shows."""


@dataclass(frozen=True)
class Past:
    """rows: the newest rows that know the same labels and never had fewer of their answers, old
    ones thinned; count: how many they were; newest: the last rows of all, NEWEST at most; compared:
    the last row of all whose version was compared with an earlier one. Oldest first."""

    rows: list[Json]
    count: int
    newest: list[Json]
    compared: Json | None


class Reading:
    """The history in one file, as far as it was read. Any thread may ask."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._begin(None)

    def past(self) -> Past:
        """As the file is now."""
        with self._lock:
            self._read_on()
            return Past(list(self._rows), self._count, list(self._newest), self._compared)

    def _begin(self, inode: int | None) -> None:
        self._inode, self._offset, self._count = inode, 0, 0
        self._rows: list[Json] = []
        self._newest: deque[Json] = deque(maxlen=NEWEST)
        self._compared: Json | None = None

    def _read_on(self) -> None:
        if not self._path.exists():
            self._begin(None)
            return
        with self._path.open("rb") as file:
            found = self._path.stat()
            if found.st_ino != self._inode or found.st_size < self._offset:
                self._begin(found.st_ino)
            file.seek(self._offset)
            whole, end, _ = file.read().rpartition(b"\n")  # the last line may be half written
        self._offset += len(whole) + len(end)
        for row in rows_in(whole):
            self._add(row)

    def _add(self, row: Json) -> None:
        last = self._rows[-1] if self._rows else None
        if last is not None and (not same_labels(last, row) or last["labels"] > row["labels"]):
            self._rows, self._count, last = [], 0, None
        if last is not None:
            row["classes"] = last["classes"]  # one list for all
        self._rows.append(row)
        self._count += 1
        self._newest.append(row)
        if "kappa" in row:
            self._compared = row
        if len(self._rows) > MOST:
            self._rows = thinned(self._rows)


@lru_cache(maxsize=1000)
def _reading_of(path: Path) -> Reading:
    return Reading(path)


def past_of(path: Path) -> Past:
    """What the history in this file comes to."""
    return _reading_of(path).past()


def rows_in(text: bytes) -> Iterator[Json]:
    """The lines of a history, oldest first; damaged ones, such as one that a crash cut off, are
    left out."""
    for line in text.split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:  # no JSON, or no text
            continue
        if isinstance(row, dict) and row.keys() >= KNOWN:
            yield row


def same_labels(first: Json, second: Json) -> bool:
    return (first["kind"], first["classes"]) == (second["kind"], second["classes"])


def thinned(rows: list[Json]) -> list[Json]:
    """Of comparable rows the last NEWEST, those that were compared, and of the others those with a
    few labels more than the one before."""
    kept: list[Json] = []
    for place, row in enumerate(rows):
        is_new = place >= len(rows) - NEWEST or not kept
        if is_new or "kappa" in row or row["labels"] >= STEP * kept[-1]["labels"] + 1:
            kept.append(row)
    return kept
