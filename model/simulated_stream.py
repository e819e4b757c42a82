"""A simulated stream: the items of the pool arrive one after the other, each of them once.

What a model knows of the texts without labels is the same as where it chooses from the pool, so
that two such runs differ by the choice alone.
"""

from dataclasses import dataclass

import numpy as np

from model.choosing.audit import GUARD_LOT, draw
from model.choosing.choice import Choice
from model.choosing.stream import Arrivals, kept, remembered
from model.learner import Outcome
from model.simulation import Plan, Point, Run
from model.snapshot import Snapshot, audits_of, measured_on
from model.types import Floats

AT_ONCE = 10
"""Items that arrive together."""


@dataclass(frozen=True)
class StreamPlan(Plan):
    """A plan for a stream: its budget of labels, as many as there are in all rounds, is to last
    until the last item of the pool has arrived."""

    at_once: int = AT_ONCE


class StreamRun(Run):
    """A run in which each item is labelled at once, or passed by for good, by what the head of that
    moment says about it."""

    _plan: StreamPlan

    def resume(self, points: list[Point]) -> None:
        super().resume(points)
        self._arrived = max(self._answered, default=-1) + 1

    def _asked(self, snapshot: Snapshot, outcome: Outcome) -> list[int]:
        priorities = self._priorities(snapshot, outcome)
        # Those of another head cannot be compared with what comes now.
        self._recent = remembered(np.zeros(0), priorities[: self._arrived])
        asked: list[int] = []
        most = min(self._plan.batch, self._budget - len(self._answered))
        while len(asked) < most:
            asked += self._next(priorities, most - len(asked), len(self._answered) + len(asked))
        return asked

    @property
    def _budget(self) -> int:
        """Labels of the whole run."""
        plan = self._plan
        return min(plan.initial + plan.batch * plan.rounds, len(self._pool))

    def _next(self, priorities: Floats, most: int, labels: int) -> list[int]:
        """Those of the next arrivals that are kept. With the last of at most so many another head
        begins, and what follows it has not arrived yet."""
        to_come, to_label = len(self._pool) - self._arrived, self._budget - labels
        # Never so many that fewer than the budget are left to come.
        size = min(self._plan.at_once, to_come, max(1, to_come - to_label))
        rows = self._arrived + np.arange(size)
        arrivals = Arrivals(self._ids[rows], priorities[rows])
        rate, share, seed = to_label / to_come, self._plan.audit_share, self._plan.seed
        found: list[int] = rows[kept(arrivals, self._recent, rate, share, seed)][:most].tolist()
        seen = rows[rows <= found[-1]] if len(found) == most else rows
        self._recent = remembered(self._recent, priorities[seen])
        self._arrived += len(seen)
        return found

    def _priorities(self, snapshot: Snapshot, outcome: Outcome) -> Floats:
        """Of all items (n,) by the present head, NaN where chance decides: what the guard leaves to
        it, or everything."""
        priorities = np.full(len(self._pool), np.nan)
        if outcome.head is None or self._plan.strategy == "random":
            return priorities
        policy, head = self.policy(), outcome.head
        audits, measured = audits_of(snapshot, policy), measured_on(snapshot, policy)
        choice = Choice(snapshot, policy, head, head.centre, audits, measured)
        rows = np.flatnonzero(draw(self._ids, policy.seed + GUARD_LOT) >= outcome.random_share)
        priorities[rows] = choice.priorities_alone(rows)
        return priorities
