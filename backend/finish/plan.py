"""What the model would label by itself: from MODEL_DIR, a version and a goal to a split of the open
tasks, or of a dataset's items, between the model and people. Nothing is read from Label Studio but
the labelling interface.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from backend.errors import BackendError
from backend.interface.questions import Answer, LabelConfig
from backend.mirror.copied import copied_in
from backend.mirror.labelling import Labelling
from backend.mirror.pool import PINNED, Pool
from backend.project.pin import fitting_version
from backend.project.versions import version_of
from backend.project.whole_tasks import snapshot_of
from backend.settings import Settings
from model.finishing.goal import Goal
from model.finishing.outlook import Outlook, audited_of, outlook_of
from model.finishing.promise import Promise
from model.finishing.standing import Standing, standing_of
from model.heads.head import Head
from model.snapshot import Policy, Snapshot, audits_of
from model.storage.store import Store, Version
from model.types import Bools, Floats, Ints, is_of_text

CELLS = 1 << 21
"""At most this many probabilities are held at once, so that memory does not grow with the pool."""
MOST_ROWS = 4096


@dataclass(frozen=True)
class Chosen:
    """The version that finishes a project, with its head, and why it is that one, in words."""

    version: Version
    head: Head
    why: str


@dataclass(frozen=True)
class Left:
    """How many open tasks stay with people because the model says nothing of them, and what it
    leaves out of the others.

    unencoded: without a vector so far; unreadable: what they show could not be read; blank: they
    show nothing; unread: not read from Label Studio yet; questions: what people are asked besides;
    taken: how many items of a dataset are not open any more, which are none of these.
    """

    unencoded: int = 0
    unreadable: int = 0
    blank: int = 0
    unread: int = 0
    questions: tuple[str, ...] = ()
    taken: int = 0

    @property
    def tasks(self) -> int:
        return self.unencoded + self.unreadable + self.blank + self.unread


@dataclass(frozen=True)
class Part:
    """Some of a plan's tasks, n of them: ids (n,), probs (n, c), and what stands of their
    answers."""

    ids: Ints
    probs: Floats
    standing: Standing


@dataclass(frozen=True)
class About:
    """What a plan is about: snapshot: with open rows of which something may be written; by_model:
    which of its rows the model has annotated before: the promise is about these, too; copied: the
    further tasks that count as labelled, and what people said of a near copy of each."""

    snapshot: Snapshot
    by_model: Bools
    copied: Mapping[int, Answer] = field(default_factory=dict)


class Plan:
    """What is known before anything is written. The vectors are read when they are needed."""

    def __init__(
        self,
        *,
        chosen: Chosen,
        config: LabelConfig,
        goal: Goal,
        about: About,
        policy: Policy,
        left: Left,
        is_of_dataset: bool = False,
    ) -> None:
        """config: the questions that the head answers; policy: which of the rows are audit tasks;
        is_of_dataset: whether all this is about the items of a dataset in place of tasks."""
        snapshot, self._copied = about.snapshot, about.copied
        self.chosen, self.config, self.goal = chosen, config, goal
        self.left, self.is_of_dataset = left, is_of_dataset
        whole = replace(snapshot, open=snapshot.open | about.by_model)
        is_copied = np.isin(snapshot.ids, np.array(list(self._copied), dtype=np.int64))
        self.copies = int(is_copied.sum())
        """How many of `ids` get what people said of a near copy."""
        writable = np.flatnonzero(snapshot.open | is_copied)
        self._vectors, self._writable = snapshot.vectors, writable
        self._known = audited_of(whole, chosen.head, policy)
        self.ids: Ints = snapshot.ids[self._writable]
        self.is_audit: Bools = audits_of(whole, policy)[self._writable]
        """Which of them are audit tasks."""
        self.promised_about = int(whole.open.sum())
        """How many tasks the promises and forecasts are about."""
        self.annotated = self.promised_about - int(snapshot.open.sum())
        """How many tasks the model has annotated before."""
        self.audits = len(self._known.audit_lots)
        """Audit labels there are."""
        self._promises: tuple[Promise, ...] | None = None

    @cached_property
    def outlook(self) -> Outlook:
        """What audit labels prove now, and what further ones would probably change."""
        return outlook_of(self.chosen.head, self._known, self.goal)

    @property
    def promises(self) -> tuple[Promise, ...]:
        return self.outlook.split.promises if self._promises is None else self._promises

    def keep(self, promises: tuple[Promise, ...]) -> None:
        """Go by the promises of an earlier start of this command, which are being kept already."""
        self._promises = promises

    def part(self, places: Ints) -> Part:
        """Some of `ids`, by their places."""
        head = self.chosen.head
        probs = head.probs(self._vectors[self._writable[places]])
        standing = standing_of(head, probs, self.goal, self.promises)
        part = Part(self.ids[places], probs, standing)
        self._put_in_copies(part)
        return part

    def _put_in_copies(self, part: Part) -> None:
        """What people said of a near copy stands, as surely as if they had said it here."""
        for row, task in enumerate(part.ids.tolist() if self._copied else []):
            if task in self._copied:
                said = [label in self._copied[task] for label in self.chosen.head.labels]
                part.probs[row] = part.standing.labels[row] = said
                part.standing.tasks[row] = True

    def parts(self, places: Ints) -> Iterator[Part]:
        """The same, a few thousand at a time at most."""
        rows = max(1, min(MOST_ROWS, CELLS // max(1, len(self.chosen.head.labels))))
        for start in range(0, len(places), rows):
            yield self.part(places[start : start + rows])

    @cached_property
    def stands(self) -> Bools:
        """For which of `ids` (n,) no person is needed."""
        every = np.arange(len(self.ids))
        found = [part.standing.tasks for part in self.parts(every)]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.bool_)


def plan_of(
    store: Store, pool: Pool, config: LabelConfig, settings: Settings, goal: Goal, chosen: Chosen
) -> Plan:
    """The plan for a project as its mirror knows it."""
    version, asked = chosen.version, questions_of(chosen, config)
    labelling = pool.labelling(config, settings.empty_is_none)
    copied = copied_in(store.folder, labelling)
    labelling = labelling.with_copies(copied, count=settings.count_copies)
    known = set(chosen.head.labels)
    counted = {
        task: proposal.answer
        for task, proposal in copied.of_tasks(labelling.counted).items()
        if known.issuperset(proposal.answer) and proposal.answer
    }
    rows = store.vectors(version.encoder).rows(labelling.keys)
    snapshot = snapshot_of(store, labelling, asked, version.encoder, rows)
    return Plan(
        chosen=chosen,
        config=asked,
        goal=goal,
        about=About(snapshot, np.isin(snapshot.ids, labelling.finished), counted),
        policy=checked_policy(snapshot, version, pool, settings),
        left=_left(labelling, rows >= 0, not_answered(config, asked)),
    )


def questions_of(chosen: Chosen, config: LabelConfig) -> LabelConfig:
    """The questions that the version's head answers."""
    return config.of_labels(chosen.head.labels) if config.is_learnt_in_parts else config


