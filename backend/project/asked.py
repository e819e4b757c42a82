"""What a round asks for, over all open tasks: those with a vector and those without."""

from dataclasses import dataclass

import numpy as np

from backend.mirror.labelling import Labelling
from backend.project.unit import Learnt
from backend.project.unranked import Unranked
from model.choosing.order import EXPLAINED, Why
from model.types import Ints


@dataclass(frozen=True)
class Asked:
    """tasks (k,): ids, ask-first order; picked: as many of the first ones were asked for by people;
    certifying: as many of the next help to prove what the model may label; unranked: as many of the
    last have no vector; unreadable: how many open tasks cannot be read, asked for or not; why: of
    the first EXPLAINED tasks."""

    tasks: Ints
    picked: int
    certifying: int
    unranked: int
    unreadable: int
    why: tuple[Why, ...]


def asked_of(labelling: Labelling, learnt: Learnt, unranked: Unranked, size: int) -> Asked:
    """At most `size` tasks: those that people picked, with a vector or without, then what the model
    chose, then the others without a vector."""
    outcome = learnt.outcome
    ranked = learnt.ids[outcome.rows]
    picked = np.concatenate([ranked[: outcome.picked], unranked.picked])
    # Both are in the order of `labelling.picked`, and so must be the two together.
    picked = labelling.picked[np.isin(labelling.picked, picked)]
    tasks = np.concatenate([picked, ranked[outcome.picked :], unranked.asked])[:size]
    first = min(len(picked), size)
    of_picked: list[Why] = ["picked"] * first
    why = (*of_picked, *outcome.why[outcome.picked :], *unranked.why)
    return Asked(
        tasks,
        first,
        min(outcome.certifying, size - first),
        max(0, len(tasks) - len(picked) - len(ranked) + outcome.picked),
        unranked.unreadable,
        why[: min(EXPLAINED, len(tasks))],
    )
