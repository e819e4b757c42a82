"""How far each annotator agrees with the others and with the model, and what that is worth.

Found in the review after each deep round, kept by backend.mirror.review, shown on the status page
by the users' ids; who they are is looked up when the page is shown.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.interface.questions import LabelConfig, Question
from backend.mirror.votes import Votes
from backend.mirror.weighing import Decisions, Voted, decisions_on, weights_from
from backend.trainer.told import Told, given_labels
from backend.types import Json
from model.measuring.annotators import (
    Quality,
    from_agreement,
    matrices,
    mistaken,
    quality,
    with_one,
    with_others,
)
from model.measuring.metrics import wilson
from model.types import EXCLUSIVE, Floats

MODEL = -1
"""Stands for the model among users' ids, which are positive."""
SHOWN_PEOPLE, SHOWN_CONFUSED, SHOWN_LABELS = 50, 3, 30
MOST_OPTIONS = 200
"""Confusion matrices are made of questions with at most so many labels."""


@dataclass(frozen=True)
class Panel:
    """The annotators of one question and, last, the model, which is there if it gave any label."""

    question: Question
    decisions: Decisions
    quality: Quality
    has_model: bool

    @property
    def model(self) -> int | None:
        """The model's place among the people of the opinions."""
        return self.decisions.people.index(MODEL) if self.has_model else None


def voted(votes: Mapping[int, Votes]) -> list[Voted]:
    """Who answered what."""
    return [
        Voted(task, person, answer)
        for task, one in votes.items()
        for person, answer in zip(one.people, one.answers, strict=True)
    ]


def panels(votes: Sequence[Voted], told: Sequence[Told], config: LabelConfig) -> list[Panel]:
    """Of each question about whole tasks that somebody answered."""
    by_name = {one.question.from_name: one for one in told}
    found = []
    for question in config.questions:
        mine = by_name.get(question.from_name)
        model = _as_votes(mine) if mine is not None else []
        decisions = decisions_on(question, [*votes, *model], len(config.questions) == 1)
        if set(decisions.people) - {MODEL}:
            # The model may have given none of the labels, and then it has decided nothing.
            has_model = MODEL in decisions.people
            measured = quality(decisions.opinions.of_several())
            found.append(Panel(question, decisions, measured, has_model))
    return found


def _as_votes(told: Told) -> list[Voted]:
    labels = told.question.labels
    return [
        Voted(task, MODEL, tuple(given_labels(said, labels)))
        for task, said in zip(told.ids.tolist(), told.said, strict=True)
    ]


def about_annotators(
    votes: Mapping[int, Votes], panels: Sequence[Panel], config: LabelConfig
) -> Json:
    """`people`: of each question a row a person, the SHOWN_PEOPLE with the most annotations first;
    `more`: how many rows that leaves out; `unknown`: how many annotations have no user; `differ`:
    the questions on which votes are weighed. `people` is empty where only one person answered."""
    rows = [_rows(panel) for panel in panels]
    is_one = len({row["person"] for some in rows for row in some}) < 2
    together = {task: one for task, one in votes.items() if len(one.answers) > 1}
    return {
        "people": [] if is_one else [row for some in rows for row in some[:SHOWN_PEOPLE]],
        "more": 0 if is_one else sum(max(0, len(some) - SHOWN_PEOPLE) for some in rows),
        "unknown": sum(person is None for one in votes.values() for person in one.people),
        "differ": list(weights_from(voted(together), config, known_of(panels)).of),
    }


def known_of(panels: Sequence[Panel]) -> dict[str, dict[str, list[float]]]:
    """What agreement with the model says of each person in the tasks that nobody else answered, to
    be used beside what is found where they overlap; see backend.mirror.weighing.FACT."""
    return {
        panel.question.from_name: _known(panel)
        for panel in panels
        # Of several labels we only look at those that somebody gave: no agreement is by chance.
        if panel.has_model and panel.question.kind in EXCLUSIVE
    }


def _known(panel: Panel) -> dict[str, list[float]]:
    opinions, model = panel.decisions.opinions, panel.model
    assert model is not None
    is_alone = opinions.where(opinions.person != model).voters == 1
    of_alone = opinions.where(np.append(is_alone, False)[np.minimum(opinions.item, len(is_alone))])
    accuracy = float(panel.quality.accuracy[model])
    known = from_agreement(*with_one(of_alone, model), accuracy, opinions.options)
    pairs = np.round(np.stack([known.right, known.trials], axis=1), 3).tolist()
    by_person = zip(panel.decisions.people, pairs, strict=True)
    return {str(one): pair for one, pair in by_person if one != MODEL and pair[1] > 0}