def not_answered(config: LabelConfig, asked: LabelConfig) -> tuple[str, ...]:
    """What people are asked that the head does not answer."""
    answered = {question.from_name for question in asked.questions}
    unlearnt = [one.from_name for one in config.questions if one.from_name not in answered]
    return (*(f"{name}, which nobody has answered yet" for name in unlearnt), *config.left_out)


def checked_policy(snapshot: Snapshot, version: Version, pool: Pool, settings: Settings) -> Policy:
    """Which of the rows are audit tasks. Raises BackendError when the version has learnt from what
    would be audit labels here."""
    policy = Policy(settings.strategy, 1, settings.audit_share, settings.seed, settings.guard)
    audits = snapshot.drawn_by[audits_of(snapshot, policy)]
    learnt = int(np.isin(pool.items.tickets(version.training), audits).sum())
    if learnt:
        raise BackendError(
            f"Version {version.name} has learnt from {learnt} tasks that are audit tasks by "
            f"AUDIT_SHARE={policy.audit_share:g} and SEED={policy.seed}, so that these prove "
            "nothing about it. Give this command the settings of the server; if they were changed "
            "there, use a version that was made since"
        )
    return policy


def _left(labelling: Labelling, has_vector: Bools, questions: tuple[str, ...]) -> Left:
    without = labelling.open & ~has_vector
    return Left(
        unencoded=int((without & ~labelling.unreadable).sum()),
        unreadable=int((without & labelling.unreadable).sum()),
        blank=len(labelling.blank),
        unread=labelling.unread,
        questions=questions,
    )


def chosen_version(store: Store, pool: Pool, config: LabelConfig, wanted: str = "") -> Chosen:
    """The version `wanted`, else the pinned one, else the one that is served. Raises BackendError
    when there is none, or it does not fit the labelling interface any more."""
    if config.kind == "boxes":
        raise BackendError(
            "The project draws boxes in pictures, and these are not given away: the promise is "
            "made for answers about whole tasks. Label on; the model draws its boxes in advance"
        )
    if config.kind == "spans":
        is_text = is_of_text(config.layout)
        what = "spans of texts" if is_text else "pieces of sounds"
        instead = ", or export the model: python -m backend export" if is_text else ""
        raise BackendError(
            f"The project marks {what}, and these are not given away yet: the promise is made for "
            f"answers about whole tasks. Label on{instead}"
        )
    if config.has_list:
        raise BackendError(
            "The project asks about a list that each task has of its own, and such answers are not "
            "given away yet. Label on: each task that is shown has the model's answer in it"
        )
    name, why = _name(store, pool, wanted)
    try:
        version = fitting_version(store, name, config)
    except BackendError as error:
        raise BackendError(f"{error}. {_advice(why)}") from error
    assert version.head is not None
    return Chosen(version, version.head, why)


def _name(store: Store, pool: Pool, wanted: str) -> tuple[str, str]:
    if wanted:
        return version_of(store, wanted).name, "as asked"
    pinned: str | None = pool.fact(PINNED)
    if pinned is not None:
        return pinned, "pinned"
    known = set(store.version_names())
    served = [name for name in pool.published() if name in known]
    if not served:
        raise BackendError(
            "The project has no version yet, so that there is nothing to label with. Label some "
            "tasks, or wait for the first order: the status page says what is missing"
        )
    return served[-1], "served"


def _advice(why: str) -> str:
    if why == "served":
        return "The server makes a version that fits within a minute of its next look, if it runs"
    if why == "pinned":
        return "Remove the pin with: python -m backend rollback --latest"
    return "python -m backend versions lists the others"


def question_names(head: Head, config: LabelConfig) -> Sequence[str]:
    """What each question of a head is called in sentences."""
    count = len(head.groups) or 1
    return [str(question) for question in config.questions][:count]
