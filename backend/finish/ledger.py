"""What `finish` has written into a project of Label Studio, or is just writing: a file in the
project's folder, so that nothing is written twice whatever interrupts it, and all of it can be
taken back.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.finishing.goal import Goal
from model.finishing.promise import Promise

FILE = "finish.sqlite"

SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    id INTEGER PRIMARY KEY,
    target TEXT NOT NULL,       -- predictions, annotations or tab
    version TEXT NOT NULL,
    goal TEXT NOT NULL,         -- JSON
    promises TEXT NOT NULL,     -- JSON: those that it began with
    person INTEGER,             -- the user of the annotations
    begun REAL NOT NULL,        -- Unix time
    ended REAL                  -- NULL: it was interrupted, or goes on
);
CREATE TABLE IF NOT EXISTS written (
    run INTEGER NOT NULL,
    task INTEGER NOT NULL,
    sent REAL,                  -- when it was asked for; NULL: Label Studio said that it has it
    PRIMARY KEY (run, task)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS doubtful ON written (run, task) WHERE sent IS NOT NULL;
"""

PREDICTIONS, ANNOTATIONS, TAB = "predictions", "annotations", "tab"
"""What a run makes: predictions of all open tasks, annotations of those that need no person, or
predictions of these in a tab of their own."""

AT_ONCE = 1000


@dataclass(frozen=True)
class Run:
    """One `finish` that writes into Label Studio; see SCHEMA."""

    number: int
    target: str
    version: str
    goal: Goal
    promises: tuple[Promise, ...]
    person: int | None
    begun: float
    is_ended: bool


class Ledger:
    """For one process at a time, which holds the lock."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / FILE, timeout=30.0, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        # What was sent must be known after a power failure, too.
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def runs(self) -> list[Run]:
        """All that were not taken back, oldest first."""
        rows = self._db.execute(
            "SELECT id, target, version, goal, promises, person, begun, ended FROM run ORDER BY id"
        )
        return [_run(row) for row in rows.fetchall()]

    def begin(
        self,
        target: str,
        version: str,
        goal: Goal,
        promises: Sequence[Promise],
        person: int | None = None,
    ) -> Run:
        packed = json.dumps(asdict(goal)), json.dumps([asdict(one) for one in promises])
        row = (target, version, *packed, person, time.time())
        statement = (
            "INSERT INTO run (target, version, goal, promises, person, begun) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        number = self._db.execute(statement, row).lastrowid
        return next(run for run in self.runs() if run.number == number)

    def end(self, run: Run) -> None:
        """All of it is written."""
        self._db.execute("UPDATE run SET ended = ? WHERE id = ?", (time.time(), run.number))

    def forget(self, run: Run) -> None:
        """All of it is taken back."""
        self._db.execute("BEGIN")
        self._db.execute("DELETE FROM written WHERE run = ?", (run.number,))
        self._db.execute("DELETE FROM run WHERE id = ?", (run.number,))
        self._db.execute("COMMIT")

    def note_sent(self, run: Run, tasks: Sequence[int]) -> None:
        """To be called before these tasks are written: whether they are is in doubt from now on."""
        now = time.time()
        self._many(
            "INSERT OR REPLACE INTO written VALUES (?, ?, ?)",
            [(run.number, task, now) for task in tasks],
        )

    def note_done(self, run: Run, tasks: Sequence[int]) -> None:
        """Label Studio has these."""
        self._many(
            "UPDATE written SET sent = NULL WHERE run = ? AND task = ?",
            [(run.number, task) for task in tasks],
        )

    def note_gone(self, run: Run, tasks: Sequence[int]) -> None:
        """Label Studio has none of these, or no more."""
        self._many(
            "DELETE FROM written WHERE run = ? AND task = ?",
            [(run.number, task) for task in tasks],
        )

    def in_doubt(self, run: Run) -> tuple[list[int], float]:
        """The tasks of which it is unknown whether Label Studio has them, and when the last of them
        was sent (Unix time)."""
        query = "SELECT task, sent FROM written WHERE run = ? AND sent IS NOT NULL ORDER BY task"
        rows = self._db.execute(query, (run.number,)).fetchall()
        return [task for task, _ in rows], max((sent for _, sent in rows), default=0.0)

    def count(self, run: Run) -> int:
        query = "SELECT count(*) FROM written WHERE run = ?"
        return int(self._db.execute(query, (run.number,)).fetchone()[0])

    def last(self, run: Run) -> int:
        """The greatest id of a task that is written; 0 for none."""
        query = "SELECT max(task) FROM written WHERE run = ?"
        return int(self._db.execute(query, (run.number,)).fetchone()[0] or 0)

    def parts(self, run: Run) -> Iterator[list[int]]:
        """The ids of its tasks, ascending, in lists. Those that were given may be forgotten."""
        after = 0
        while True:
            query = "SELECT task FROM written WHERE run = ? AND task > ? ORDER BY task LIMIT ?"
            rows = self._db.execute(query, (run.number, after, AT_ONCE)).fetchall()
            if not rows:
                return
            yield [task for (task,) in rows]
            after = rows[-1][0]

    def _many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._db.execute("BEGIN")
        try:
            self._db.executemany(statement, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _run(row: Sequence[Any]) -> Run:
    number, target, version, goal, promises, person, begun, ended = row
    return Run(
        number,
        target,
        version,
        Goal(**json.loads(goal)),
        tuple(Promise(**one) for one in json.loads(promises)),
        person,
        begun,
        ended is not None,
    )