def _rows(panel: Panel) -> list[Json]:
    """A row of each person, those with the most annotations first."""
    opinions, model = panel.decisions.opinions, panel.model
    of_people = opinions if model is None else opinions.where(opinions.person != model)
    others = with_others(of_people)
    nobody = np.zeros(opinions.people)
    with_model = (nobody, nobody) if model is None else with_one(opinions, model)
    tasks = _tasks(panel)
    labels, mistakes = _by_label(panel)
    rows: list[Json] = [
        {
            "person": person,
            "question": panel.question.from_name,
            "annotations": tasks[place],
            "others": _share(others, place),
            "model": _share(with_model, place),
            "right": round(float(panel.quality.accuracy[place]), 3),
            "confused": mistakes.get(place, [])[:SHOWN_CONFUSED],
            "labels": labels.get(place, {}),
        }
        for place, person in enumerate(panel.decisions.people)
        if place != model
    ]
    return sorted(rows, key=lambda row: -row["annotations"])


def _tasks(panel: Panel) -> list[int]:
    """How many tasks each person answered."""
    numbers: dict[int, int] = {}
    task = np.array([numbers.setdefault(task, len(numbers)) for task, _ in panel.decisions.of])
    opinions = panel.decisions.opinions
    pairs = np.unique(np.stack([opinions.person, task[opinions.item]]), axis=1)
    found: list[int] = np.bincount(pairs[0], minlength=opinions.people).tolist()
    return found


def _share(agreement: tuple[Floats, Floats], place: int) -> Json | None:
    """A share with its 95 % interval, from `compared` decisions; None of none."""
    agreed, compared = (float(one[place]) for one in agreement)
    if compared <= 0:
        return None
    low, high = wilson(agreed, compared)
    value = agreed / compared
    return {**{"value": value, "low": low, "high": high}, "compared": round(compared)}


Places = dict[int, dict[str, Json]]


def _by_label(panel: Panel) -> tuple[Places, dict[int, list[Json]]]:
    """Of each person by place: how good they are at each label, and what they take for what."""
    if panel.question.kind in EXCLUSIVE:
        return _of_one(panel)
    return _of_several(panel)


def _of_one(panel: Panel) -> tuple[Places, dict[int, list[Json]]]:
    """Of a question that takes one label: `right`: how often they say it where it is true."""
    opinions, names = panel.decisions.opinions.of_several(), panel.question.labels
    mistakes: dict[int, list[Json]] = {}
    for one in mistaken(opinions, panel.quality):
        row = {"given": names[one.said], "true": names[one.true], "count": round(one.count)}
        if row["count"]:
            mistakes.setdefault(one.person, []).append(row)
    labels: Places = {}
    if len(names) <= MOST_OPTIONS:
        found = matrices(opinions, panel.quality)
        diagonals = np.diagonal(found, axis1=1, axis2=2).round(3).tolist()
        for place, right in enumerate(diagonals):
            known = zip(names[:SHOWN_LABELS], right, strict=False)
            labels[place] = {name: {"right": share} for name, share in known}
    return labels, mistakes


def _of_several(panel: Panel) -> tuple[Places, dict[int, list[Json]]]:
    """Of a question that takes several labels: `sensitivity`, how often they give it where it is
    true, and `specificity`, how often they do not where it is not; "" in place of no label."""
    opinions, of = panel.decisions.opinions, [label for _, label in panel.decisions.of]
    several = opinions.where(opinions.voters[opinions.item] > 1)
    wanted = [name for name, _ in Counter(of[item] for item in several.item).most_common()]
    names = np.array(of)
    labels: Places = {}
    mistakes: dict[int, list[Json]] = {}
    for name in wanted[:SHOWN_LABELS]:
        mine = several.where(names[several.item] == name)
        found = matrices(mine, panel.quality).round(3).tolist()
        for place in np.unique(mine.person).tolist():
            (specificity, _), (_, sensitivity) = found[place]
            shares = {"sensitivity": sensitivity, "specificity": specificity}
            labels.setdefault(place, {})[name] = shares
        for one in mistaken(mine, panel.quality):
            row = {"given": name if one.said else "", "true": name if one.true else ""}
            if round(one.count):
                mistakes.setdefault(one.person, []).append({**row, "count": round(one.count)})
    for rows in mistakes.values():
        rows.sort(key=lambda row: -row["count"])
    return labels, mistakes
