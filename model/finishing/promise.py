"""From audit labels to thresholds: above which probability the model's answers may stand.

Thresholds are tried one after the other until the first that the audit labels do not prove (fixed
sequence testing; Angelopoulos et al. 2021, "Learn then test", arXiv:2110.01052), in an order that
the model's own probabilities decide and the correctness of the audit labels does not
(Laufer-Goldshtein et al. 2023, "Efficiently controlling multiple risks with Pareto testing",
arXiv:2210.07913). So the confidence holds although the threshold is chosen by the labels that
prove it.

The proof of a threshold needs a random sample of the answers above it. It is the audit tasks above
it in the order of their lot, up to the first that is still open: whoever labelled which task for
which reason, those are random. What people labelled besides, perhaps because it was easy, is gone
from the tasks that the promise is about, and counts as if the model had made no error there.

Two things are not proved, but were measured (tests/benchmarks/RESULTS.md). The order depends on the
sizes of the samples, and where labels are asked for to prove something, these depend on the errors
seen before. And several promises, of questions, labels or goals, hold each with the confidence, not
all together.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import pdtr

from model.finishing.claims import Claims, claims_of
from model.finishing.evidence import errors_allowed, is_proved, lower_bound
from model.finishing.goal import Goal
from model.heads.head import Head
from model.types import Bools, Floats, Ints

CANDIDATES = 40
"""As many thresholds are tried, at equal steps of the tasks above them."""

DOUBT, LEAST_SHARE = 1.5, 0.5
"""Models are too sure of themselves. For the order of the thresholds, errors are expected to be
DOUBT times what the probabilities say, and at least LEAST_SHARE of what the goal allows: that
prefers thresholds with many audit labels above them, where a single error does not decide."""

BELIEF = 20
"""For forecasts, what the probabilities say counts as much as this many audit labels."""

NEVER = float("inf")
"""The threshold where nothing may stand."""


@dataclass(frozen=True)
class Audited:
    """What is known of the tasks to give away, by one head.

    open_probs (o, c): of open tasks drawn at random, of which each stands for `weight` tasks;
    audit_probs, audit_truth (a, c), audit_lots (a,): of labelled audit tasks; gap_probs (g, c),
    gap_lots (g,): of the open tasks whose lot is lowest, which would be the next audit tasks;
    horizon: all open tasks with a lower lot are among these; taken_probs (b, c): of all other
    tasks, which people or the model labelled or people skipped, of which each stands for
    `taken_weight` tasks. Lots: `model.choosing.audit.draw`.
    """

    open_probs: Floats
    weight: float
    audit_probs: Floats
    audit_truth: Bools
    audit_lots: Floats
    gap_probs: Floats
    gap_lots: Floats
    horizon: float
    taken_probs: Floats
    taken_weight: float


@dataclass(frozen=True)
class Promise:
    """For one question, or one label: answers of at least the probability `threshold` may stand.

    question, label: as in Claims; sample: audit labels that prove it; errors: how many of them were
    wrong; low: the precision that they prove; tasks: how many open tasks have such an answer.
    """

    question: int
    label: int | None
    threshold: float = NEVER
    sample: int = 0
    errors: int = 0
    low: float = 0.0
    tasks: int = 0


@dataclass(frozen=True)
class Counts:
    """Of the audit labels above each threshold (t,): how many are a random sample, how many of
    these are wrong, how many the probabilities let expect to be wrong (doubt); labelled: how many
    open tasks are labelled first; taken: how many labelled tasks are no part of the sample."""

    sample: Ints
    errors: Ints
    doubt: Floats
    labelled: Ints
    taken: Ints


@dataclass(frozen=True)
class Slice:
    """The answers that one promise is about, whatever precision is asked for: of open tasks, of
    labelled audit tasks, of the open tasks of the next lots (gaps), and of all others (taken).
    known: their numbers and lots."""

    known: Audited
    open: Claims
    audit: Claims
    gaps: Claims
    taken: Claims

    @cached_property
    def thresholds(self) -> Floats:
        """(t,), from the highest to the lowest."""
        scores = np.sort(self.open.scores[self.open.scores >= 0.0])[::-1]
        places = np.linspace(0, len(scores), CANDIDATES + 1)[1:].astype(np.int64) - 1
        return np.unique(scores[places[places >= 0]])[::-1] if len(scores) else scores

    @cached_property
    def tasks(self) -> Ints:
        """How many open tasks lie above each threshold (t,)."""
        above = self.open.scores[None, :] >= self.thresholds[:, None]
        result: Ints = np.rint(self.known.weight * above.sum(axis=1)).astype(np.int64)
        return result

    @cached_property
    def now(self) -> Counts:
        """What the audit labels above each threshold (t,) say."""
        return self.counts(0)

    def counts(self, extra: int) -> Counts:
        """The same after `extra` open tasks of the next lots are labelled, of which nothing is
        known: they are not in the sample."""
        rows = [self._count(threshold, extra) for threshold in self.thresholds.tolist()]
        table = np.array(rows, dtype=np.float64).reshape(-1, 5).T
        sample, errors, labelled, taken = (table[row].astype(np.int64) for row in (0, 1, 3, 4))
        return Counts(sample, errors, table[2], labelled, taken)

    def _count(self, threshold: float, extra: int) -> tuple[int, int, float, int, int]:
        assert self.audit.right is not None and self.audit.counted is not None
        gaps = self._next_gaps[1][self._next_gaps[0] >= threshold]
        end = gaps[extra] if len(gaps) > extra else self.known.horizon
        above = self.audit.scores >= threshold
        inside = above & (self.known.audit_lots < end) & self.audit.counted
        others = self.known.taken_weight * int((self.taken.scores >= threshold).sum())
        taken = int((above & ~inside).sum()) + round(others)
        wrong, doubt = int((inside & ~self.audit.right).sum()), 1.0 - self.audit.scores[inside]
        return int(inside.sum()), wrong, float(doubt.sum()), min(extra, len(gaps)), taken

    @cached_property
    def _next_gaps(self) -> tuple[Floats, Floats]:
        """Scores and lots of the gaps, the lowest lot first."""
        lots = self.known.gap_lots
        order = np.argsort(lots)
        return self.gaps.scores[order], lots[order]

    def promise(self, goal: Goal) -> Promise:
        """The lowest threshold that is proved."""
        question, label = self.open.question, self.open.label
        now, rest = self.now, self.tasks
        sample, errors = now.sample, now.errors
        allowed = errors_allowed(sample, rest, goal.precision, goal.confidence, now.taken)
        least = LEAST_SHARE * (1.0 - goal.precision) * sample
        doubted = np.maximum(DOUBT * now.doubt, least)
        chances = np.where(allowed >= 0, pdtr(allowed, doubted), 0.0)
        proved = is_proved(errors, sample, rest, goal.precision, goal.confidence, now.taken)
        best = -1
        for place in np.lexsort((-rest, -chances)).tolist():
            if chances[place] <= 0.0 or not proved[place]:
                break
            best = max(best, place)
        if best < 0:
            return Promise(question, label)
        n, k, m = int(sample[best]), int(errors[best]), int(rest[best])
        low = lower_bound(k, n, m, goal.confidence, int(now.taken[best]))
        return Promise(question, label, float(self.thresholds[best]), n, k, low, m)

    def expected(self, goal: Goal, extra: int) -> float:
        """The lowest threshold that is probably proved with so many audit labels more, each of a
        task above it."""
        then = self.counts(extra)
        errors = then.errors + self._error_rates() * then.labelled
        sample, rest = then.sample + then.labelled, self.tasks - then.labelled
        proved = is_proved(errors, sample, rest, goal.precision, goal.confidence, then.taken)
        # With nothing left above it, a threshold is proved, and gives nothing away.
        return self._lowest(proved & (rest > 0))

    def likely(self, goal: Goal) -> float:
        """The lowest threshold above which the precision is probably the goal's, without proof."""
        return self._lowest(1.0 - self._error_rates() >= goal.precision)

    def _lowest(self, which: Bools) -> float:
        return float(self.thresholds[np.flatnonzero(which)[-1]]) if which.any() else NEVER

    def _error_rates(self) -> Floats:
        """The share of the answers above each threshold (t,) that is probably wrong."""
        now = self.now
        result: Floats = (now.errors + BELIEF * self._doubts()) / (now.sample + BELIEF)
        return result

    def _doubts(self) -> Floats:
        """The mean probability (t,) that an answer above each threshold is wrong."""
        scores = self.open.scores
        above = scores[None, :] >= self.thresholds[:, None]
        result: Floats = ((1.0 - scores) * above).sum(axis=1) / np.maximum(above.sum(axis=1), 1)
        return result


def slices_of(head: Head, known: Audited, goal: Goal) -> list[Slice]:
    """What promises are made about: each question, or each label of each."""
    of_open = claims_of(head, known.open_probs, goal)
    of_audit = claims_of(head, known.audit_probs, goal, known.audit_truth)
    of_gaps, of_taken = (claims_of(head, one, goal) for one in (known.gap_probs, known.taken_probs))
    parts = zip(of_open, of_audit, of_gaps, of_taken, strict=True)
    return [Slice(known, *claims) for claims in parts]
