"""The head: a linear classifier on vectors, refitted from all labels in milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, softmax

from model.heads.deciding import decisions
from model.heads.lists import fit_scores, list_logits, width_of
from model.heads.logistic import Evidence, Prior, fit_logistic
from model.heads.ordered import softening
from model.types import INDEPENDENT, OF_LISTS, Bools, Floats, Kind, LabelGroup

L2: dict[Kind, float] = {"single": 0.05, "ordered": 0.05, "multiple": 0.05, "pair": 0.5}
"""Weight decay of `fit_head`, relative to one example's loss (scikit-learn's 1 / C)."""

CONSTANT: dict[Kind, float] = {"single": 0.3, "ordered": 1.0, "multiple": 1.0, "pair": 0.0}
"""The feature that carries the bias; the smaller, the more the bias is decayed. One label of one
class moved it so far that all others became rare: BBC News before any label .91 by names, after one
.84 with 1.0. Accuracy after 10, 25 and 100 random labels beside names: TREC-6 .52, .60 and .73 with
1.0, .56, .63 and .73 with 0.3; BANKING77 .64, .65 and .68, then .66, .67 and .69. If a text may
have several labels, the bias says how many, and 0.3 loses (IMDb, 25 labels: .59 and .57). Of a pair
neither side is the likelier one before both are read."""

AS_IT_IS: tuple[Kind, ...] = ("pair", "boxes")
"""The kinds whose heads multiply vectors as they are, not centred and not scaled."""

CHUNK = 8192
"""Rows scored at once, so that a pool of millions is never in memory as float32."""

CACHED_CELLS = 1 << 18
"""Numbers that stay in a processor's cache while they become probabilities: with thousands of
labels this takes half the time of all rows at once."""


@dataclass(frozen=True)
class Head:
    """A linear classifier on centred, unit-length vectors of dimension d for c labels.

    weights (d, c), bias (c,), centre (d,): the mean vector of the pool. Encoders put all texts
    into a narrow cone; without its mean, cosines and weights use the whole sphere. Where questions
    are of the kind `pair`, vectors are taken as they are: P(first | v) = P(second | -v), as in the
    model of Bradley & Terry (1952, doi:10.2307/2334029); so they are of the kind `boxes`, which has
    centred them already, see model.boxes.learner. Of lists, d is the number of features of a
    candidate, there is one column of weights and one bias for all labels, and no centre, see
    `model.heads.lists`.
    thresholds (c,): from which probability on `multiple` gives a label; None means 0.5 for all.
    groups: of several questions, the labels of each, decided for themselves; () for one
    question, of this `kind`.
    name_shares (c,): the share of the head of the labels' names in each label's weights, see
    `model.heads.names`; None if no names were used. Not stored on disk. whole: of the kind `spans`,
    the head of the questions about each text as a whole, which reads the mean state of its tokens;
    None where there are none. attributes: the same of the questions about each span, which reads
    model.spans.attributes.span_vectors.
    """

    kind: Kind
    labels: tuple[str, ...]
    weights: Floats
    bias: Floats
    centre: Floats
    thresholds: Floats | None = None
    groups: tuple[LabelGroup, ...] = ()
    name_shares: Floats | None = None
    whole: "Head | None" = None
    attributes: "Head | None" = None

    @property
    def questions(self) -> tuple[LabelGroup, ...]:
        """The labels of each question, also where there is one."""
        return self.groups or (LabelGroup(self.kind, 0, len(self.labels)),)

    @property
    def is_of_pairs(self) -> bool:
        """Whether it is of the kind `pair`, which is asked beside no other."""
        return self.kind == "pair"

    def parts(self) -> list["Head"]:
        """The head of each question."""
        return [self.part(group) for group in self.groups] or [self]

    def part(self, group: LabelGroup) -> "Head":
        """The head of some of the labels alone."""
        mine = group.columns
        thresholds = None if self.thresholds is None else self.thresholds[mine]
        shares = None if self.name_shares is None else self.name_shares[mine]
        return Head(
            group.kind,
            self.labels[mine],
            self.weights[:, mine],
            self.bias[mine],
            self.centre,
            thresholds,
            name_shares=shares,
        )

    def logits(self, vectors: Floats) -> Floats:
        """Vectors of shape (n, d) to logits of shape (n, c), float32."""
        if self.kind in OF_LISTS:
            return list_logits(vectors, self.weights[:, 0], float(self.bias[0]), self.kind)
        found = np.empty((len(vectors), len(self.labels)), np.float32)
        for start in range(0, len(vectors), CHUNK):
            chunk = found[start : start + CHUNK]
            some = _read(
                vectors[start : start + CHUNK], self.centre, as_it_is=self.kind in AS_IT_IS
            )
            np.matmul(some, self.weights, out=chunk)
            chunk += self.bias
        return found

    def probs(self, vectors: Floats) -> Floats:
        """Vectors (n, d) to probabilities (n, c); each row sums to 1 unless labels are
        given each for itself."""
        found = self.logits(vectors)
        rows = max(1, CACHED_CELLS // max(1, len(self.labels)))
        for start in range(0, len(found), rows):
            some = found[start : start + rows]
            for group in self.questions:
                mine = some[:, group.columns]
                some[:, group.columns] = (
                    expit(mine) if group.kind in INDEPENDENT else softmax(mine, axis=1)
                )
        return found

    def of_labels(self, labels: tuple[str, ...]) -> "Head":
        """The same head for other labels, to begin a fit with: new ones have no weights yet."""
        if labels == self.labels:
            return self
        weights = np.zeros((self.weights.shape[0], len(labels)), np.float32)
        bias = np.zeros(len(labels), np.float32)
        places = {label: place for place, label in enumerate(self.labels)}
        known = [place for place, label in enumerate(labels) if label in places]
        before = [places[labels[place]] for place in known]
        weights[:, known], bias[known] = self.weights[:, before], self.bias[before]
        shares = None
        if self.name_shares is not None:
            shares = np.ones(len(labels), np.float32)
            shares[known] = self.name_shares[before]
        # To begin with, no more.
        return Head(self.kind, labels, weights, bias, self.centre, name_shares=shares)

    def answers(self, probs: Floats) -> Bools:
        """Probabilities (n, c) to the labels that are given (n, c)."""
        if not self.groups:
            return decisions(probs, self.kind, 0.5 if self.thresholds is None else self.thresholds)
        parts = zip(self.parts(), self.groups, strict=True)
        return np.hstack([part.answers(probs[:, group.columns]) for part, group in parts])


def joined(heads: Sequence[Head], groups: tuple[LabelGroup, ...]) -> Head:
    """One head of the heads of several questions, all with the same centre; the only one as it is
    where there are no groups."""
    if not groups:
        (head,) = heads
        return head
    thresholds = [
        np.full(len(head.labels), 0.5) if head.thresholds is None else head.thresholds
        for head in heads
    ]
    shares = [
        np.zeros(len(head.labels), np.float32) if head.name_shares is None else head.name_shares
        for head in heads
    ]
    is_named = any(head.name_shares is not None for head in heads)
    return Head(
        "multiple",
        tuple(label for head in heads for label in head.labels),
        np.hstack([head.weights for head in heads]),
        np.hstack([head.bias for head in heads]),
        heads[0].centre,
        np.hstack(thresholds),
        groups,
        np.hstack(shares) if is_named else None,
    )


def centred(vectors: Floats, centre: Floats) -> Floats:
    """Vectors (n, d) minus the centre (d,), scaled back to unit length, float32."""
    shifted = np.asarray(vectors, dtype=np.float32) - centre.astype(np.float32)
    norms = np.linalg.norm(shifted, axis=1, keepdims=True)
    result: Floats = shifted / np.maximum(norms, 1e-12)
    return result


def _read(vectors: Floats, centre: Floats, *, as_it_is: bool) -> Floats:
    """What a head multiplies with its weights, (n, d): of pairs the vectors themselves, because of
    two things that are alike neither is much better."""
    return np.asarray(vectors, np.float32) if as_it_is else centred(vectors, centre)


def fit_head(
    vectors: Floats,
    targets: Floats,
    kind: Kind,
    labels: tuple[str, ...],
    centre: Floats,
    *,
    start: Head | None = None,
    named: Head | None = None,
    evidence: Evidence | None = None,
) -> Head:
    """Fit logistic regression by L-BFGS: softmax for exclusive labels (for `ordered` with soft
    targets), one sigmoid a label for `multiple`.

    vectors (m, d), targets (m, c) of 0 and 1. The bias is decayed like the weights, so that a
    label without any example ends at a small probability instead of running off to zero. A `pair`
    has no bias and no centre; lists are fitted as `model.heads.lists` says.
    `start` may be an earlier head of the same shape: the fit then takes fewer steps. `named`: the
    head of the labels' names, see `model.heads.names`: weights are decayed towards a share of it.
    `evidence`: vectors of further examples and what is known of their labels, see `Evidence`.
    Raises ValueError when there is neither an example nor a named head nor evidence.
    """
    if len(vectors) == 0 and evidence is None:
        if named is None:
            raise ValueError("a head needs at least one labelled example, or names of its labels")
        return named
    if kind in OF_LISTS:
        return _fit_lists(vectors, targets, kind, labels, start)
    constant = CONSTANT[kind]
    centre = np.asarray(np.zeros_like(centre) if kind == "pair" else centre, dtype=np.float32)
    features = _features(vectors, centre, kind)
    if evidence is not None:
        evidence = replace(evidence, features=_features(evidence.features, centre, kind))
    theta: Floats = np.zeros((features.shape[1], targets.shape[1]))
    prior = None if named is None else Prior(_theta(named, constant))
    if prior is not None:
        theta[:] = prior.weights
    if start is not None and start.weights.shape == theta[:-1].shape:
        if prior is not None and start.name_shares is not None:
            prior = replace(prior, share=float(start.name_shares.mean()))
        if prior is None or start.name_shares is not None:
            theta[:] = _theta(start, constant)
    wanted = targets @ softening(len(labels)) if kind == "ordered" else targets
    theta, share = fit_logistic(features, wanted, kind, L2[kind], theta, prior, evidence=evidence)
    theta[-1] *= constant
    theta = theta.astype(np.float32)
    shares = None if named is None else np.full(len(labels), share, np.float32)
    return Head(kind, labels, theta[:-1], theta[-1], centre, name_shares=shares)


def _fit_lists(
    vectors: Floats, targets: Floats, kind: Kind, labels: tuple[str, ...], start: Head | None
) -> Head:
    """`fit_head` of lists."""
    width = width_of(vectors.shape[1])
    begin, bias = np.zeros(width), 0.0
    if start is not None and start.weights.shape == (width, 1):
        begin, bias = start.weights[:, 0].astype(np.float64), float(start.bias[0])
    weights, bias = fit_scores(vectors, targets, kind, begin, bias)
    own = weights[:, None].astype(np.float32)
    return Head(kind, labels, own, np.array([bias], np.float32), np.zeros(width, np.float32))


def _features(vectors: Floats, centre: Floats, kind: Kind) -> Floats:
    """What a head of this kind reads of the vectors (n, d), with the constant that carries the
    bias, (n, d + 1)."""
    constant = np.full((len(vectors), 1), CONSTANT[kind], np.float32)
    return np.hstack([_read(vectors, centre, as_it_is=kind in AS_IT_IS), constant])


def _theta(head: Head, constant: float) -> Floats:
    """The head's weights (d + 1, c) of features with this constant at the end, which carries the
    bias; 0 carries none."""
    return np.vstack([head.weights, head.bias / constant if constant else head.bias])
