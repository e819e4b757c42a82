"""The points of a map: where each task is, and what is known of it."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backend.errors import BadRequest
from backend.explore.view import STATES, PoolView, asked, of_question
from backend.interface.questions import Question
from backend.types import Json
from model.choosing.audit import MAP_LOT, by_lot
from model.heads.deciding import confidence
from model.heads.head import Head
from model.mapping.draft import principal
from model.storage.maps import MOST_POINTS, Map, load_map
from model.threads import one_thread
from model.types import Bools, Floats, Ints, is_of_things, reads_text

CELLS = 100_000_000
"""At most this many probabilities are computed for a map: with thousands of labels it shows fewer
tasks, but never fewer than LEAST_POINTS."""
LEAST_POINTS = 5_000

MOST_ANSWERS = 1_000
"""Of a question, that the page offers to colour the map by."""

SCALE = 65_535
"""Positions are whole numbers up to this: enough for any screen, and half the bytes of floats."""

NONE = -1
"""In place of a label."""


@dataclass(frozen=True)
class Points:
    """Where tasks are: their places (n,) in the view, and positions (n, 2). of: the map that they
    are from; None for a draft. is_sample: whether they are some of those that have a place."""

    places: Ints
    positions: Floats
    of: Map | None = None
    is_sample: bool = False

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: Ints) -> "Points":
        """Some of them."""
        some = self.places[rows], self.positions[rows]
        return replace(self, places=some[0], positions=some[1], is_sample=True)


def points_of(view: PoolView, folder: Path) -> Points:
    """The tasks that have a place on the map of the project in this folder; where none has, a draft
    by principal components. At most as many as can be shown, drawn at random."""
    made = load_map(folder)
    points = _draft(view) if made is None else _on(view, made)
    if len(points) == 0:  # it shows other tasks: these are gone, or show something else by now
        points = _draft(view)
    labels = 1 if view.head is None else len(view.head.labels)
    most = min(MOST_POINTS, max(LEAST_POINTS, CELLS // labels))
    return points if len(points) <= most else points.take(_drawn(view, points.places, most))


def _draft(view: PoolView) -> Points:
    places = np.arange(len(view.ids))
    if len(places) > MOST_POINTS:
        places = _drawn(view, places, MOST_POINTS)
    return Points(places, principal(view.vectors.some(places), view.settings.seed))


def _on(view: PoolView, made: Map) -> Points:
    rows = made.rows(view.keys)
    return Points(np.flatnonzero(rows >= 0), made.positions[rows[rows >= 0]], made)


def _drawn(view: PoolView, places: Ints, most: int) -> Ints:
    """Rows of `places`, at random by a number that is fixed for each task."""
    return np.sort(by_lot(view.ids[places], most, view.settings.seed + MAP_LOT))


def as_json(view: PoolView, points: Points, question_name: str) -> Json:
    """Everything that the page draws. Raises BadRequest for a question that is not asked.

    Columns are packed as little-endian numbers in base64: ids (int32), xy (uint16, x and y in
    turn), given and said (int32: an index of `labels`, -1 for none; what people and the model say),
    sure (uint8: the model's confidence, 255 for 1), kind (uint8: an index of `states`), audit
    (uint8: 1 for an audit task).
    """
    question = asked(view.config, question_name)
    with one_thread():
        said, sure = _said(view, points, question)
    given = _given(view, points, question)
    names, (given, said) = _used(question.labels, (given, said))
    best = np.where(given == NONE, said, given).tolist()
    xy, regions = _scaled(points, ["" if one == NONE else names[one] for one in best])
    return {
        "question": question.from_name,
        "questions": list(view.config.asked),
        "labels": [question.of_label[name] for name in names],
        "answers": list(question.answers[:MOST_ANSWERS]),
        "states": list(STATES),
        "ids": _packed(view.ids[points.places], "<i4"),
        "xy": _packed(xy, "<u2"),
        "given": _packed(given, "<i4"),
        "said": _packed(said, "<i4"),
        "sure": _packed((255 * sure).round(), "u1"),
        "kind": _packed(view.states[points.places], "u1"),
        "audit": _packed(view.are_audits[points.places], "u1"),
        "next": _next(view),
        "regions": regions,
        "is_draft": points.of is None,
        "reads_text": reads_text(view.config.layout) and not is_of_things(view.config.layout),
        "sentence": sentence(view, points),
    }


def one_label(view: PoolView, points: Points, question_name: str, label: str) -> Json:
    """What is known of one answer of a question. Raises BadRequest for one that there is not.

    Columns as in `as_json`: ids; probability (uint8: the model's, 255 for 1; 0 where it does not
    know the answer); given (uint8: 1 where people gave the answer, 2 where they gave others only, 0
    where they did not answer the question).
    """
    question = asked(view.config, question_name)
    name = next((name for name, answer in question.of_label.items() if answer == label), None)
    if name is None:
        raise BadRequest(
            f"{question} has no answer {label[:50]!r}: it may have been renamed. Load the page "
            "again and choose another"
        )
    probability = np.zeros(len(points), np.float32)
    head = None if view.head is None else of_question(view.head, question)
    if head is not None and name in head.labels:
        with one_thread():
            for part in _parts(len(points), len(head.labels)):
                probs = head.probs(view.vectors[points.places[part]])
                probability[part] = probs[:, head.labels.index(name)]
    mine = set(question.labels)
    given = {
        task: 1 if name in labels else 2
        for task in view.labelling.answers
        for labels in [view.given(task)]
        if not mine.isdisjoint(labels)
    }
    tasks = view.ids[points.places].tolist()
    return {
        "ids": _packed(view.ids[points.places], "<i4"),
        "probability": _packed((255 * probability).round(), "u1"),
        "given": _packed(np.array([given.get(task, 0) for task in tasks]), "u1"),
    }


def _parts(count: int, labels: int) -> Iterator[slice]:
    """So many points at a time that their probabilities need little memory."""
    step = max(1, (1 << 22) // labels)
    return (slice(start, start + step) for start in range(0, count, step))


def _said(view: PoolView, points: Points, question: Question) -> tuple[Ints, Floats]:
    """The label that the model gives each point (n,), as an index of the question's labels, NONE
    where it gives none; and how sure it is, in [0, 1]."""
    said, sure = np.full(len(points), NONE), np.zeros(len(points), np.float32)
    head = None if view.head is None else of_question(view.head, question)
    if head is None:
        return said, sure
    place_of = {label: place for place, label in enumerate(question.labels)}
    columns = np.array([place_of[label] for label in head.labels])
    for part in _parts(len(points), len(head.labels)):
        probs = head.probs(view.vectors[points.places[part]])
        answers = head.answers(probs)
        best = columns[np.where(answers, probs, -1.0).argmax(axis=1)]
        said[part] = np.where(answers.any(axis=1), best, NONE)
        sure[part] = _confidence(head, probs)
    return said, sure


def _confidence(head: Head, probs: Floats) -> Floats:
    return confidence(probs, head.kind, 0.5 if head.thresholds is None else head.thresholds)


def _given(view: PoolView, points: Points, question: Question) -> Ints:
    """The first label that people gave each point (n,), as an index of the question's labels."""
    place_of = {label: place for place, label in enumerate(question.labels)}
    first = {
        task: next((place_of[one] for one in labels if one in place_of), NONE)
        for task in view.labelling.answers
        for labels in [view.given(task)]
    }
    tasks = view.ids[points.places].tolist()
    return np.array([first.get(task, NONE) for task in tasks], dtype=np.int64)


def _used(labels: tuple[str, ...], columns: tuple[Ints, ...]) -> tuple[list[str], list[Ints]]:
    """The labels that occur, the most frequent first, and the columns as indices of these."""
    counts = Counter(np.concatenate(columns).tolist())
    counts.pop(NONE, None)
    order = sorted(counts, key=lambda place: (-counts[place], place))
    new = {NONE: NONE, **{place: rank for rank, place in enumerate(order)}}
    found = [np.array([new[one] for one in column.tolist()], dtype=np.int64) for column in columns]
    return [labels[place] for place in order], found


def _scaled(points: Points, labels: list[str]) -> tuple[Ints, list[Json]]:
    """The positions (n, 2) as whole numbers from 0 to SCALE, and the map's regions on the same
    scale, each with its telling words or, where it has none, its most frequent label."""
    low = points.positions.min(axis=0)
    span = float((points.positions.max(axis=0) - low).max()) or 1.0
    shift = (span - (points.positions.max(axis=0) - low)) / 2
    scaled = np.rint((points.positions - low + shift) / span * SCALE).astype(np.int64)
    regions = () if points.of is None else points.of.regions
    if not regions:
        return scaled, []
    places = np.array([[one.x, one.y] for one in regions], np.float32)
    nearest = ((points.positions[:, None] - places) ** 2).sum(axis=2).argmin(axis=1)
    where = np.rint((places - low + shift) / span * SCALE).astype(np.int64).tolist()
    found = []
    for place, region in enumerate(regions):
        mine = Counter(labels[row] for row in np.flatnonzero(nearest == place) if labels[row])
        label = mine.most_common(1)[0][0] if mine else ""
        x, y = where[place]
        found.append({"x": x, "y": y, "words": list(region.words) or [label], "size": region.size})
    return scaled, [one for one in found if any(one["words"])]


def _next(view: PoolView) -> list[int]:
    """The first tasks of the served order that are still open."""
    order = view.served.version.shortlist
    still = order[np.isin(order, view.labelling.ids[view.labelling.open])]
    tasks: list[int] = still[:50].tolist()
    return tasks


def sentence(view: PoolView, points: Points) -> str:
    """What the map shows and what it leaves out."""
    shown, known = len(points), len(view.ids)
    unread, blank = int(view.labelling.unreadable.sum()), len(view.labelling.blank)
    waiting = len(view.labelling.ids) - unread - known
    tasks = "task" if shown == 1 else "tasks"
    parts = [f"{shown:,} of {known:,} encoded tasks." if shown < known else f"{shown:,} {tasks}."]
    if points.of is None:
        parts.append("This is a draft; a better map is being drawn.")
    elif points.is_sample or (shown < known and len(points.of.keys) >= MOST_POINTS):
        parts.append("They are drawn at random, because a map of all would be slow.")
    elif shown < known:
        parts.append("The others get their place when the map is drawn again.")
    if waiting > 0:
        parts.append(f"{waiting:,} more {'is' if waiting == 1 else 'are'} not encoded yet.")
    if unread + blank:
        are = "task has" if unread + blank == 1 else "tasks have"
        parts.append(f"{unread + blank:,} {are} no place, because they cannot be read.")
    return " ".join(parts)


def _packed(column: Ints | Floats | Bools, kind: str) -> str:
    return b64encode(np.ascontiguousarray(column).astype(kind).tobytes()).decode()
