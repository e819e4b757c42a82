"""Near copies among a project's tasks, and what people said of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backend.interface.questions import Answer
from model.storage.copies import NO_COPIES, Copies, load_copies
from model.types import Bools, Ints

if TYPE_CHECKING:  # it holds what is made here
    from backend.mirror.labelling import Labelling

ALONE = -1
"""In place of the number of a group, for what has no copy."""

LARGEST, SHOWN_TASKS = 10, 6
"""So many groups are named, and so many tasks of each."""


@dataclass(frozen=True)
class Group:
    """Tasks that are near copies: their ids, SHOWN_TASKS at most, and how many they are."""

    tasks: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Grouping:
    """The groups of all tasks that show something: ids, ascending, and content keys (n,)."""

    ids: Ints
    keys: Ints
    copies: Copies = NO_COPIES

    @cached_property
    def leaders(self) -> Ints:
        """The content key (n,) that stands for each task's group."""
        return self.copies.groups(self.keys)

    @cached_property
    def _counted(self) -> tuple[Ints, Ints]:
        """The number of each task's group (n,), and how many tasks each group has."""
        _, numbers, counts = np.unique(self.leaders, return_inverse=True, return_counts=True)
        return numbers, counts

    @cached_property
    def groups(self) -> Ints:
        """The number (n,) of each task's group, ALONE for what has no copy."""
        numbers, counts = self._counted
        found: Ints = np.where(counts[numbers] > 1, numbers, ALONE)
        return found

    def rows(self, tasks: Ints | Sequence[int]) -> Ints:
        """Where these tasks are among `ids`, without those that are not, in their order."""
        wanted = np.asarray(tasks, dtype=np.int64)
        if len(self.ids) == 0:
            return wanted[:0]
        found = np.searchsorted(self.ids, wanted).clip(max=len(self.ids) - 1)
        here: Ints = found[self.ids[found] == wanted]
        return here

    def size(self, row: int) -> int:
        """How many tasks there are in the group of the task in this row."""
        numbers, counts = self._counted
        return int(counts[numbers[row]])

    @cached_property
    def tasks(self) -> int:
        """How many tasks have copies."""
        return int((self.groups != ALONE).sum())

    @cached_property
    def count(self) -> int:
        """How many groups of copies there are."""
        return len(np.unique(self.groups[self.groups != ALONE]))

    @cached_property
    def largest(self) -> tuple[Group, ...]:
        """The LARGEST groups with the most tasks."""
        several = self.groups[self.groups != ALONE]
        numbers, sizes = np.unique(several, return_counts=True)
        first = np.lexsort((numbers, -sizes))[:LARGEST]
        return tuple(
            Group(tuple(self.ids[self.groups == numbers[one]][:SHOWN_TASKS].tolist()), size)
            for one, size in zip(first.tolist(), sizes[first].tolist(), strict=True)
        )


@dataclass(frozen=True)
class Proposal:
    """What people said of this task, which is proposed for its near copies."""

    task: int
    answer: Answer


NOTHING = Grouping(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class Copied:
    """proposals: by the content key that stands for a group; disagreeing: two tasks of each group
    of which people gave different answers, so that none is proposed."""

    grouping: Grouping = NOTHING
    proposals: Mapping[int, Proposal] = field(default_factory=dict)
    disagreeing: tuple[tuple[int, int], ...] = ()

    @cached_property
    def proposed(self) -> Bools:
        """For which tasks (n,) there is a proposal: those of which people said it themselves are
        among them."""
        grouping = self.grouping
        leaders = np.array(list(self.proposals), dtype=np.int64)
        found: Bools = np.isin(grouping.leaders, leaders) & (grouping.groups != ALONE)
        return found

    def of_keys(self, keys: Ints) -> list[Proposal | None]:
        """What is proposed for what has these content keys (m,)."""
        leaders = self.grouping.copies.groups(keys).tolist()
        return [self.proposals.get(leader) for leader in leaders]

    def of_tasks(self, tasks: Ints | Sequence[int]) -> dict[int, Proposal]:
        """What is proposed for these tasks, without those for which nothing is."""
        grouping = self.grouping
        rows = grouping.rows(tasks)
        rows = rows[grouping.groups[rows] != ALONE]
        leaders = grouping.leaders[rows].tolist()
        return {
            task: self.proposals[leader]
            for task, leader in zip(grouping.ids[rows].tolist(), leaders, strict=True)
            if leader in self.proposals
        }


def copied_of(grouping: Grouping, answers: Mapping[int, Answer]) -> Copied:
    """What people said of the groups; answers: task -> what they agree on."""
    given: defaultdict[int, list[Proposal]] = defaultdict(list)
    for leader, proposal in _answered(grouping, answers):
        given[leader].append(proposal)
    proposals, disagreeing = {}, []
    for leader, (first, *others) in given.items():
        other = next((one for one in others if one.answer != first.answer), None)
        if other is None:
            proposals[leader] = first
        else:
            disagreeing.append((first.task, other.task))
    return Copied(grouping, proposals, tuple(disagreeing))


def copied_in(folder: Path, labelling: "Labelling") -> Copied:
    """The near copies of a project as they are known in its folder, and what people said of
    them."""
    known = load_copies(folder) or NO_COPIES
    return copied_of(Grouping(labelling.ids, labelling.keys, known), labelling.answers)


def _answered(grouping: Grouping, answers: Mapping[int, Answer]) -> Iterator[tuple[int, Proposal]]:
    """The tasks with copies that have an answer, by the content key that stands for the group."""
    tasks = np.array(list(answers), dtype=np.int64)
    rows = np.flatnonzero((grouping.groups != ALONE) & np.isin(grouping.ids, tasks))
    leaders = grouping.leaders[rows].tolist()
    for task, leader in zip(grouping.ids[rows].tolist(), leaders, strict=True):
        yield leader, Proposal(task, answers[task])
