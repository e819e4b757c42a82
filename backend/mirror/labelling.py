"""What is labelled and what is open at one moment, and why some annotations are not learnt."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from backend.interface.questions import Answer, LabelConfig
from backend.mirror.copied import Copied
from backend.mirror.effort import Effort, Times
from backend.mirror.votes import Votes, by_people, consensus
from backend.mirror.weak_labels import WeakSource
from backend.mirror.weighing import COMPARED_TASKS, EQUAL, Voted, Weights, weights_from
from backend.types import Json
from model.types import Bools, Ints

EMPTY = "the annotation is empty"
UNDECIDED = "the annotators do not agree"
BLANK = "the task shows nothing that can be read"
"""Why nothing is learnt from an annotated task, besides what is not understood."""


@dataclass(frozen=True)
class Labelling:
    """The pool at one moment: ids (n,), content keys (n,), open (n,): not annotated yet;
    answers: task id -> agreed labels; undecided, empty, skipped: counts of tasks left out;
    unreadable (n,): what they show could not be read; blank (k,): ids of further open tasks, which
    show nothing; unread: how many open tasks are not known yet; lost: how many are left out because
    nothing in their annotations is understood; reasons: why something in an annotation is not
    learnt, in words -> the tasks, also those with other answers; began: task -> when its first
    annotation was made, as Label Studio writes it, "" if unknown; weak: what others say; certified
    (q,): ids of tasks that were asked for to prove what the model may label; effort: what all
    annotations took; finished (f,): ids of the tasks that nobody but the model has annotated, which
    are neither open nor labelled; tickets (n,): the numbers by which the tasks are drawn at random;
    None: their ids; picked (p,): ids of the tasks that people asked for, in the order in which they
    are asked, those that are labelled by now included; copied: near copies among the tasks;
    counted (g,): ids of the tasks that nobody annotated and that count as labelled like a copy of
    theirs, which are neither open nor learnt from."""

    ids: Ints
    keys: Ints
    open: Bools
    answers: dict[int, Answer]
    undecided: int
    empty: int
    skipped: int
    unreadable: Bools
    blank: Ints
    unread: int
    lost: int = 0
    reasons: dict[str, list[int]] = field(default_factory=dict)
    began: dict[int, str] = field(default_factory=dict)
    weak: tuple[WeakSource, ...] = ()
    certified: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    effort: Effort = field(default_factory=Effort)
    finished: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    tickets: Ints | None = None
    picked: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    copied: Copied = field(default_factory=Copied)
    counted: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def with_copies(self, copied: Copied, *, count: bool) -> "Labelling":
        """The same where near copies are known; `count`: what people said of a task counts for its
        copies, which are not open any more unless people asked for them."""
        if not count:
            return replace(self, copied=copied)
        counts = self.open & copied.proposed & ~np.isin(self.ids, self.picked)
        return replace(self, copied=copied, open=self.open & ~counts, counted=self.ids[counts])

    @property
    def drawn_by(self) -> Ints:
        """What each task (n,) is drawn at random by."""
        return self.ids if self.tickets is None else self.tickets

    @property
    def open_tasks(self) -> int:
        """How many tasks nobody has annotated yet."""
        return int(self.open.sum()) + len(self.blank) + self.unread

    def used(self, asked: Ints) -> float:
        """The share of these tasks that are not open any more. In [0, 1]; 0 for no tasks."""
        if not len(asked):
            return 0.0
        still_open = np.concatenate([self.ids[self.open], self.blank])
        return float((~np.isin(asked, still_open)).mean())


class Tally:
    """What the annotations of all tasks come to, task by task; see Labelling. Tasks with several
    are decided at the end: what their votes weigh is known once all are counted."""

    def __init__(self, config: LabelConfig, empty_is_none: bool) -> None:
        self._config = config
        self._empty_is_none = empty_is_none
        self.answers: dict[int, Answer] = {}
        self.undecided = self.empty = self.skipped = self.lost = 0
        self.reasons: defaultdict[str, list[int]] = defaultdict(list)
        self.began: dict[int, str] = {}
        self.effort = Times()
        self.finished: list[int] = []
        self._several: dict[int, Votes] = {}

    def add(self, task: int, annotations: list[Json], text: str = "") -> None:
        """Count the annotations, one or more, of a task; `text`: what it shows, where
        `config.reads_text` asks for it."""
        annotations = by_people(annotations)
        if not annotations:
            self.finished.append(task)
            return
        self.began[task] = min(row.get("created_at") or "" for row in annotations)
        self.effort.add(annotations)
        votes = Votes.read(annotations, self._config, self._empty_is_none, text)
        if len(votes.answers) > 1:
            self._several[task] = votes
        elif votes.answers:
            self._decide(task, votes, EQUAL)
        elif _is_skipped(annotations):
            self.skipped += 1
        elif votes.lost:
            self.lost += 1
        else:
            self.empty += 1
            self.reasons[EMPTY].append(task)
        for reason in votes.lost:
            self.reasons[reason].append(task)

    def decide(self, known: Mapping[str, Mapping[str, list[float]]]) -> None:
        """Decide the tasks with several annotations, after all were added; `known`: see
        backend.mirror.weighing.FACT."""
        if not self._several:
            return
        votes = [
            Voted(task, person, answer)
            for task, one in list(self._several.items())[-COMPARED_TASKS:]
            for person, answer in zip(one.people, one.answers, strict=True)
        ]
        weights = weights_from(votes, self._config, known)
        for task, one in self._several.items():
            self._decide(task, one, weights)
        self.answers = dict(sorted(self.answers.items()))

    def _decide(self, task: int, votes: Votes, weights: Weights) -> None:
        answer = votes.agreed(self._config)
        if answer is None:
            answer = consensus(votes.answers, self._config, votes.people, weights)
        if answer is not None:
            self.answers[task] = answer
            return
        self.undecided += 1
        self.reasons[UNDECIDED].append(task)

    def add_blank(self, task: int, annotations: list[Json]) -> None:
        """The same for a task that shows nothing, of which nothing is learnt."""
        annotations = by_people(annotations)
        self.effort.add(annotations)
        if annotations and not _is_skipped(annotations):
            self.reasons[BLANK].append(task)


def _is_skipped(annotations: list[Json]) -> bool:
    return all(row["was_cancelled"] for row in annotations)
