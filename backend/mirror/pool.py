"""The mirror of one project's tasks and labels (SQLite), kept in step with Label Studio.

Label Studio is the source of truth. The mirror only keeps its last state, so that a round need not
page through the whole project.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backend.interface.content import Parts, key_of, parts_of
from backend.interface.questions import LabelConfig
from backend.mirror.finished import finished_by
from backend.mirror.items import Items
from backend.mirror.labelling import Labelling, Tally
from backend.mirror.picked import Picks
from backend.mirror.predictions import Prediction
from backend.mirror.votes import Votes
from backend.mirror.weak_labels import WeakLabels, WeakSource
from backend.mirror.weighing import FACT as ANNOTATORS
from backend.types import UNSENT, Json
from model.choosing.audit import SPAN_LOT, draw
from model.storage.damage import set_aside
from model.storage.vectors import GONE
from model.types import MARKED, Bools, Ints

log = logging.getLogger(__name__)

FILE = "pool.sqlite"
"""The mirror's name in a project's folder."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS task (
    id INTEGER PRIMARY KEY,
    key INTEGER,               -- content key of what it shows; NULL when there is nothing to read
    data TEXT NOT NULL,        -- the task's data, JSON
    annotations TEXT NOT NULL -- its annotations, JSON: id, result, who, when; or which version
);
CREATE INDEX IF NOT EXISTS annotated ON task (id) WHERE annotations != '[]';
CREATE INDEX IF NOT EXISTS blank ON task (id) WHERE key IS NULL;
CREATE TABLE IF NOT EXISTS unreadable (   -- media that could not be fetched or decoded
    key INTEGER PRIMARY KEY,
    task INTEGER NOT NULL,
    reason TEXT NOT NULL,
    again_at REAL               -- when to try again (Unix time); NULL: only when people ask
);
CREATE TABLE IF NOT EXISTS unsent (   -- tasks that Label Studio cannot send
    task INTEGER PRIMARY KEY,
    reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS published (version TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS certified (   -- asked for to prove what the model may label
    task INTEGER PRIMARY KEY,
    at REAL NOT NULL
);
"""

REVISION = "revision"
"""The fact that holds a number that grows whenever the mirror changes."""

SHOWN = "shown"
"""The same for what the tasks show: the tasks that there are, and their content keys."""

PREDICTED = "predicted"
"""The same for the predictions of other programs."""

UNREAD = "unread"
"""The fact that holds how many open tasks are not read from Label Studio yet."""

SPAN_REACH = 2000
"""The most open tasks that are ranked for spans or boxes at a time: a round then takes about a
second."""
SOUND_REACH = 500
"""The same of sounds, whose steps are more, and whose states are longer."""

PINNED = "pinned"
"""The fact that names the version that people rolled back to; see backend.project.pin."""


@dataclass(frozen=True)
class NothingShown:
    """Tasks that show nothing that can be read: how many of how many, and the first one with the
    keys of its data and these."""

    tasks: int
    of: int
    first: int
    keys: tuple[str, ...]
    data: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


class Pool:
    """One SQLite file in WAL mode. One object per thread; any number of processes."""

    def __init__(self, path: Path) -> None:
        self._readable_at: tuple[int, Ints, Ints] | None = None
        """Everything readable, as it was when SHOWN had this value. Reading a million rows takes
        seconds, and labels rarely change any."""
        self._weak_at: tuple[object, tuple[WeakSource, ...]] = (None, ())
        """All weak labels, and what they were made from."""
        self._db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(SCHEMA)
            self._weak = WeakLabels(self._db)
            self.items = Items(self._db)
            self.picks = Picks(self._db, self.learn_again)
        except sqlite3.Error:
            self._db.close()
            raise

    @classmethod
    def repaired(cls, path: Path, note: Callable[[str], object] = log.error) -> "Pool":
        """The pool in this file. A damaged file is set aside and replaced by a new one, which
        `note` is told in a sentence: everything that matters in it is also in Label Studio."""
        try:
            pool = cls(path)
            if pool.is_intact():
                return pool
            pool.close()
        except sqlite3.OperationalError:
            raise  # a full disk or a lock: the file may be intact
        except sqlite3.DatabaseError:
            pass
        aside = set_aside(path, time.time())
        note(
            f"The copy of tasks and labels was damaged. All of it is read again from Label Studio. "
            f"What was there is kept as {aside} and may be deleted"
        )
        for rest in ("-wal", "-shm"):
            path.with_name(path.name + rest).unlink(missing_ok=True)
        return cls(path)

    def is_intact(self) -> bool:
        """Whether the file passes SQLite's own check, which reads all of it."""
        return bool(self._db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")

    def close(self) -> None:
        self._db.close()

    def fact(self, name: str) -> Any:
        """A stored JSON value, or None."""
        row = self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def remember(self, name: str, value: Any) -> None:
        statement = "INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)"
        self._db.execute(statement, (name, json.dumps(value)))

    def published(self) -> dict[str, float]:
        """The versions that we wrote into Label Studio, oldest first, with the time of import."""
        rows = self._db.execute("SELECT version, at FROM published ORDER BY at").fetchall()
        return dict(rows)

    def add_published(self, version: str, at: float) -> None:
        self._db.execute("INSERT OR REPLACE INTO published VALUES (?, ?)", (version, at))

    def drop_published(self, version: str) -> None:
        self._db.execute("DELETE FROM published WHERE version = ?", (version,))

    def certified(self, since: float = 0.0) -> Ints:
        """The tasks that were asked for to prove what the model may label: audit tasks for ever."""
        query = "SELECT task FROM certified WHERE at >= ? ORDER BY task"
        return np.array(self._db.execute(query, (since,)).fetchall(), dtype=np.int64).ravel()

    def add_certified(self, ids: Ints, at: float) -> None:
        """Of those that were asked for before, the last time counts: their labels are given to what
        goes on now."""
        rows = [(task, at) for task in ids.tolist()]
        self._db.executemany("INSERT OR REPLACE INTO certified VALUES (?, ?)", rows)

    def drop_open_certified(self) -> None:
        """Forget those of them that nobody has annotated."""
        self._db.execute(
            "DELETE FROM certified WHERE task IN (SELECT id FROM task WHERE annotations = '[]')"
        )

    def revision(self) -> int:
        """A number that grows whenever the mirror changes."""
        return int(self.fact(REVISION) or 0)

    def count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM task").fetchone()[0])

    def ids(self) -> set[int]:
        return {row[0] for row in self._db.execute("SELECT id FROM task")}

    def annotation_count(self) -> int:
        """The number of annotations of all tasks, including skips."""
        query = "SELECT total(json_array_length(annotations)) FROM task WHERE annotations != '[]'"
        return int(self._db.execute(query).fetchone()[0])

    def update(self, tasks: Iterable[Json], config: LabelConfig) -> int:
        """Store tasks as Label Studio sent them, and which ones it cannot send (UNSENT). Returns
        how many have changed."""
        changed = 0
        for batch in _batched(tasks, 1000):
            self._db.execute("BEGIN")
            updates = [self._put(task, config) for task in batch]
            changes = sum(is_changed for is_changed, _ in updates)
            # With each batch: the connection may be lost during the next one.
            self._changed(changes, sum(is_shown_differently for _, is_shown_differently in updates))
            self._db.execute("COMMIT")
            changed += changes
        return changed

    def _put(self, task: Json, config: LabelConfig) -> tuple[bool, bool]:
        """Whether anything of the task has changed, and whether what it shows has."""
        if UNSENT in task:
            return self._put_unsent(task["id"], task[UNSENT])
        is_back = self._db.execute("DELETE FROM unsent WHERE task = ?", (task["id"],)).rowcount > 0
        self.items.put(task)
        annotations = [_kept(annotation) for annotation in task.get("annotations") or []]
        data = task.get("data") or {}
        values = (_key(data, config), _packed(data), _packed(annotations))
        before = self._db.execute(
            "SELECT key, data, annotations FROM task WHERE id = ?", (task["id"],)
        ).fetchone()
        self._db.execute(
            "INSERT OR REPLACE INTO task (id, key, data, annotations) VALUES (?, ?, ?, ?)",
            (task["id"], *values),
        )
        shown = is_back or before is None or before[:2] != values[:2]
        return is_back or before != values, shown

    def _put_unsent(self, task: int, reason: str) -> tuple[bool, bool]:
        """The task counts as one that shows nothing: nobody can open it either. What was known of
        its annotations is kept."""
        known = self._db.execute("SELECT 1 FROM unsent WHERE task = ?", (task,)).fetchone()
        self._db.execute("INSERT OR IGNORE INTO task VALUES (?, NULL, '{}', '[]')", (task,))
        self._db.execute("UPDATE task SET key = NULL WHERE id = ?", (task,))
        self._db.execute("INSERT OR REPLACE INTO unsent VALUES (?, ?)", (task, reason))
        return known is None, known is None

    def unsent(self) -> list[int]:
        """The tasks that Label Studio could not send at the last look at each."""
        return [row[0] for row in self._db.execute("SELECT task FROM unsent ORDER BY task")]

    def keep_only(self, ids: set[int]) -> int:
        """Forget all other tasks. Returns how many were forgotten."""
        gone = [(task,) for task in self.ids() - ids]
        self._db.execute("BEGIN")
        for table, name in (("task", "id"), ("unsent", "task"), ("picked", "task")):
            self._db.executemany(f"DELETE FROM {table} WHERE {name} = ?", gone)
        self._weak.predictions.forget([task for (task,) in gone])
        self._changed(len(gone), len(gone))
        self._db.execute("COMMIT")
        return len(gone)

    def rekey(self, config: LabelConfig) -> None:
        """Compute the content keys again: the labelling interface now uses other data keys."""
        query = "SELECT id, data FROM task WHERE id NOT IN (SELECT task FROM unsent)"
        rows = self._db.execute(query).fetchall()
        keys = [(_key(json.loads(data), config), task) for task, data in rows]
        self._db.execute("BEGIN")
        self._db.executemany("UPDATE task SET key = ? WHERE id = ?", keys)
        self._db.execute("DELETE FROM unreadable")  # what is unreadable as a picture may be a text
        self._changed(len(keys), len(keys))
        self._db.execute("COMMIT")

    def learn_again(self) -> None:
        """Make a new order due: the same annotations now come to another."""
        self._changed(1, 0)

    def _changed(self, rows: int, shown: int) -> None:
        if rows:
            self.remember(REVISION, self.revision() + 1)
        if shown:
            self.remember(SHOWN, int(self.fact(SHOWN) or 0) + 1)

    def _readable(self) -> tuple[Ints, Ints]:
        """Ids, ascending, and content keys (n,) of all tasks that show something. The same
        read-only arrays until something changes."""
        shown = int(self.fact(SHOWN) or 0)
        if self._readable_at is None or self._readable_at[0] != shown:
            query = "SELECT id, key FROM task WHERE key IS NOT NULL ORDER BY id"
            rows = np.fromiter(self._db.execute(query), dtype=np.dtype((np.int64, 2)))
            ids, keys = np.ascontiguousarray(rows.T)
            ids.setflags(write=False)
            keys.setflags(write=False)
            self._readable_at = shown, ids, keys
        return self._readable_at[1:]

    def nothing_shown(self) -> NothingShown | None:
        """The tasks that show nothing under the labelling interface of the last update; None if
        there are none."""
        # Of tasks that Label Studio cannot send we know nothing at all.
        of = "FROM task WHERE key IS NULL AND id NOT IN (SELECT task FROM unsent)"
        row = self._db.execute(f"SELECT id, data {of} ORDER BY id LIMIT 1").fetchone()
        if row is None:
            return None
        count = self._db.execute(f"SELECT count(*) {of}").fetchone()[0]
        data = json.loads(row[1])
        data = data if isinstance(data, dict) else {}
        return NothingShown(int(count), self.count(), int(row[0]), tuple(map(str, data)), data)

    def content_keys(self) -> Ints:
        """The content keys of all tasks that show something."""
        return self._readable()[1]

    def keys_of(self, ids: Ints) -> Ints:
        """The content keys of these tasks (n,), in their order; GONE of one that shows nothing."""
        query = """SELECT coalesce(task.key, ?) FROM json_each(?) AS asked
            LEFT JOIN task ON task.id = asked.value ORDER BY asked.key"""
        rows = self._db.execute(query, (GONE, json.dumps(ids.tolist())))
        return np.array(rows.fetchall(), dtype=np.int64).ravel()

    def keys(self, config: LabelConfig, seed: int) -> tuple[Ints, Ints]:
        """Ids and content keys of the tasks to encode, both of shape (n,): all that can be read.
        For spans and boxes, which take much space, those with annotations and SPAN_REACH or
        SOUND_REACH of the others, drawn at random."""
        ids, keys = self._readable()
        unreadable = self._are_unreadable(keys)
        if unreadable.any():
            ids, keys = ids[~unreadable], keys[~unreadable]
        if config.kind not in MARKED:
            return ids, keys
        is_open = ~np.isin(ids, self.annotated())
        reach = SOUND_REACH if "steps" in config.layout else SPAN_REACH
        if is_open.sum() <= reach:
            return ids, keys
        # Those with annotations first.
        lots = np.where(is_open, draw(ids, seed + SPAN_LOT), -1)
        near = np.argsort(lots, kind="stable")[: reach + int((~is_open).sum())]
        return ids[near], keys[near]

    def _are_unreadable(self, keys: Ints) -> Bools:
        """Which of these content keys (n,) are of something that could not be read."""
        known = [key for (key,) in self._db.execute("SELECT key FROM unreadable")]
        found: Bools = np.isin(keys, known)
        return found

    def _blank(self) -> Ints:
        """The ids of the open tasks that show nothing. Not of those that Label Studio cannot send:
        whoever got one would see an error."""
        query = """SELECT id FROM task WHERE key IS NULL AND annotations = '[]'
            AND id NOT IN (SELECT task FROM unsent) ORDER BY id"""
        return np.array(self._db.execute(query).fetchall(), dtype=np.int64).ravel()

    def annotated(self) -> Ints:
        """The ids of the tasks that have annotations, including skips."""
        rows = self._db.execute("SELECT id FROM task WHERE annotations != '[]'").fetchall()
        return np.array(rows, dtype=np.int64).ravel()

    def finished_tasks(self) -> list[int]:
        """The ids of the tasks with annotations that the model made."""
        query = "SELECT id, annotations FROM task WHERE annotations != '[]' ORDER BY id"
        return [
            task
            for task, packed in self._db.execute(query)
            if any("finished" in row for row in json.loads(packed))
        ]

    def data(self) -> Iterator[tuple[int, Json]]:
        """Each task with its data, by id."""
        for task, packed in self._db.execute("SELECT id, data FROM task ORDER BY id"):
            yield task, json.loads(packed)

    def data_of(self, ids: Iterable[int]) -> list[Json]:
        """The data of these tasks, in their order; {} of one that is not there."""
        query = "SELECT data FROM task WHERE id = ?"
        rows = (self._db.execute(query, (int(task),)).fetchone() for task in ids)
        return [json.loads(row[0]) if row else {} for row in rows]

    def labelling(self, config: LabelConfig, empty_is_none: bool) -> Labelling:
        """What is labelled and what is open, under the current labelling interface."""
        ids, keys = self._readable()
        query = f"""SELECT id, key, annotations, {_data(config)} FROM task WHERE annotations != '[]'
            AND (key IS NOT NULL OR id NOT IN (SELECT task FROM unsent)) ORDER BY id"""
        tally = Tally(config, empty_is_none)
        annotated = []
        for task, key, packed, data in self._db.execute(query).fetchall():
            if key is None:
                tally.add_blank(task, json.loads(packed))
            else:
                tally.add(task, json.loads(packed), _text(data, config))
            annotated.append(task)
        tally.decide(self.fact(ANNOTATORS) or {})
        return Labelling(
            ids,
            keys,
            ~np.isin(ids, annotated),
            tally.answers,
            tally.undecided,
            tally.empty,
            tally.skipped,
            self._are_unreadable(keys),
            self._blank(),
            int(self.fact(UNREAD) or 0),
            tally.lost,
            dict(tally.reasons),
            began=tally.began,
            effort=tally.effort.total(),
            certified=self.certified(),
            finished=np.array(tally.finished, dtype=np.int64),
            tickets=self.items.tickets(ids),
            picked=self.picks.all(),
        )

    def votes(self, config: LabelConfig, empty_is_none: bool) -> dict[int, Votes]:
        """All answers of annotators, by task."""
        query = f"SELECT id, annotations, {_data(config)} FROM task WHERE annotations != '[]'"
        return {
            task: Votes.read(json.loads(packed), config, empty_is_none, _text(data, config))
            for task, packed, data in self._db.execute(query)
        }

    def replace_predictions(self, after: int, up_to: int | None, found: list[Prediction]) -> int:
        """Replace the predictions of other programs; see `Predictions.replace`. They count from
        `predictions_are_read` on."""
        return self._weak.predictions.replace(after, up_to, found)

    def predictions_are_read(self) -> None:
        """All predictions of other programs are known as they are now."""
        self.remember(PREDICTED, int(self.fact(PREDICTED) or 0) + 1)
        self._changed(1, 0)

    def weak_sources(
        self, config: LabelConfig, fields: Sequence[str], empty_is_none: bool
    ) -> tuple[WeakSource, ...]:
        """What others than the annotators say of the tasks, under the current labelling interface.
        The same until something changes: reading a million votes takes seconds."""
        made_from = (self.fact(PREDICTED), self.fact(SHOWN), config, fields, empty_is_none)
        if self._weak_at[0] != made_from:
            self._weak_at = made_from, self._weak.sources(config, fields, empty_is_none)
        return self._weak_at[1]

    def newest_annotations(self, ids: Iterable[int]) -> list[int]:
        """The id of the newest annotation of each of these tasks that still has any."""
        found = []
        for task in ids:
            query = "SELECT annotations FROM task WHERE id = ?"
            row = self._db.execute(query, (int(task),)).fetchone()
            numbers = [one["id"] for one in json.loads(row[0])] if row else []
            found += [max(numbers)] if numbers else []
        return found

    def parts(self, ids: Iterable[int], config: LabelConfig) -> list[Parts]:
        """What these tasks show, in their order; deleted ones show nothing."""
        nothing: Parts = (None,) * len(config.layout)
        found = []
        for task in ids:
            row = self._db.execute("SELECT data FROM task WHERE id = ?", (int(task),)).fetchone()
            found.append((parts_of(json.loads(row[0]), config) if row else None) or nothing)
        return found

    def add_unreadable(self, key: int, task: int, reason: str, again_at: float | None) -> None:
        """What this task shows cannot be read: it can still be labelled, but is not ranked."""
        row = (key, task, reason, again_at)
        self._db.execute("INSERT OR REPLACE INTO unreadable VALUES (?, ?, ?, ?)", row)

    def unreadable(self, most: int) -> tuple[int, dict[int, str]]:
        """How many tasks cannot be read at the moment, and the first ones with the reason."""
        tables = ("unreadable", "unsent")
        if not any(self._db.execute(f"SELECT 1 FROM {table}").fetchone() for table in tables):
            return 0, {}  # called at each submit: do not scan all tasks in vain
        of = """FROM (
            SELECT task.id AS id, reason FROM task JOIN unreadable USING (key)
            UNION ALL SELECT task.id, reason FROM task JOIN unsent ON unsent.task = task.id)"""
        count = int(self._db.execute(f"SELECT count(*) {of}").fetchone()[0])
        query = f"SELECT id, reason {of} ORDER BY id LIMIT ?"
        return count, dict(self._db.execute(query, (most,)).fetchall())

    def retry_unreadable(self, now: float) -> None:
        """Let media that could not be read be tried again, where it is time for that."""
        self._db.execute("DELETE FROM unreadable WHERE again_at <= ?", (now,))

    def retry_all_unreadable(self) -> None:
        """Let all media that could not be read be tried again."""
        self._db.execute("DELETE FROM unreadable")


def _kept(annotation: Json) -> Json:
    """What is kept of an annotation. Of one that the model made only by which version: nothing is
    learnt from it, and all annotations are read at each submit."""
    version = finished_by(annotation)
    if version is not None:
        return {"id": annotation.get("id"), "finished": version}
    kept = ("id", "result", "was_cancelled", "completed_by", "created_at", "lead_time")
    return {name: annotation.get(name) for name in kept}


def _key(data: object, config: LabelConfig) -> int | None:
    parts = parts_of(data, config)
    return None if parts is None else key_of(parts)


def _data(config: LabelConfig) -> str:
    """The column with the data of a task, where its annotations cannot be read without."""
    return "data" if config.reads_text else "NULL"


def _text(data: str | None, config: LabelConfig) -> str:
    parts = None if data is None else parts_of(json.loads(data), config)
    return (parts and parts[0]) or ""


def _packed(value: Any) -> str:
    # In ASCII: a text may contain half a character (an emoji cut in two), which SQLite refuses.
    return json.dumps(value, separators=(",", ":"))


def _batched(tasks: Iterable[Json], size: int) -> Iterator[list[Json]]:
    batch: list[Json] = []
    for task in tasks:
        batch.append(task)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch
