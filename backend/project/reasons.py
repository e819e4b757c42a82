"""Why the next tasks are asked for, in words: what the model is unsure of, what is new to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from backend.interface.questions import LabelConfig, Question
from backend.mirror.pool import Pool
from backend.project.status import Served
from backend.types import Json
from backend.words import shortened
from model.choosing.audit import by_lot
from model.heads.asked import asked_share
from model.heads.head import Head, centred
from model.types import EXCLUSIVE, Floats, Ints, Kind, LabelGroup

SENTENCES = {
    "picked": "somebody asked for it",
    "certify": "to prove what the model may label",
    "audit": "audit task, drawn at random",
    "random": "drawn at random, because the model still knows little",
    "copy": "a near copy of another task",
    "unranked": "not encoded yet",
}
"""Why a task is asked for -> the same in words, where nothing more is known."""

FIRST = "one of the first, spread over the pool"
UNLIKE = "unlike what is labelled so far"
TEACHES = "its label teaches much about others like it"
OF_PARTS: dict[Kind, str] = {
    "spans": "what people mark in it teaches much about others like it",
    "boxes": "what people draw in it teaches much about others like it",
    "candidate": "which of its things is chosen teaches much about others like it",
    "candidates": "which of its things are chosen teaches much about others like it",
    "ranking": "the order of its list teaches much about others like it",
}

SURE = 0.8
"""From this probability on the model is not called unsure."""

COMPARED, COMPARED_LABELS = 100, 1_000
"""So many of the next tasks are compared with so many of the labelled ones: the page is asked for
every two seconds."""

MOST_SHOWN = 40
"""Characters of a label's name."""


def reasons_of(served: Served, pool: Pool, most: int = 10) -> list[Json]:
    """The next tasks of the served version that nobody has annotated yet, at most `most`, with
    `task`, `why` (see `model.choosing.order.Why`) and `sentence`. Of versions of earlier releases
    nothing is known: []."""
    version = served.version
    pairs = zip(version.shortlist.tolist(), version.facts.why, strict=False)
    there = [(task, why) for task, why in pairs if pool.picks.is_open(task)][:most]
    said = _of_model(served, pool, [task for task, why in there if why == "model"])
    at_random = {"random": "drawn at random"} if version.facts.strategy == "random" else {}
    known = {**SENTENCES, **at_random}
    return [
        {"task": task, "why": why, "sentence": said.get(task) or known.get(why, why)}
        for task, why in there
    ]


def _of_model(served: Served, pool: Pool, tasks: list[int]) -> dict[int, str]:
    """Why the model chose each of these tasks."""
    version = served.version
    if version.head is None:
        return dict.fromkeys(tasks, FIRST)
    if version.head.kind in OF_PARTS:
        return dict.fromkeys(tasks, OF_PARTS[version.head.kind])
    known = {}
    if tasks and version.encoder in served.store.encoders():
        known = _sentences(_Known(served, pool, version.head), tasks)
    return {task: known.get(task, TEACHES) for task in tasks}


def _sentences(known: "_Known", tasks: list[int]) -> dict[int, str]:
    """Of the tasks with a vector, those of which there is more to say than TEACHES."""
    ids, vectors = known.vectors(np.array(tasks, dtype=np.int64))
    found = {}
    for task, probs in zip(ids.tolist(), known.head.probs(vectors), strict=True):
        sentence = known.unsure(probs) or known.rare(probs)
        if sentence:
            found[task] = sentence
    if len(found) < len(ids):
        unlike = dict.fromkeys(known.unlike(), UNLIKE)
        found = {task: unlike[task] for task in ids.tolist() if task in unlike} | found
    return found


