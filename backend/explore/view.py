"""What can be looked at of a pool at one moment: the tasks that have a vector."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from backend.errors import BadRequest, NotConnected
from backend.interface.questions import LabelConfig, Question, labels_in
from backend.mirror.copied import copied_in
from backend.mirror.labelling import Labelling
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.project.status import Served
from backend.settings import Settings
from model.choosing.audit import in_reserve
from model.heads.head import Head
from model.snapshot import pool_centre
from model.storage.vectors import View
from model.types import MARKED, Bools, Floats, Ints

SPANS = (
    "Texts with spans have no map and no search: the model reads their words one by one and has no "
    "vector of a whole text, and sounds with marked pieces have none either. Label on; the Data "
    "Manager searches texts by their letters"
)
BOXES = (
    "Pictures with boxes have no map and no search: the model reads what a detector proposes in "
    "them, and has no vector of a whole picture"
)
NOTHING_YET = (
    "Nothing is encoded yet, so there is nothing to see. The status page says what is being done; "
    "come back in a minute"
)

Encoded = Callable[[str], Floats]
"""Words -> their vector (d,), by the encoder of the served version."""

OPEN, LABELLED, AUDIT, SKIPPED, FINISHED, COUNTED = range(6)
STATES = (
    "open",
    "labelled",
    "audit label",
    "skipped or undecided",
    "labelled by the model",
    "counts like its near copy",
)
"""What a task is, by its number in `PoolView.states`."""


@dataclass(frozen=True)
class PoolView:
    """ids, keys, rows (n,): of the tasks that have a vector by the served version's encoder, the
    last in its store of vectors; labelling: all that is known of the project's tasks."""

    served: Served
    settings: Settings
    labelling: Labelling
    ids: Ints
    keys: Ints
    rows: Ints

    @property
    def config(self) -> LabelConfig:
        return self.served.config

    @property
    def head(self) -> Head | None:
        return self.served.version.head

    @property
    def encoder(self) -> int:
        return self.served.version.encoder

    @cached_property
    def vectors(self) -> View:
        """The vectors (n, d), read when they are indexed."""
        return self.served.store.vectors(self.encoder).view(self.rows)

    @cached_property
    def centre(self) -> Floats:
        """Where the vectors' directions count from, (d,)."""
        if self.head is None or self.config.has_list:  # heads of lists have none
            return pool_centre(self.vectors, self.settings.seed)
        return self.head.centre

    @cached_property
    def states(self) -> Ints:
        """What each task (n,) is, see STATES."""
        known, found = self.labelling, np.full(len(self.ids), SKIPPED)
        labelled = np.isin(self.ids, list(known.answers))
        found[np.isin(self.ids, known.ids[known.open])] = OPEN
        found[labelled] = LABELLED
        found[labelled & self.are_audits] = AUDIT
        found[np.isin(self.ids, known.finished)] = FINISHED
        found[np.isin(self.ids, known.counted)] = COUNTED
        return found

    @cached_property
    def are_audits(self) -> Bools:
        """Which tasks (n,) are audit tasks."""
        settings, known = self.settings, self.labelling
        reserve = known.ids[in_reserve(known.drawn_by, settings.audit_share, settings.seed)]
        found: Bools = np.isin(self.ids, np.concatenate([reserve, known.certified]))
        return found

    def places(self, tasks: Sequence[int]) -> Ints:
        """Where these tasks are among `ids`, without those that are not, in their order."""
        wanted = np.array(tasks, dtype=np.int64)
        found = np.searchsorted(self.ids, wanted).clip(max=max(0, len(self.ids) - 1))
        here = found[self.ids[found] == wanted] if len(self.ids) else found[:0]
        return here.astype(np.int64)

    def probs(self, places: Ints) -> Floats | None:
        """The head's probabilities (k, c) for these tasks; None without a head."""
        return None if self.head is None else self.head.probs(self.vectors[places])

    def given(self, task: int) -> list[str]:
        """What people say of a task; [] without an answer."""
        return list(labels_in(self.labelling.answers.get(task, ())))


def viewed(served: Served | None, folder: Path, settings: Settings) -> PoolView:
    """The pool of the project in this folder. Raises NotConnected while nothing can be seen, and
    BadRequest for spans and boxes."""
    if served is None:
        raise NotConnected(NOTHING_YET)
    config = served.config
    if config.kind in MARKED:
        raise BadRequest(SPANS if config.kind == "spans" else BOXES)
    if served.version.encoder not in served.store.encoders():  # damaged, and about to be replaced
        raise NotConnected(NOTHING_YET)
    with closing(Pool(folder / MIRROR)) as pool:
        ids, keys = pool.keys(config, settings.seed)
        labelling = pool.labelling(config, settings.empty_is_none)
    copied = copied_in(folder, labelling)
    labelling = labelling.with_copies(copied, count=settings.count_copies)
    rows = served.store.vectors(served.version.encoder).rows(keys)
    there = rows >= 0
    if not there.any():
        raise NotConnected(NOTHING_YET)
    return PoolView(served, settings, labelling, ids[there], keys[there], rows[there])


def asked(config: LabelConfig, name: str) -> Question:
    """The question of this name; the first one for "". Raises BadRequest for another."""
    if not name:
        return config.questions[0]
    if name not in config.asked:
        known = ", ".join(config.asked)
        raise BadRequest(f"There is no question {name[:50]!r}; choose one of {known}")
    return config.asked[name]


def of_question(head: Head, question: Question) -> Head | None:
    """The part of the head that answers a question; None where it knows none of its labels."""
    known = set(question.labels)
    return next((part for part in head.parts() if known.issuperset(part.labels)), None)
