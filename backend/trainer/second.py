"""Labelled tasks that are worth a second opinion more than new tasks are worth a first label."""

from collections.abc import Sequence

import numpy as np

from backend.interface.questions import LabelConfig
from backend.trainer.annotators import Panel
from backend.trainer.doubts import SHOWN_TASKS
from backend.trainer.told import Told, given_labels
from backend.types import Json
from model.choosing.second_opinions import of_labelled, of_open, trust_in, worth_again
from model.types import EXCLUSIVE, Ints


def is_comparable(config: LabelConfig) -> bool:
    """Whether new tasks can be compared with labelled ones: where one label is all there is."""
    return config.kind in EXCLUSIVE


def second_opinions(told: Sequence[Told], panels: Sequence[Panel], open_tasks: int) -> Json | None:
    """`tasks`: those of the next `next` annotations that are worth more on labelled tasks, each
    with what it was `given`; None where that is not known: for other questions than one that takes
    one label, and while the model has learnt nothing."""
    if len(told) != 1 or len(panels) != 1 or told[0].question.kind not in EXCLUSIVE:
        return None
    if open_tasks and not len(told[0].beside):
        return None  # none of them could be read
    one, panel = told[0], panels[0]
    rows = _worth_again(one, panel, open_tasks)
    labels = one.question.labels
    return {
        "next": SHOWN_TASKS,
        "tasks": [
            {"task": int(one.ids[row]), "given": given_labels(one.targets[row] > 0, labels)}
            for row in rows.tolist()
        ],
    }


def _worth_again(told: Told, panel: Panel, open_tasks: int) -> Ints:
    opinions, options = panel.decisions.opinions, panel.decisions.opinions.options
    place = {task: row for row, task in enumerate(told.ids.tolist())}
    rows = np.array([place.get(task, -1) for task, _ in panel.decisions.of], dtype=np.int64)
    votes = opinions.where((opinions.person != panel.model) & (rows[opinions.item] >= 0))
    task = rows[votes.item]
    is_same = votes.option == told.targets.argmax(axis=1)[task]
    accuracy = panel.quality.accuracy
    right = accuracy[votes.person]
    people = np.unique(votes.person)
    model = accuracy[panel.model] if panel.model is not None else 1.0 / options
    commonest = float(told.targets.mean(axis=0).max())
    votes_a_task = len(task) / max(1, len(np.unique(task)))
    found = trust_in(accuracy[people], float(model), commonest, votes_a_task)
    given = np.where(is_same, right, (1.0 - right) / (options - 1))
    believed = (told.mean * told.targets).sum(axis=1)
    person = np.searchsorted(people, votes.person)
    labelled = of_labelled(believed, given, task, person, found, options)
    return worth_again(labelled, of_open(told.beside, found), open_tasks, SHOWN_TASKS)