@dataclass(frozen=True)
class _Known:
    """What the served version, with this head, says of tasks."""

    served: Served
    pool: Pool
    head: Head

    def vectors(self, tasks: Ints) -> tuple[Ints, Floats]:
        """Those of the tasks that have a vector (n,), and their vectors (n, d)."""
        vectors = self.served.store.vectors(self.served.version.encoder)
        rows = vectors.rows(self.pool.keys_of(tasks))
        return tasks[rows >= 0], vectors.take(rows[rows >= 0])

    def unsure(self, probs: Floats) -> str:
        """What the head is least sure of, "" where it is sure. probs (c,) of one task."""
        found = [self._least_sure(group, probs) for group in self._asked(probs)]
        sure, sentence = min(found, default=(1.0, ""))
        return sentence if sure < SURE else ""

    def rare(self, probs: Floats) -> str:
        """The most probable label, if hardly any task has it; "" if not."""
        few: Mapping[str, int] = self.served.version.facts.few
        for group in self._asked(probs):
            column = group.start + int(probs[group.columns].argmax())
            label = self.head.labels[column]
            is_given = group.kind in EXCLUSIVE or probs[column] >= self._thresholds[column]
            if is_given and label in few:
                return f"perhaps {self._name(label)}, of which there {_counted(few[label])}"
        return ""

    def unlike(self) -> list[int]:
        """Those of the next tasks that are further from all labelled ones than half of them are."""
        version = self.served.version
        labelled = np.concatenate([version.training, version.validation])
        _, theirs = self.vectors(labelled[by_lot(labelled, COMPARED_LABELS, 0)])
        ids, mine = self.vectors(version.shortlist[:COMPARED])
        if len(theirs) == 0 or len(mine) == 0:
            return []
        centre = self.head.centre
        nearest = (centred(mine, centre) @ centred(theirs, centre).T).max(axis=1)
        far: list[int] = ids[nearest < np.median(nearest)].tolist()
        return far

    def _least_sure(self, group: LabelGroup, probs: Floats) -> tuple[float, str]:
        """How sure the head is of a question, in [0, 1], and what it is least sure of."""
        mine, labels = probs[group.columns], self.head.labels[group.columns]
        if group.kind in EXCLUSIVE:
            first, *others = np.argsort(-mine, kind="stable")[:2].tolist()
            names = " and ".join(self._name(labels[place]) for place in (first, *others))
            shares = ", ".join(f"{mine[place]:.2f}" for place in (first, *others))
            sentence = f"unsure between {names} ({shares})" if others else ""
            return float(mine[first]), self._of_question(labels[0], sentence)
        thresholds = self._thresholds[group.columns]
        sure = np.where(mine >= thresholds, mine, 1.0 - mine)  # as in model.heads.deciding
        place = int(sure.argmin())
        sentence = f"unsure whether {self._name(labels[place])} ({mine[place]:.2f})"
        return float(sure[place]), self._of_question(labels[0], sentence)

    def _asked(self, probs: Floats) -> Iterator[LabelGroup]:
        """The questions that are probably asked."""
        for group in self.head.questions:
            if asked_share(group.conditions, self.head, probs[None])[0] >= 0.5:
                yield group

    @property
    def _thresholds(self) -> Floats:
        known = self.head.thresholds
        return np.full(len(self.head.labels), 0.5) if known is None else known

    def _of_question(self, label: str, sentence: str) -> str:
        """With the question's name, where several are asked."""
        if len(self.head.questions) == 1 or not sentence:
            return sentence
        question = question_of(label, self.served.config)
        return sentence if question is None else f"{question.from_name}: {sentence}"

    def _name(self, label: str) -> str:
        return shortened(shown_name(label, self.served.config), MOST_SHOWN)


def question_of(label: str, config: LabelConfig) -> Question | None:
    """The question that a label answers; None of one that is not asked any more."""
    return next((one for one in config.questions if label in one.of_label), None)


def shown_name(label: str, config: LabelConfig) -> str:
    """A label as annotators see it: without its question, in a taxonomy after the nodes above."""
    question = question_of(label, config)
    if question is None:
        return label
    answer = question.of_label[label]
    called = question.called.get(answer)
    return answer if called is None else " > ".join(called.path)


def _counted(labels: int) -> str:
    return {0: "is no label yet", 1: "is 1 label"}.get(labels, f"are {labels} labels")
