"""The audit reserve: the share of the pool that is drawn at random and never by the model.

Only labels that the model did not choose can say how good it is. Each task belongs to the reserve
or not by a hash of its id, so that membership needs no memory, survives a lost disk and splits
labels made before the backend was connected as fairly as those made after.
"""

import numpy as np

from model.types import Bools, Floats, Ints

SAMPLE_LOT, SPAN_LOT, ENCODING_LOT, SELF_LOT, STREAM_LOT, GUARD_LOT, MAP_LOT = range(1, 8)
"""Added to the seed for other draws: with the reserve's seed its tasks would come first in each."""


def draw(ids: Ints, seed: int) -> Floats:
    """A fixed uniform number in [0, 1) for each task id, or whatever else a task is drawn by: the
    same id and seed, the same number.

    SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2714064.2660195) as the hash.
    """
    with np.errstate(over="ignore"):
        mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    result: Floats = (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
    return result


def by_lot(ids: Ints, most: int, seed: int) -> Ints:
    """The places (min(most, n),) of those ids whose `draw` is lowest, the lowest first."""
    lots = draw(ids, seed)
    lowest = np.argpartition(lots, most)[:most] if len(ids) > most else np.arange(len(ids))
    return lowest[np.argsort(lots[lowest])]


def in_reserve(ids: Ints, share: float, seed: int) -> Bools:
    """Which tasks (n,) are audit tasks: about `share` of all."""
    result: Bools = draw(ids, seed) < share
    return result


def at_random(tickets: Ints, share: float, seed: int, labelled: int, size: int) -> Ints:
    """The places of at most `size` of these tickets in the order of their `draw`, with audit tasks
    at the places that `interleave` has for them: what to ask for where no model can rank."""
    if size <= 0:
        return np.zeros(0, dtype=np.int64)
    is_audit = in_reserve(tickets, share, seed)
    chosen, audits = (
        some[by_lot(tickets[some], size, seed)]
        for some in (np.flatnonzero(~is_audit), np.flatnonzero(is_audit))
    )
    return interleave(chosen, audits, share, labelled, size)


def mix(chosen: Ints, others: Ints, share: float, size: int, rng: np.random.Generator) -> Ints:
    """At most `size` rows, each once: at each place the next one of `others` with probability
    `share`, else the next of `chosen`. When one list ends, the other continues."""
    first, second = chosen.tolist()[::-1], others.tolist()[::-1]
    queue: dict[int, None] = {}
    while len(queue) < size and (first or second):
        is_other = rng.random() < share
        queue[(second if (is_other and second) or not first else first).pop()] = None
    return np.array(list(queue), dtype=np.int64)


def interleave(chosen: Ints, audits: Ints, share: float, labelled: int, size: int) -> Ints:
    """Put an audit task at every (1 / share)-th place, counted over the project's whole life.

    `labelled` tasks were answered before this queue begins. A queue that is renewed after each
    label shows only its first place, so the places must go on from there: with a share of 0.1,
    the 10th, 20th, 30th ... task that the annotators see is an audit task. When one list ends,
    the other continues. Returns at most `size` entries.
    """
    chosen_left, audits_left = chosen.tolist(), audits.tolist()
    queue: list[int] = []
    while len(queue) < size and (chosen_left or audits_left):
        place = labelled + len(queue) + 1
        due = int(place * share) > int((place - 1) * share)
        first, second = (audits_left, chosen_left) if due else (chosen_left, audits_left)
        queue.append((first or second).pop(0))
    return np.array(queue, dtype=np.int64)
