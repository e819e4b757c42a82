"""What single tasks show, and what is known of them."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from backend.explore.thumbnail import READERS
from backend.explore.view import STATES, PoolView
from backend.interface.content import Parts
from backend.interface.objects import file_in
from backend.interface.questions import labels_in
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.types import Json
from model.types import Floats, Medium, is_of_things

SHOWN_CHARACTERS = 400
"""Of a text."""

SHOWN_LABELS = 5
"""Of what the model says of a task, the likeliest."""

WORDS: dict[Medium, Callable[[str], str]] = {
    "text": lambda text: text,
    "document": lambda part: file_in(part).address,
}
"""Medium -> what is shown of a part in words."""

MOST_TASKS = 200
"""In one answer."""


def shown(view: PoolView, folder: Path, tasks: Sequence[int]) -> list[Json]:
    """The first MOST_TASKS of these tasks that have a vector, each with `task`, `text`, `pictures`
    (the places in the layout of what has a picture), `state`, `given` (what people say), `said`
    (what the model says: pairs of label and probability, the likeliest first), `audit`, and what
    `_copies` says."""
    places = view.places(tasks)[:MOST_TASKS]
    ids = view.ids[places].tolist()
    with closing(Pool(folder / MIRROR)) as pool:
        parts = pool.parts(ids, view.config)
    probs = view.probs(places)
    states, audits = view.states[places].tolist(), view.are_audits[places].tolist()
    return [
        {
            "task": task,
            "text": _text(view, parts[row]),
            "pictures": pictured(view, parts[row]),
            "state": STATES[states[row]],
            "audit": audits[row],
            "given": view.given(task),
            **_copies(view, task),
            "said": [] if probs is None else _said(view, probs[row]),
        }
        for row, task in enumerate(ids)
    ]


def _copies(view: PoolView, task: int) -> Json:
    """`copies`: how many near copies the task has; `like`: the task whose answer is proposed for it
    for that reason, and `proposed`: that answer; None and [] where nothing is."""
    copied = view.labelling.copied
    (row,) = copied.grouping.rows([task]).tolist()
    proposal = copied.of_tasks([task]).get(task)
    is_other = proposal is not None and proposal.task != task
    return {
        "copies": copied.grouping.size(row) - 1,
        "like": proposal.task if proposal is not None and is_other else None,
        "proposed": list(labels_in(proposal.answer)) if proposal is not None and is_other else [],
    }


def pictured(view: PoolView, parts: Parts) -> list[int]:
    """Which parts of a task can be shown as a picture."""
    layout = view.config.layout
    return [
        place for place, part in enumerate(parts) if part is not None and layout[place] in READERS
    ]


def _text(view: PoolView, parts: Parts) -> str:
    layout = view.config.layout
    shown = [(layout[place], part) for place, part in enumerate(parts) if part]
    texts = [WORDS[medium](part) for medium, part in shown if medium in WORDS]
    return " | ".join(map(_cut, texts if is_of_things(layout) else texts[:1]))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS].rstrip() + "…"


def _said(view: PoolView, probs: Floats) -> list[list[object]]:
    labels = () if view.head is None else view.head.labels
    best = (-probs).argsort(kind="stable")[:SHOWN_LABELS].tolist()
    return [[labels[column], round(float(probs[column]), 3)] for column in best]
