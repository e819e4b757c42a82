"""Which tasks were asked for to prove what the model may label, and whether such asking goes on."""

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.finishing.goal import Goal
from model.types import Ints

if TYPE_CHECKING:
    from backend.mirror.pool import Pool

CERTIFYING, ENDED = "certifying", "certified"
"""Facts of the mirror: what goes on now, and how the last one ended, in a sentence."""


MOST_BUDGET = 10_000
"""More audit labels are not asked for at a time."""


@dataclass(frozen=True)
class Certifying:
    """Audit labels are asked for first, until the model may label as many tasks as `budget` labels
    can probably prove. goal: what is to be proved; begun: when, as a Unix time."""

    goal: Goal
    budget: int
    begun: float


def begin(pool: "Pool", goal: Goal, budget: int) -> None:
    """Have such tasks asked for from now on."""
    pool.remember(ENDED, None)
    pool.remember(CERTIFYING, asdict(Certifying(goal, budget, time.time())))


def end(pool: "Pool", sentence: str) -> None:
    """Stop asking; the sentence says why. What was asked for and is still open is a task like any
    other again."""
    pool.drop_open_certified()
    pool.remember(CERTIFYING, None)
    pool.remember(ENDED, sentence)


def current(pool: "Pool") -> Certifying | None:
    """What goes on now, if anything does."""
    found = pool.fact(CERTIFYING)
    return None if found is None else Certifying(**{**found, "goal": Goal(**found["goal"])})


def answered(pool: "Pool", now: Certifying, unlabelled: Ints) -> int:
    """How many of the tasks that were asked for since it began are not among those that nobody but
    the model has annotated."""
    return int((~np.isin(pool.certified(since=now.begun), unlabelled)).sum())
