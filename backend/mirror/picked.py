"""Which tasks somebody asked to have labelled next."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from model.types import Ints

MOST_PICKED = 50
"""So many may wait at a time: as many as an order has, by default."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS picked (   -- tasks that somebody asked to have labelled next
    task INTEGER PRIMARY KEY,
    place INTEGER NOT NULL,    -- they are asked for in this order
    at REAL NOT NULL           -- when somebody did so, as a Unix time
);
"""

OPEN = "FROM picked JOIN task ON task.id = picked.task WHERE task.annotations = '[]'"


class Picks:
    """Part of the mirror; made with its connection, and with what makes a new order due."""

    def __init__(self, db: sqlite3.Connection, make_due: Callable[[], None]) -> None:
        self._db = db
        self._make_due = make_due
        db.executescript(SCHEMA)

    def all(self) -> Ints:
        """All of them, those that are labelled by now included, in the order in which they are
        asked for."""
        return self._tasks("SELECT task FROM picked ORDER BY place")

    def waiting(self) -> Ints:
        """Those of them that nobody has annotated yet, without those that Label Studio cannot send
        at the moment."""
        can_be_sent = "AND picked.task NOT IN (SELECT task FROM unsent)"
        return self._tasks(f"SELECT picked.task {OPEN} {can_be_sent} ORDER BY place")

    def add(self, ids: Ints, at: float) -> None:
        """Have these tasks asked for after those that wait. Asking again for one that was asked for
        changes nothing."""
        with self._changing():
            query = "SELECT coalesce(max(place) + 1, 0) FROM picked"
            first = int(self._db.execute(query).fetchone()[0])
            rows = [(task, first + place, at) for place, task in enumerate(ids.tolist())]
            self._db.executemany("INSERT OR IGNORE INTO picked VALUES (?, ?, ?)", rows)

    def drop_open(self) -> int:
        """Forget those that nobody has annotated. Returns how many they were."""
        query = f"DELETE FROM picked WHERE task IN (SELECT picked.task {OPEN})"
        with self._changing():
            return self._db.execute(query).rowcount

    def is_open(self, task: int) -> bool | None:
        """Whether nobody has annotated a task; None where there is none that people can open."""
        query = """SELECT annotations = '[]', id IN (SELECT task FROM unsent) FROM task
            WHERE id = ?"""
        row = self._db.execute(query, (task,)).fetchone()
        if row is None or (row[0] and row[1]):
            return None
        return bool(row[0])

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Make a new order due where the block has changed anything. Both in one transaction:
        another thread may count changes of its own at the same time."""
        before = self._db.total_changes
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            if self._db.total_changes > before:
                self._make_due()

    def _tasks(self, query: str) -> Ints:
        return np.array(self._db.execute(query).fetchall(), dtype=np.int64).ravel()
