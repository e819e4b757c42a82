"""The open tasks that no model can rank: how many there are, and which of them are asked for.

They end each shortlist that has room. Without them Label Studio would run out of our order, and
serve at random what is left, without the audit tasks at their places.
"""

from dataclasses import dataclass

import numpy as np

from backend.mirror.labelling import Labelling
from backend.project.unit import Learnt
from model.choosing.audit import at_random
from model.snapshot import Policy
from model.types import Ints


@dataclass(frozen=True)
class Unranked:
    """Open tasks without a vector.

    asked: ids of those that follow the model's own in the shortlist, in this order: first those
    that will get a vector, then those whose media cannot be read and those that show nothing;
    unreadable: how many of the latter two there are in all.
    """

    asked: Ints
    unreadable: int


def unranked_of(labelling: Labelling, learnt: Learnt, policy: Policy) -> Unranked:
    """The open tasks that came out of a round without a place."""
    waiting, unreadable = _without_vector(labelling, learnt)
    # Of all labels, also of tasks without a vector: else the place would stand still among those.
    labelled, before = len(labelling.answers), len(learnt.outcome.rows)
    share, seed = policy.audit_share, policy.seed
    first = waiting.drawn(share, seed, labelled + before, policy.size - before)
    before += len(first)
    last = unreadable.drawn(share, seed, labelled + before, policy.size - before)
    return Unranked(np.concatenate([first, last]), len(unreadable.ids))


@dataclass(frozen=True)
class _Tasks:
    """ids (n,), and by which numbers (n,) they are drawn at random."""

    ids: Ints
    tickets: Ints

    def drawn(self, share: float, seed: int, labelled: int, size: int) -> Ints:
        """`at_random` of them."""
        return self.ids[at_random(self.tickets, share, seed, labelled, size)]


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
