"""What the model says of open tasks, or of a dataset's items, as a file. Nothing is written into
Label Studio.

The file has its name only once it is whole: until then it is FILE.unfinished.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from backend.errors import BackendError, explained, is_disk_full
from backend.finish.plan import Part, Plan
from backend.interface.answers import answer_of
from backend.interface.preannotations import confidence_of, demand_score, results_of
from backend.mirror.pool import Pool
from backend.types import Json
from model.types import Ints

TASK, ITEM = "task", "id"
"""What the first column is called: a task's number, or the id of an item of a dataset."""

OWN = ("labels", "probabilities", "standing", "stands", "version")
"""The columns after those of the tasks' data."""


@dataclass(frozen=True)
class Columns:
    """Which columns a file has besides OWN. key: TASK or ITEM, the first one; data: the keys of the
    tasks' data, where the format needs to know them first."""

    key: str
    data: tuple[str, ...] = ()

    @property
    def named(self) -> list[str]:
        """The columns of the data as files name them: one with the name of another column is
        called `data.` and its name."""
        return [f"data.{one}" if one in (self.key, *OWN) else one for one in self.data]


class Records(Protocol):
    """What files tell of tasks or items besides what the model says."""

    @property
    def key(self) -> str:
        """TASK or ITEM."""

    def columns(self) -> tuple[str, ...]:
        """The keys of their data."""

    def of(self, ids: Ints) -> list[tuple[int | str, Json]]:
        """What identifies each of some of a plan's ids, and its data."""


class TaskRecords:
    """Of the tasks of a project."""

    key = TASK

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def columns(self) -> tuple[str, ...]:
        return keys_of(data for _, data in self._pool.data())

    def of(self, ids: Ints) -> list[tuple[int | str, Json]]:
        tasks: list[int | str] = ids.tolist()
        return list(zip(tasks, self._pool.data_of(ids), strict=True))


def keys_of(data: Iterable[Json]) -> tuple[str, ...]:
    """The keys of the tasks' data, in the order in which they come first."""
    return tuple({key: None for one in data if isinstance(one, dict) for key in one})


@dataclass(frozen=True)
class Row:
    """What is said of a task or an item. key: its number or its id; probabilities: of each label,
    in the labels' order; standing: the labels that stand; stands: whether no person is needed;
    confidence: of the whole answer, in [0, 1]."""

    key: int | str
    data: Json
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    standing: tuple[str, ...]
    stands: bool
    version: str
    result: list[Json]
    confidence: float


class Format(Protocol):
    """A kind of file."""

    def begin(self, path: Path, columns: Columns) -> None:
        """Begin the file."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add these."""

    def end(self) -> None:
        """The file is whole."""

    def close(self) -> None:
        """Let go of it, whole or not."""


