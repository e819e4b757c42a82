"""What is known about a pool at one moment, and how the next tasks are to be chosen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from model.choosing.audit import SAMPLE_LOT, by_lot, draw, in_reserve
from model.finishing.goal import Goal
from model.heads.sources import Source
from model.types import Bools, Floats, Ints, Kind, LabelGroup

CENTRE_SAMPLE = 10_000


class Vectors(Protocol):
    """An array (n, d), or a substitute that is not in memory: rows are read when indexed."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: Ints, /) -> Floats: ...


@dataclass(frozen=True)
class Snapshot:
    """What is known about a pool at one moment.

    ids (n,): task ids; vectors (n, d): from one encoder; open (n,): may be asked for;
    answered (m,): rows that have a label; targets (m, c): their labels as 0 and 1. groups: where
    several questions are asked, the labels of each; () for one question, of this `kind`. names
    (c, d): the vectors of the labels' names, by the same encoder, zeros for a label without one;
    None: not to be used. sources: what others than people say of the rows. certified (n,): rows
    that were asked for to prove what the model may label, which are audit tasks, too; None: none.
    tickets (n,): by which numbers the rows are drawn at random; None: by their ids. picked: rows
    that people asked for, in the order in which they are asked; None: none. copies (n,): equal
    numbers for near copies, -1 for what has none; None: nothing has any.
    """

    ids: Ints
    vectors: Vectors
    open: Bools
    answered: Ints
    targets: Floats
    labels: tuple[str, ...]
    kind: Kind
    groups: tuple[LabelGroup, ...] = ()
    names: Floats | None = None
    sources: tuple[Source, ...] = ()
    certified: Bools | None = None
    tickets: Ints | None = None
    picked: Ints | None = None
    copies: Ints | None = None

    @property
    def drawn_by(self) -> Ints:
        """The number (n,) by which each row is drawn at random."""
        return self.ids if self.tickets is None else self.tickets

    @property
    def is_of_pairs(self) -> bool:
        """Whether it is of the kind `pair`, which is asked beside no other."""
        return self.kind == "pair"

    def parts(self) -> list["Snapshot"]:
        """Each question on its own, with the rows that answer it."""
        return self._parts

    @cached_property
    def _parts(self) -> list["Snapshot"]:
        return [self._part(group) for group in self.groups] or [self]

    def _part(self, group: LabelGroup) -> "Snapshot":
        targets = self.targets[:, group.columns]
        given = targets.any(axis=1)
        return replace(
            self,
            answered=self.answered[given],
            targets=targets[given],
            labels=self.labels[group.columns],
            kind=group.kind,
            groups=(),
            names=None if self.names is None else self.names[group.columns],
            sources=tuple(one.of_question(group) for one in self.sources),
        )

    def of_answered(self, which: Bools) -> "Snapshot":
        """Without the questions that none of the answered rows `which` (m,) answers, no source
        answers, and whose labels have no names to answer them by."""
        targets, names = self.targets[which], self.names
        return self.of_parts(
            [
                bool(targets[:, group.columns].any())
                or (names is not None and bool(names[group.columns].any()))
                or any(len(one.of_question(group).rows) > 0 for one in self.sources)
                for group in self.groups
            ]
        )

    def of_parts(self, which: Sequence[bool]) -> "Snapshot":
        """Those of several questions where `which` is true; the same where one is asked."""
        kept = [group for group, is_kept in zip(self.groups, which, strict=False) if is_kept]
        if len(kept) == len(self.groups):
            return self
        if len(kept) == 1:
            return self._part(kept[0])
        names = self.names
        columns = [column for group in kept for column in range(group.start, group.stop)]
        ends = np.cumsum([0, *(group.stop - group.start for group in kept)]).tolist()
        return replace(
            self,
            targets=self.targets[:, columns],
            labels=tuple(self.labels[column] for column in columns),
            groups=tuple(
                replace(group, start=start, stop=stop)
                for group, start, stop in zip(kept, ends, ends[1:], strict=False)
            ),
            names=None if names is None else names[columns],
            sources=tuple(one.of_labels(columns) for one in self.sources),
        )

    def labelled(self, which: Bools) -> "Labelled":
        """The answered rows where `which` (m,) is true."""
        return Labelled(self.vectors[self.answered[which]], self.targets[which])


@dataclass(frozen=True)
class Labelled:
    """Vectors (m, d) and their targets (m, c) of 0 and 1."""

    vectors: Floats
    targets: Floats


@dataclass(frozen=True)
class Policy:
    """How to choose the next `size` tasks. strategy: of model.choosing.strategies; audit_share: of
    the pool, drawn at random to measure on; seed: makes a round repeatable; guard: whether to mix
    in random tasks while the model shows little skill; goal: the precision of what the model may
    label by itself, None: not asked; certify: put as many tasks first whose labels help to prove
    it, at most."""

    strategy: str
    size: int
    audit_share: float
    seed: int
    guard: bool = True
    goal: Goal | None = None
    certify: int = 0


def audits_of(snapshot: Snapshot, policy: Policy) -> Bools:
    """Which rows (n,) are audit tasks: those of the reserve, and those that were asked for to prove
    what the model may label. Never trained on."""
    reserve = in_reserve(snapshot.drawn_by, policy.audit_share, policy.seed)
    return reserve if snapshot.certified is None else reserve | snapshot.certified


def measured_on(snapshot: Snapshot, policy: Policy) -> Bools:
    """Which of the audit tasks (n,) stand for the whole pool, once they are labelled.

    Tasks that were asked for to prove something are more often easy ones. They count once all tasks
    of the reserve with a lower lot are answered, because then these were drawn at random, too.
    """
    audits = audits_of(snapshot, policy)
    if snapshot.certified is None:
        return audits
    lots = draw(snapshot.drawn_by, policy.seed)
    reserve = lots < policy.audit_share
    reached = lots[snapshot.open & reserve].min(initial=policy.audit_share)
    result: Bools = audits & ~(snapshot.certified & (lots >= reached))
    return result


def rows_in(ids: Ints, wanted: Ints) -> Ints:
    """The rows of `ids` (n,) that hold the wanted ones, in the order of these; without those that
    are not there."""
    rows = np.flatnonzero(np.isin(ids, wanted))
    places = {one: place for place, one in enumerate(wanted.tolist())}
    order = np.argsort([places[one] for one in ids[rows].tolist()])
    return rows[order.astype(np.int64)]


def pool_centre(vectors: Vectors, seed: int) -> Floats:
    """The mean vector (d,) of the pool, from a sample of it; zeros for an empty pool."""
    if len(vectors) == 0:
        return np.zeros(vectors.shape[1], dtype=np.float32)
    rows = np.arange(len(vectors))
    if len(vectors) > CENTRE_SAMPLE:
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(len(vectors), CENTRE_SAMPLE, replace=False))
    mean: Floats = vectors[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def sampled(snapshot: Snapshot, rows: Ints, most: int, seed: int) -> Ints:
    """At most `most` of the rows at random, by a number that is fixed for each task."""
    if len(rows) <= most:
        return rows
    return np.sort(rows[by_lot(snapshot.drawn_by[rows], most, seed + SAMPLE_LOT)])
