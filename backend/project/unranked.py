"""The open tasks that no model can rank: how many there are, and which of them are asked for.

But for those that people picked, which come first, they end each shortlist that has room. Without
them Label Studio would run out of our order, and serve at random what is left, without the audit
tasks at their places.
"""

from dataclasses import dataclass

import numpy as np

from backend.mirror.labelling import Labelling
from backend.project.unit import Learnt
from model.choosing.audit import at_random, in_reserve
from model.choosing.order import Why
from model.snapshot import Policy
from model.types import Ints


@dataclass(frozen=True)
class Unranked:
    """Open tasks without a vector.

    asked: ids of those that follow the model's own in the shortlist, in this order: first those
    that will get a vector, then those whose media cannot be read and those that show nothing;
    unreadable: how many of the latter two there are in all; picked: ids of those that people asked
    for, in their order; why: the `asked` ones are asked for.
    """

    asked: Ints
    unreadable: int
    picked: Ints
    why: tuple[Why, ...]


def unranked_of(labelling: Labelling, learnt: Learnt, policy: Policy) -> Unranked:
    """The open tasks that came out of a round without a place."""
    waiting, unreadable = _without_vector(labelling, learnt)
    # Of all labels, also of tasks without a vector: else the place would stand still among those.
    labelled, before = len(labelling.answers), len(learnt.outcome.rows)
    first = waiting.drawn(policy, labelled + before, policy.size - before)
    before += len(first.ids)
    last = unreadable.drawn(policy, labelled + before, policy.size - before)
    asked = first.and_also(last)
    picked = waiting.and_also(unreadable).picked(labelling, policy)
    is_asked = ~np.isin(asked.ids, picked)
    is_audit = in_reserve(asked.tickets[is_asked], policy.audit_share, policy.seed).tolist()
    why: list[Why] = ["audit" if one else "unranked" for one in is_audit]
    return Unranked(asked.ids[is_asked], len(unreadable.ids), picked, tuple(why))


@dataclass(frozen=True)
class _Tasks:
    """ids (n,), and by which numbers (n,) they are drawn at random."""

    ids: Ints
    tickets: Ints

    def drawn(self, policy: Policy, labelled: int, size: int) -> "_Tasks":
        """`at_random` of them."""
        share, seed = policy.audit_share, policy.seed
        places = at_random(self.tickets, share, seed, labelled, size)
        return _Tasks(self.ids[places], self.tickets[places])

    def and_also(self, others: "_Tasks") -> "_Tasks":
        return _Tasks(
            np.concatenate([self.ids, others.ids]), np.concatenate([self.tickets, others.tickets])
        )

    def picked(self, labelling: Labelling, policy: Policy) -> Ints:
        """The ids of those that people picked and that are no audit tasks, in their order."""
        mine = np.isin(self.ids, labelling.picked)
        is_audit = in_reserve(self.tickets[mine], policy.audit_share, policy.seed)
        is_audit |= np.isin(self.ids[mine], labelling.certified)
        return labelling.picked[np.isin(labelling.picked, self.ids[mine][~is_audit])]


def _without_vector(labelling: Labelling, learnt: Learnt) -> tuple[_Tasks, _Tasks]:
    """Those that will get a vector, and those that will not."""
    left = labelling.open
    if learnt.ranked < left.sum():
        left = left & ~np.isin(labelling.ids, learnt.ids)
    else:
        left = np.zeros_like(left)  # at most submits: all are encoded
    unreadable, waiting = left & labelling.unreadable, left & ~labelling.unreadable
    ids, tickets = labelling.ids, labelling.drawn_by
    blank = labelling.blank  # such a task is no item of a dataset
    never = _Tasks(
        *(np.concatenate([some[unreadable], blank]) for some in (ids, tickets)),
    )
    return _Tasks(ids[waiting], tickets[waiting]), never
