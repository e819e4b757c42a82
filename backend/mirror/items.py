"""Which tasks come from the project's dataset, and as which items of it.

The item's id stands in the task's `meta` in Label Studio, so a mirror that is read again knows it.
An item counts as taken also after people have deleted its task: they did not want it.
"""

import sqlite3
from collections.abc import Collection

import numpy as np

from backend.types import Json
from model.storage.vectors import content_key
from model.types import Ints

META = "dataset_id"
"""The key of a task's `meta` under which the item's id stands."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (   -- tasks that come from the project's dataset
    task INTEGER PRIMARY KEY,
    id TEXT NOT NULL,          -- of the item
    ticket INTEGER NOT NULL    -- the hash of its id, by which it is drawn at random
);
CREATE INDEX IF NOT EXISTS item_by_id ON item (id);
"""


class Items:
    """Part of the mirror; made with its connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(SCHEMA)

    def put(self, task: Json) -> None:
        """See a task as Label Studio sent it."""
        meta = task.get("meta")
        name = meta.get(META) if isinstance(meta, dict) else None
        if isinstance(name, str):
            row = task["id"], name, content_key(name)
            self._db.execute("INSERT OR IGNORE INTO item VALUES (?, ?, ?)", row)

    def tickets(self, ids: Ints) -> Ints:
        """What each task (n,) is drawn at random by: the hash of its item's id, and of a task that
        is no item its own id. The same array where no task is one."""
        rows = self._db.execute("SELECT task, ticket FROM item").fetchall()
        if not rows:
            return ids
        known = dict(rows)
        return np.array([known.get(task, task) for task in ids.tolist()], dtype=np.int64)

    def taken(self) -> Ints:
        """The tickets of all items that are or were tasks."""
        rows = self._db.execute("SELECT DISTINCT ticket FROM item").fetchall()
        return np.array(rows, dtype=np.int64).ravel()

    def missing(self, ids: Collection[str]) -> list[str]:
        """Those of these items that never were tasks."""
        query = "SELECT 1 FROM item WHERE id = ?"
        return [one for one in ids if self._db.execute(query, (one,)).fetchone() is None]

    def count(self) -> int:
        """How many items are tasks, or were."""
        return int(self._db.execute("SELECT count(DISTINCT id) FROM item").fetchone()[0])

    def second_copies(self) -> list[int]:
        """Tasks without annotations that show an item which another, older task shows, too: an
        import of which we never heard that it had succeeded."""
        query = """SELECT item.task FROM item JOIN task ON task.id = item.task
            WHERE task.annotations = '[]' AND EXISTS (
                SELECT 1 FROM item AS older JOIN task AS other ON other.id = older.task
                WHERE older.id = item.id AND older.task < item.task)
            ORDER BY item.task"""
        return [task for (task,) in self._db.execute(query)]
