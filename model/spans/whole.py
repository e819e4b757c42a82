"""Questions about whole texts beside their spans: both are learnt from the states of the tokens.

A text as a whole is the mean state of its tokens, so one encoding serves both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from model.choosing.choice import Choice, ranks
from model.heads.asked import asked_share
from model.learner import Fit, audited_answers
from model.snapshot import Policy, Snapshot
from model.spans.tags import Tokens
from model.types import Bools, Condition, Floats, Ints

Priority = Callable[[Ints], Floats]
"""Rows -> how much a label of each would teach."""
MakeSnapshot = Callable[[Floats], Snapshot]
"""The vectors (n, d) of the texts as wholes -> what is known of the questions about them."""


@dataclass(frozen=True)
class Counted:
    """Of n texts: exact (n,), whether all of the answer is right; hits, claims, truths (n, c): how
    often each of the `labels` is predicted rightly, predicted, and true."""

    labels: tuple[str, ...]
    exact: Bools
    hits: Ints
    claims: Ints
    truths: Ints


@dataclass(frozen=True)
class Whole:
    """What is learnt of the questions about whole texts. audits (n,): which rows are audit tasks;
    centre (d,): of the texts' vectors."""

    fit: Fit
    audits: Bools
    centre: Floats

    def counted(self, spans: Counted, rows: Ints, seed: int) -> Counted:
        """The same of spans and of these questions together; rows (n,): the texts, audit tasks."""
        head, fitted, snapshot = self.fit.head, self.fit.fitted, self.fit.snapshot
        if head is None or fitted is None:
            return spans
        answers, truth, _ = audited_answers(head, fitted, snapshot, self.audits, seed)
        theirs = snapshot.answered[self.audits[snapshot.answered]]
        said, given = (np.zeros((len(rows), len(head.labels)), np.bool_) for _ in range(2))
        places = np.searchsorted(rows, theirs)
        said[places], given[places] = answers, truth
        return Counted(
            (*spans.labels, *head.labels),
            spans.exact & (said == given).all(axis=1),
            np.hstack([spans.hits, said & given]),
            np.hstack([spans.claims, said]),
            np.hstack([spans.truths, given]),
        )

    def priority(
        self, of_spans: Floats | None, conditions: Sequence[Condition], policy: Policy
    ) -> Priority | None:
        """How much a label of each row would teach: the mean of the rank by its spans, as far
        as these are probably asked for, and of the rank by the questions, each as a share of the
        highest. of_spans (n,): by the spans alone. None where nothing is known of either.

        Rank combination, as for several questions, see `model.choosing.choice`.
        """
        head, snapshot = self.fit.head, self.fit.snapshot
        if head is None:
            return None if of_spans is None else of_spans.__getitem__
        choice = Choice(snapshot, policy, head, self.centre, self.audits, self.audits)
        flat = np.zeros(len(snapshot.ids), np.float32) if of_spans is None else of_spans

        def priority(rows: Ints) -> Floats:
            theirs = choice.priorities(rows)
            mine = ranks(flat[rows])
            if conditions:
                mine = mine * asked_share(conditions, head, head.probs(snapshot.vectors[rows]))
            found: Floats = (mine + ranks(theirs)) / (2 * max(len(rows), 1))
            return found

        return priority


def whole_vectors(tokens: Tokens) -> Floats:
    """The mean state (n, d) of each text. A sparse product: a tenth of the time of reduceat."""
    states, bounds = tokens.states.astype(np.float32, copy=False), tokens.bounds
    ones = np.ones(len(states), np.float32)
    texts = csr_array((ones, np.arange(len(states)), bounds), shape=(len(bounds) - 1, len(states)))
    means: Floats = (texts @ states) / np.diff(bounds)[:, None].astype(np.float32)
    return means