class _Text:
    """A file of text. What cannot be encoded (half of an emoji) is escaped."""

    _file: IO[str] | None = None

    def open(self, path: Path) -> IO[str]:
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        return self._file

    @property
    def file(self) -> IO[str]:
        assert self._file is not None
        return self._file

    def end(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class JsonLines(_Text):
    """One object a line."""

    def begin(self, path: Path, columns: Columns) -> None:
        self._key = columns.key
        self.open(path)

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            said = {
                self._key: row.key,
                "data": row.data,
                "labels": row.labels,
                "probabilities": dict(zip(row.labels, row.probabilities, strict=True)),
                "standing": row.standing,
                "stands": row.stands,
                "version": row.version,
            }
            # In ASCII, where half of an emoji has its own form.
            self.file.write(json.dumps(said) + "\n")


class Csv(_Text):
    """One row a task; lists as JSON, as in Label Studio's own CSV."""

    def begin(self, path: Path, columns: Columns) -> None:
        self._columns = columns.data
        self._rows = csv.writer(self.open(path))
        self._rows.writerow([columns.key, *columns.named, *OWN])

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            data = [_cell(row.data.get(column)) for column in self._columns]
            said = json.dumps(row.labels), json.dumps(row.probabilities), json.dumps(row.standing)
            self._rows.writerow([row.key, *data, *said, str(row.stands).lower(), row.version])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


class StudioJson(_Text):
    """Label Studio's own format, which it imports again: tasks with predictions."""

    def begin(self, path: Path, columns: Columns) -> None:
        self.open(path).write("[")
        self._is_first = True

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            prediction = {
                "model_version": row.version,
                "score": demand_score(row.confidence),
                "result": row.result,
            }
            about = {TASK: row.key, "stands": row.stands}
            task = {"data": row.data, "meta": about, "predictions": [prediction]}
            self.file.write(("\n" if self._is_first else ",\n") + json.dumps(task))
            self._is_first = False

    def end(self) -> None:
        self.file.write("\n]\n")
        super().end()


class Parquet:
    """Columns, for data frames; values of the data that are no text as JSON."""

    _writer: parquet.ParquetWriter | None = None

    def begin(self, path: Path, columns: Columns) -> None:
        self._columns = columns.data
        self._key, self._names = columns.key, columns.named
        texts, numbers = pa.list_(pa.string()), pa.list_(pa.float32())
        own = [
            ("labels", texts),
            ("probabilities", numbers),
            ("standing", texts),
            ("stands", pa.bool_()),
            ("version", pa.string()),
        ]
        key = pa.int64() if columns.key == TASK else pa.string()
        data = [(name, pa.string()) for name in self._names]
        self._schema = pa.schema([(self._key, key), *data, *own])
        self._writer = parquet.ParquetWriter(path, self._schema)

    def write(self, rows: Sequence[Row]) -> None:
        packed = [
            {
                self._key: row.key,
                **dict(zip(self._names, self._texts(row.data), strict=True)),
                "labels": list(row.labels),
                "probabilities": list(row.probabilities),
                "standing": list(row.standing),
                "stands": row.stands,
                "version": row.version,
            }
            for row in rows
        ]
        assert self._writer is not None
        self._writer.write_table(pa.Table.from_pylist(packed, schema=self._schema))

    def _texts(self, data: Json) -> list[str | None]:
        return [self._text(data.get(column)) for column in self._columns]

    def _text(self, value: object) -> str | None:
        text = None if value is None else _cell(value)
        return None if text is None else text.encode(errors="backslashreplace").decode()

    def end(self) -> None:
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


FORMATS: dict[str, Callable[[], Format]] = {
    ".jsonl": JsonLines,
    ".csv": Csv,
    ".parquet": Parquet,
    ".json": StudioJson,
}


def format_of(path: Path, *, is_of_dataset: bool = False) -> Format:
    """The format that a file's name asks for. Raises BackendError when it asks for none, or nothing
    can be written there."""
    suffix = path.suffix.lower()
    known = {name: one for name, one in FORMATS.items() if not is_of_dataset or name != ".json"}
    if suffix in FORMATS and suffix not in known:
        raise BackendError(
            f"{path}: Label Studio's own format is for tasks that it is to import, and of a "
            f"dataset it is to hold only a few. Choose one of {', '.join(known)}"
        )
    if suffix not in known:
        raise BackendError(
            f"{path}: the name must end in one of {', '.join(known)}, which decides the format"
        )
    if path.exists():
        raise BackendError(f"{path} exists; choose another name with --out, or delete it")
    if not path.parent.is_dir():
        raise BackendError(f"{path} cannot be written: there is no folder {path.parent}")
    return known[suffix]()


def write_file(
    plan: Plan, records: Records, path: Path, made: Format, tell: Callable[[int], object]
) -> None:
    """Write what the model says of all that a plan is about. `tell` is called with how many were
    written, part by part. Raises BackendError on a full disk: then there is no file."""
    aside = path.with_name(f"{path.name}.unfinished")  # what an earlier start left is written again
    with _room_for(path, aside):
        try:
            columns = records.columns() if needs_columns(path) else ()
            made.begin(aside, Columns(records.key, columns))
            for part in plan.parts(np.arange(len(plan.ids))):
                made.write(list(_rows(plan, records, part)))
                tell(len(part.ids))
            made.end()
        finally:
            made.close()
        aside.replace(path)


def needs_columns(path: Path) -> bool:
    return path.suffix.lower() in (".csv", ".parquet")


@contextmanager
def _room_for(path: Path, aside: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise BackendError(
                f"{path} cannot be written: {explained(error)}. Choose another folder or name with "
                "--out"
            ) from error
        aside.unlink(missing_ok=True)
        raise BackendError(
            f"The disk is full, so {path} was not written and what there was of it is deleted. "
            "Make room, or choose another folder, and give the same command again"
        ) from error


def _rows(plan: Plan, records: Records, part: Part) -> Iterator[Row]:
    head, config, labels = plan.chosen.head, plan.config, plan.chosen.head.labels
    results = results_of(part.probs, head, config)
    sure = confidence_of(part.probs, head, config).tolist()
    places = {label: place for place, label in enumerate(labels)}
    for row, (key, data) in enumerate(records.of(part.ids)):
        answer = answer_of(results[row], config) or ()
        given = tuple(label for label in answer if isinstance(label, str))
        columns = [places[label] for label in given]
        stand = part.standing.labels[row]
        yield Row(
            key=key,
            data=data,
            labels=given,
            probabilities=tuple(round(float(part.probs[row, one]), 4) for one in columns),
            standing=tuple(label for label, one in zip(given, columns, strict=True) if stand[one]),
            stands=bool(part.standing.tasks[row]),
            version=plan.chosen.version.name,
            result=results[row],
            confidence=sure[row],
        )
