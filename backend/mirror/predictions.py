"""The predictions that other programs left in Label Studio, as the mirror keeps them."""

import json
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from backend.types import Json

SCHEMA = """
CREATE TABLE IF NOT EXISTS prediction (   -- of other programs, not our own
    task INTEGER NOT NULL,
    source TEXT NOT NULL,       -- its model_version
    at TEXT NOT NULL,           -- when it was made or changed last, as Label Studio writes it
    result TEXT NOT NULL,       -- its result, JSON, without what differs from task to task
    PRIMARY KEY (task, source)
) WITHOUT ROWID;
"""

KEPT = ("from_name", "type", "value")
"""Of each region: what an answer is read from. The rest, such as its id, would make each result a
different one."""


@dataclass(frozen=True)
class Prediction:
    """What a source says of a task; see SCHEMA."""

    task: int
    source: str
    at: str
    result: str


class Predictions:
    """A table of the mirror's file. For one thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(SCHEMA)

    def replace(self, after: int, up_to: int | None, found: list[Prediction]) -> int:
        """Put these in the place of all of the tasks with greater ids than `after`, up to `up_to`,
        None: to the end. Returns how many rows changed."""
        last = up_to if up_to is not None else 1 << 62
        query = "SELECT task, source, at, result FROM prediction WHERE task > ? AND task <= ?"
        before = set(self._db.execute(query, (after, last)).fetchall())
        # One a task: the one that was made last.
        newest = {(one.task, one.source): one for one in sorted(found, key=lambda one: one.at)}
        now = {(one.task, one.source, one.at, one.result) for one in newest.values()}
        self._db.execute("BEGIN")
        gone = [row[:2] for row in before - now]
        self._db.executemany("DELETE FROM prediction WHERE task = ? AND source = ?", gone)
        self._db.executemany("INSERT OR REPLACE INTO prediction VALUES (?, ?, ?, ?)", now - before)
        self._db.execute("COMMIT")
        return len(before ^ now)

    def forget(self, tasks: Collection[int]) -> None:
        """Forget all of these tasks."""
        rows = [(task,) for task in tasks]
        self._db.executemany("DELETE FROM prediction WHERE task = ?", rows)

    def by_source(self) -> Iterator[tuple[str, list[tuple[int, str, str]]]]:
        """Each source with its predictions, (task, at, result), by task."""
        query = "SELECT source, task, at, result FROM prediction ORDER BY source, task"
        for source, rows in groupby(self._db.execute(query), key=itemgetter(0)):
            yield source, [row[1:] for row in rows]


def predictions_in(task: Json, sources: Collection[str]) -> list[Prediction]:
    """Those of these sources among the predictions of a task, as Label Studio sends it."""
    return [
        Prediction(task["id"], one["model_version"], _when(one), _packed(one.get("result")))
        for one in task.get("predictions") or []
        if one.get("model_version") in sources
    ]


def _when(prediction: Json) -> str:
    return str(prediction.get("updated_at") or prediction.get("created_at") or "")


def _packed(result: Any) -> str:
    if isinstance(result, list):
        result = [
            {name: region[name] for name in KEPT if name in region}
            if isinstance(region, dict)
            else region
            for region in result
        ]
    return json.dumps(result, separators=(",", ":"))
