"""Weak labels: what others than the annotators say of tasks, in the form of annotators' answers.

There are two kinds of sources: predictions that other programs left in Label Studio, by their model
version, and fields of the tasks' data that WEAK_LABELS names.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from backend.interface.answers import MOST_SHOWN, read_result, without_contradictions
from backend.interface.called import folded, former_names, seen_names, stored_names
from backend.interface.questions import Answer, LabelConfig, labels_in, may_be_empty
from backend.mirror.predictions import Predictions
from backend.words import shortened
from model.boxes.geometry import Box
from model.spans.tags import Span
from model.types import OF_LISTS, Ints, Kind

FIELD = """nullif(CASE json_type(data, {path}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'
    ELSE json_quote(json_extract(data, {path})) END, 'null')"""
"""A field of a task's data as JSON, in SQLite, whose numbers for true and false are 1 and 0; NULL
where there is none."""

MOST_REASONS, OTHER = 10, "other values are not understood either"
"""Of each source so many reasons are told apart: there may be one for each task."""

MOST_SOURCES = 20
"""Each source takes a part of every round: those with the most votes are used."""

NO_LISTS = "weak labels are used for whole tasks only, not for the lists of single tasks"
NOT_HEARD: dict[Kind, str] = {
    "spans": "weak labels are used for whole tasks only, not for spans",
    "boxes": "weak labels are used for whole tasks only, not for boxes",
    **dict.fromkeys(OF_LISTS, NO_LISTS),
}
"""What is asked -> why nothing that others say of it is used."""


@dataclass(frozen=True)
class Read:
    """What one vote says: columns of the config's labels, None if it is no vote; and why parts of
    it say nothing, in words."""

    columns: tuple[int, ...] | None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class WeakSource:
    """The votes of one source.

    name: the model version, or the field's name; tasks (v,): ascending; bounds (v + 1,): vote i is
    for labels[bounds[i]:bounds[i + 1]], columns of the config's labels; at (v): when it was given,
    as Label Studio writes it, None: with the task's data; lost: why something in a vote is not
    understood, in words -> the tasks.
    """

    name: str
    tasks: Ints
    labels: Ints
    bounds: Ints
    at: Sequence[str | None]
    lost: dict[str, list[int]] = field(default_factory=dict)


class WeakLabels:
    """The weak labels in a mirror's file. For one thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.predictions = Predictions(db)

    def sources(
        self, config: LabelConfig, fields: Sequence[str], empty_is_none: bool
    ) -> tuple[WeakSource, ...]:
        """All sources that say anything, predictions first."""
        reader = _Reader(config, empty_is_none)
        found = [gathered(name, rows, reader.result) for name, rows in self.predictions.by_source()]
        names = {one.name for one in found}
        for each in fields:
            # Two sources of one name could not be told apart.
            name = f"{each} (field)" if each in names else each
            found.append(gathered(name, self._of_field(each), reader.value))
        return _largest([one for one in found if len(one.tasks) or one.lost])

    def _of_field(self, name: str) -> list[tuple[int, None, str]]:
        """What the tasks have in a field of their data: (task, None, JSON)."""
        flat = f'$."{name}"'
        nested = "$" + "".join(f'."{part}"' for part in name.split("."))
        value = f"coalesce({FIELD.format(path=':flat')}, {FIELD.format(path=':nested')})"
        query = f"""SELECT id, CAST(value AS BLOB) FROM
            (SELECT id, {value} AS value FROM task ORDER BY id) WHERE value NOT IN ('""', '[]')"""
        rows = self._db.execute(query, {"flat": flat, "nested": nested})
        # Half of an emoji is no UTF-8, and no label either.
        return [(task, None, packed.decode(errors="replace")) for task, packed in rows]


def _largest(sources: list[WeakSource]) -> tuple[WeakSource, ...]:
    """The MOST_SOURCES with the most votes, in their order; one more says what is left out."""
    if len(sources) <= MOST_SOURCES:
        return tuple(sources)
    places = sorted(range(len(sources)), key=lambda place: -len(sources[place].tasks))
    first = sources[places[MOST_SOURCES]]
    name = f"{first.name} and {len(sources) - MOST_SOURCES - 1} more"
    why = f"only the {MOST_SOURCES} sources with the most votes are used"
    tasks = [int(sources[place].tasks[0]) for place in places[MOST_SOURCES:] if sources[place].at]
    none, kept = np.zeros(0, np.int64), sorted(places[:MOST_SOURCES])
    rest = WeakSource(name, none, none, np.zeros(1, np.int64), [], {why: tasks} if tasks else {})
    return (*(sources[place] for place in kept), rest)


def gathered(
    name: str, rows: Iterable[tuple[int, str | None, str]], read: Callable[[str], Read]
) -> WeakSource:
    """A source from its votes, (task, at, JSON), by task. The same JSON is read once."""
    known: dict[str, Read] = {}
    tasks: list[int] = []
    at: list[str | None] = []
    labels: list[int] = []
    bounds = [0]
    lost: defaultdict[str, list[int]] = defaultdict(list)
    for task, when, packed in rows:
        vote = known.get(packed)
        if vote is None:
            vote = known[packed] = read(packed)
        for reason in vote.lost:
            lost[reason if reason in lost or len(lost) < MOST_REASONS else OTHER].append(task)
        if vote.columns is not None:
            tasks.append(task)
            at.append(when)
            labels.extend(vote.columns)
            bounds.append(len(labels))
    ids, columns, ends = (np.array(values, dtype=np.int64) for values in (tasks, labels, bounds))
    return WeakSource(name, ids, columns, ends, at, dict(lost))


class _Reader:
    """Reads votes under one labelling config."""

    def __init__(self, config: LabelConfig, empty_is_none: bool) -> None:
        self._config = config
        self._may_be_empty = may_be_empty(config.kind, empty_is_none)
        self._labels = labels_by_name(config)

    def result(self, packed: str) -> Read:
        """The result of a prediction."""
        if self._config.kind in NOT_HEARD:
            return Read(None, (NOT_HEARD[self._config.kind],))
        result = json.loads(packed)
        found = read_result(result, self._config)
        if found.answer is None:
            return Read(() if result == [] and self._may_be_empty else None, found.lost)
        return Read(self._columns(found.answer), found.lost)

    def value(self, packed: str) -> Read:
        """The value of a field: a name, several with commas between them, or a list of names."""
        if self._config.kind in NOT_HEARD:
            return Read(None, (NOT_HEARD[self._config.kind],))
        try:
            value = json.loads(packed)
        except ValueError:  # a number of thousands of digits
            return Read(None, ("a value in a form that is not understood",))
        names, lost = self._names(value)
        given: list[str | Span | Box] = []
        for name in names:
            mine = self._labels.get(folded(name))
            if mine is None:
                lost.append(f"'{shortened(name, MOST_SHOWN)}' is not among the labels")
            given += mine or ()
        answer = self._config.in_order(without_contradictions(given, self._config, lost))
        return Read(self._columns(answer) or None, tuple(dict.fromkeys(lost)))

    def _columns(self, answer: Answer) -> tuple[int, ...]:
        return tuple(self._config.places[label] for label in labels_in(answer))

    def _names(self, value: object) -> tuple[list[str], list[str]]:
        """The names in a value, and why parts of it are none."""
        items = value if isinstance(value, list) else [value]
        names: list[str] = []
        lost: list[str] = []
        for item in items:
            if isinstance(item, bool) or not isinstance(item, str | int | float):
                shown = shortened(json.dumps(item, ensure_ascii=False), MOST_SHOWN)
                lost.append(f"{shown} is neither a label nor a list of labels")
            elif not isinstance(item, str):
                names.append(str(item) if isinstance(item, int) else f"{item:.15g}")
            elif folded(item) in self._labels:
                names.append(item)
            else:
                names += [part.strip() for part in item.split(",") if part.strip()]
        return names, lost


def labels_by_name(config: LabelConfig) -> dict[str, list[str]]:
    """What a label may be called in a field of the data, `folded` -> the labels, one for each
    question that has it. What is stored precedes what is seen, and that a former name."""
    found: dict[str, list[str]] = {}
    for question in config.questions:
        mine: dict[str, str] = {}
        for names in (stored_names(question), seen_names(question), former_names(question)):
            for name, label in names:
                mine.setdefault(folded(name), label)
        for name, label in mine.items():
            found.setdefault(name, []).append(label)
    return found
