"""The whole trade between precision, the share of tasks that the model may label, and labels."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from model.choosing.audit import by_lot, draw
from model.finishing.goal import Goal
from model.finishing.promise import NEVER, Audited, Promise, Slice, slices_of
from model.finishing.standing import done_of
from model.heads.head import Head
from model.snapshot import Policy, Snapshot, audits_of, sampled
from model.types import Ints

LOOKED_AT = 5_000
"""At most this many open rows, drawn at random, stand for all."""

MOST_GAPS = 2_000
"""At most this many open tasks, the next by their lot, are looked at as further audit tasks."""

CELLS = 1 << 21
"""At most this many probabilities of open rows are looked at."""

EXTRA = (20, 40, 60, 100, 200, 400)
"""Numbers of further audit labels of which it is said what they would change."""

PRECISIONS = (0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99)


@dataclass(frozen=True)
class Split:
    """How the open tasks are divided between the model and people.

    promises: by question, or by label; coverage: the share of the open tasks that no person needs
    to label, in [0, 1].
    """

    goal: Goal
    promises: tuple[Promise, ...]
    coverage: float


@dataclass(frozen=True)
class Point:
    """One precision: coverage: the share of the open tasks that may be given away; likely: the
    share that probably could be if the bound were no wider than what was seen, the upper end of the
    band."""

    precision: float
    coverage: float
    likely: float


@dataclass(frozen=True)
class More:
    """With `labels` audit labels more, the coverage would probably be `coverage`."""

    labels: int
    coverage: float


@dataclass(frozen=True)
class Outlook:
    """The split at the goal, the coverage at other precisions, and with more labels."""

    split: Split
    curve: tuple[Point, ...]
    more: tuple[More, ...]

    def to_json(self) -> dict[str, Any]:
        """As it is kept with a version. A threshold of None: nothing may be given away."""
        goal = self.split.goal
        promises = [
            {**asdict(one), "threshold": None if one.threshold == NEVER else one.threshold}
            for one in self.split.promises
        ]
        return {
            "precision": goal.precision,
            "confidence": goal.confidence,
            "coverage": self.split.coverage,
            "promises": promises,
            "curve": [asdict(one) for one in self.curve],
            "more": [asdict(one) for one in self.more],
        }


def audited_of(snapshot: Snapshot, head: Head, policy: Policy) -> Audited:
    """What is known of a pool by the head, whose labels are the snapshot's. Time and memory do not
    grow with the pool."""
    is_audit = audits_of(snapshot, policy)
    most = max(1, min(LOOKED_AT, CELLS // max(1, len(head.labels))))
    open_rows = np.flatnonzero(snapshot.open)
    looked_at = sampled(snapshot, open_rows, most, policy.seed)
    held_out = is_audit[snapshot.answered]
    audits = snapshot.answered[held_out]
    gaps = _next_by_lot(snapshot, min(MOST_GAPS, most), policy)
    lots = draw(snapshot.drawn_by[gaps], policy.seed)
    others = np.setdiff1d(np.flatnonzero(~snapshot.open), audits)
    taken = sampled(snapshot, others, most, policy.seed)
    wanted = [looked_at, audits, gaps, taken]
    # All at once: a dataset's vectors are read from all of its parts each time.
    probs = head.probs(snapshot.vectors[np.concatenate(wanted)])
    of_open, of_audits, of_gaps, of_taken = np.split(probs, np.cumsum(list(map(len, wanted)))[:-1])
    return Audited(
        open_probs=of_open,
        weight=len(open_rows) / max(1, len(looked_at)),
        audit_probs=of_audits,
        audit_truth=snapshot.targets[held_out] > 0,
        audit_lots=draw(snapshot.drawn_by[audits], policy.seed),
        gap_probs=of_gaps,
        gap_lots=lots,
        taken_probs=of_taken,
        taken_weight=len(others) / max(1, len(taken)),
        horizon=NEVER if len(gaps) == len(open_rows) else float(lots.max(initial=0.0)),
    )


def split_of(head: Head, known: Audited, goal: Goal) -> Split:
    """What may be given away now."""
    return _split(slices_of(head, known, goal), goal)


def outlook_of(head: Head, known: Audited, goal: Goal) -> Outlook:
    """The same, with the coverage at each of PRECISIONS and the goal's own, and what further audit
    labels would probably change, for each of EXTRA."""
    slices = slices_of(head, known, goal)
    split = _split(slices, goal)
    return Outlook(split, tuple(_curve(slices, goal)), tuple(_more(slices, split)))


def to_certify(
    snapshot: Snapshot, policy: Policy, head: Head, known: Audited, goal: Goal, budget: int
) -> Ints:
    """The open rows whose labels as audit labels would let the model label most, the next by their
    lot first, at most `budget`; none where further labels would not change anything. known: of this
    snapshot, by `audited_of`."""
    rows = _next_by_lot(snapshot, len(known.gap_lots), policy)
    wanted = np.zeros(len(rows), dtype=np.bool_)
    for part in slices_of(head, known, goal):
        expected = part.expected(goal, budget)
        if expected < part.promise(goal).threshold:
            wanted |= part.gaps.scores >= expected
    return rows[wanted][:budget]


def _split(slices: Sequence[Slice], goal: Goal) -> Split:
    promises = tuple(part.promise(goal) for part in slices)
    return Split(goal, promises, _coverage(slices, [one.threshold for one in promises]))


def _curve(slices: Sequence[Slice], goal: Goal) -> Iterator[Point]:
    for precision in sorted({*PRECISIONS, goal.precision}):
        one = replace(goal, precision=precision)
        promised = _split(slices, one).coverage
        likely = _coverage(slices, [part.likely(one) for part in slices])
        yield Point(precision, promised, max(likely, promised))


def _more(slices: Sequence[Slice], split: Split) -> Iterator[More]:
    for extra in EXTRA:
        pairs = zip(slices, split.promises, strict=True)
        thresholds = [min(now.threshold, part.expected(split.goal, extra)) for part, now in pairs]
        yield More(extra, _coverage(slices, thresholds))


def _next_by_lot(snapshot: Snapshot, most: int, policy: Policy) -> Ints:
    """At most so many open rows, the lowest lot first."""
    rows = np.flatnonzero(snapshot.open)
    return rows[by_lot(snapshot.drawn_by[rows], most, policy.seed)]


def _coverage(slices: Sequence[Slice], thresholds: Sequence[float]) -> float:
    if all(one == NEVER for one in thresholds):
        return 0.0
    return float(done_of([part.open for part in slices], thresholds).mean())
