"""The whole order: what people asked for, what proves something, then the strategy's choice; and
why each task is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.choosing.choice import Chosen
from model.types import Bools, Ints

Why = Literal["picked", "certify", "audit", "random", "model", "copy", "unranked"]
"""Why a task is asked for: somebody asked for it; it helps to prove what the model may label; it is
an audit task; it was drawn at random in place of the strategy's choice; the strategy chose it; all
others but near copies are asked for before it; it has no vector yet."""

EXPLAINED = 20
"""Of so many of the first tasks it is kept why they are asked for."""

NOTHING: Ints = np.zeros(0, dtype=np.int64)
NOTHING.setflags(write=False)


@dataclass(frozen=True)
class Order:
    """rows (k,): to ask for, ask-first order; picked, certifying: as many of the first rows were
    asked for by people, and as many of the next help to prove what the model may label; why: of the
    first EXPLAINED rows."""

    rows: Ints
    picked: int
    certifying: int
    why: tuple[Why, ...]


def picked_of(picked: Ints | None, is_open: Bools, audits: Bools) -> Ints:
    """Those of the rows that people asked for, in their order, that may be asked for: the open ones
    that are no audit tasks, whose choice would not be random any more. is_open, audits (n,)."""
    if picked is None:
        return NOTHING
    _, first = np.unique(picked, return_index=True)
    rows = picked[np.sort(first)]
    return rows[is_open[rows] & ~audits[rows]]


def order_of(
    chosen: Chosen, audits: Bools, size: int, picked: Ints = NOTHING, certify: Ints = NOTHING
) -> Order:
    """At most `size` rows, each once: the picked ones, those that certify something, and what was
    chosen. audits (n,): which rows of the snapshot are audit tasks."""
    picked = picked[:size]
    certify = certify[~np.isin(certify, picked)][: size - len(picked)]
    first = np.concatenate([picked, certify])
    rows = np.concatenate([first, chosen.rows[~np.isin(chosen.rows, first)]])[:size]
    why = tuple(_reasons(rows[:EXPLAINED], len(picked), len(first), chosen, audits))
    return Order(rows, len(picked), len(certify), why)


def _reasons(rows: Ints, picked: int, first: int, chosen: Chosen, audits: Bools) -> Iterator[Why]:
    drawn = set(chosen.rows[chosen.drawn].tolist())
    copies = set(chosen.rows[chosen.copies].tolist())
    for place, row in enumerate(rows.tolist()):
        if place < first:
            yield "picked" if place < picked else "certify"
        elif audits[row]:
            yield "audit"
        elif row in copies:
            yield "copy"
        else:
            yield "random" if row in drawn else "model"
