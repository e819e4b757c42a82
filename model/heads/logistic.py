"""Logistic regression with an L2 penalty, for a few labels or thousands on the same features."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cholesky, qr, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit, softmax

from model.heads.losses import EVIDENCE_LOSSES, LOSSES, LossAndError, certainty
from model.types import EXCLUSIVE, Floats, Ints, Kind

GROUP = 128
"""Labels of `multiple` that are fitted together."""

FIRST_STEPS, MOST_STEPS = 10, 200
"""From zero weights, this many steps are taken before the curvature is computed again."""

SETTLED = 1e-4
"""A label of `multiple` whose loss is at most this far above its minimum is not fitted again."""

MOST_TURNS, SETTLED_SHARE = 5, 0.05
"""With too many labels to fit together, their weights and the share of a `Prior` are fitted in
turn, at most this many times, until the share moves by less than this."""

SHARE_SPREAD = 2.0
"""Prior standard deviation of the share of a `Prior`, whose mean is 1. Shuffled names of TREC-6's
labels keep a share of .02 after ten labels with 2, .4 with 0.5; true ones are as good with both."""


@dataclass(frozen=True)
class Evidence:
    """Examples whose labels are known only in part.

    features (v, d); log_likelihoods (v, c): how each label would explain what is known, for
    exclusive labels up to a constant a row, for `multiple` the logarithm of the ratio between
    having the label and not having it; zeros say nothing. weights (v,): how much each example
    counts, 1 as much as a labelled one.
    """

    features: Floats
    log_likelihoods: Floats
    weights: Floats


@dataclass(frozen=True)
class Prior:
    """What is believed before any example: `share` times these weights (d, c).

    How much of it holds is one number for all labels, at least 0, and found with the fit. Where it
    does not begin with 1 it is that of an earlier fit.
    """

    weights: Floats
    share: float = 1.0


def fit_logistic(
    features: Floats,
    targets: Floats,
    kind: Kind,
    l2: float,
    start: Floats,
    prior: Prior | None = None,
    *,
    evidence: Evidence | None = None,
) -> tuple[Floats, float]:
    """The weights (d, c) of least loss plus l2 / 2 times their squares, by L-BFGS, and the share of
    the prior in them, 0.0 without one.

    features (m, d); targets (m, c): 0 and 1, or how much an example counts instead of 1; softmax
    for exclusive labels, one sigmoid a label for `multiple`; start (d, c): where to begin.

    With a prior the squares are those of the weights' distance from `share` times its weights. The
    share is the most probable one together with the weights, by a normal distribution of mean 1 and
    SHARE_SPREAD before any example: a generalised linear mixed model, fitted by its penalised
    likelihood (Breslow & Clayton 1993, doi:10.1080/01621459.1993.10594284).

    Evidence counts by how probable the head makes it: -log of the sum over the labels of
    probability times likelihood (Raykar et al. 2010, "Learning From Crowds",
    https://jmlr.org/papers/v11/raykar10a.html).
    """
    features, targets = features.astype(np.float64), targets.astype(np.float64)
    partly = evidence or Evidence(features[:0], targets[:0], np.zeros(0))
    if len(partly.features):  # a copy of thousands of rows takes as long as some steps
        features = np.vstack([features, partly.features])
    believed: Floats = np.zeros(start.shape) if prior is None else prior.weights.astype(np.float64)
    share = 0.0 if prior is None else prior.share
    logits = features @ believed if prior else None
    weights = partly.weights[:, None].astype(np.float64)
    likely = partly.log_likelihoods.astype(np.float64)
    problem = _Problem(features, targets, likely, weights, kind, l2, logits)
    own: Floats = start - share * believed
    if len(features) < features.shape[1]:
        # The best weights are sums of examples (the representer theorem): look for them there.
        basis, inner = qr(features.T, mode="economic", check_finite=False)
        own, share = _fit(replace(problem, features=inner.T), basis.T @ own, share)
        own = basis @ own
    else:
        own, share = _fit(problem, own, share)
    return own + share * believed, share


@dataclass(frozen=True)
class _Problem:
    """features (m + v, d) of m examples with targets (m, c) and of v with evidence (v, c) and
    weights (v, 1), and the logits (m + v, c) of the prior with a share of 1, None without a
    prior."""

    features: Floats
    targets: Floats
    evidence: Floats
    weights: Floats
    kind: Kind
    l2: float
    said: Floats | None

    def logits(self, own: Floats, share: float) -> Floats:
        """By `own` weights (d, c) and the share of the prior."""
        result: Floats = self.features @ own
        return result if self.said is None else result + share * self.said

    def loss(self, logits: Floats) -> LossAndError:
        loss, error = LOSSES[self.kind](logits[: len(self.targets)], self.targets)
        if len(self.evidence) == 0:
            return loss, error
        losses, others = EVIDENCE_LOSSES[self.kind](logits[len(self.targets) :], self.evidence)
        more = float((self.weights * losses).sum())
        return loss + more, np.vstack([error, self.weights * others])

    def of(self, columns: Ints) -> "_Problem":
        """The same problem for some of the labels."""
        targets = np.ascontiguousarray(self.targets[:, columns])
        evidence = np.ascontiguousarray(self.evidence[:, columns])
        said = None if self.said is None else np.ascontiguousarray(self.said[:, columns])
        return replace(self, targets=targets, evidence=evidence, said=said)


def _fit(problem: _Problem, start: Floats, share: float) -> tuple[Floats, float]:
    """Own weights and share."""
    if problem.said is None:
        return _refitted(problem, start, 0.0), 0.0
    if problem.kind in EXCLUSIVE or start.shape[1] <= GROUP:
        return _jointly(problem, start, share)
    own, before = start, -1.0
    for _ in range(MOST_TURNS):
        share = _best_share(problem, own, problem.said, share)
        own = _refitted(problem, own, share)
        if abs(share - before) <= SETTLED_SHARE:
            break
        before = share
    return own, share


def _jointly(problem: _Problem, start: Floats, share: float) -> tuple[Floats, float]:
    """Own weights and share of labels that are few enough to be fitted together."""
    own, found = _at_minimum(problem, start, share, True)
    if found >= 0.0:
        return own, found
    return _at_minimum(problem, start, 0.0, False)  # a misleading prior is dropped, not reversed


def _refitted(problem: _Problem, start: Floats, share: float) -> Floats:
    """Own weights given this share of the prior; only columns whose start is not good enough
    change."""
    own = start.copy()
    for some in _groups(problem, _unsettled(problem, start, share)):
        own[:, some], _ = _at_minimum(problem.of(some), start[:, some], share, False)
    return own


def _at_minimum(
    problem: _Problem, own: Floats, share: float, is_joint: bool
) -> tuple[Floats, float]:
    for steps in (MOST_STEPS,) if own.any() else (FIRST_STEPS, MOST_STEPS):
        own, share = _nearer(problem, own, share, steps, is_joint)
    return own, share


def _best_share(problem: _Problem, own: Floats, said: Floats, share: float) -> float:
    """The most probable share of the prior, whose logits are `said`, given these weights."""
    fixed = problem.features @ own

    def loss_and_slope(flat: Floats) -> LossAndError:
        loss, error = problem.loss(fixed + flat[0] * said)
        less, slope = _of_share(float(flat[0]))
        return loss + less, np.array([float(np.vdot(error, said)) + slope])

    bounds = [(0.0, None)]
    found = minimize(loss_and_slope, [share], jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0])


def _of_share(share: float) -> tuple[float, float]:
    """What a share of the prior costs, and the slope of that."""
    distance = (share - 1.0) / SHARE_SPREAD
    return 0.5 * distance**2, distance / SHARE_SPREAD


def _unsettled(problem: _Problem, start: Floats, share: float) -> Ints:
    """The columns whose start is not good enough yet. After one label more, most labels of a
    taxonomy are where they were, and are not looked at again.

    The loss is at least l2 curved in all directions, so it is at most |gradient|^2 / (2 l2) above
    its minimum.
    """
    columns = np.arange(start.shape[1])
    if problem.kind in EXCLUSIVE or not start.any():
        return columns
    _, error = problem.loss(problem.logits(start, share))
    gradient = problem.features.T @ error + problem.l2 * start
    result: Ints = columns[(gradient**2).sum(axis=0) > 2.0 * problem.l2 * SETTLED]
    return result


def _groups(problem: _Problem, columns: Ints) -> list[Ints]:
    """Columns that are fitted together. Labels of `multiple` do not depend on each other; the many
    rare ones of a taxonomy are done in a few steps, and need not wait for the frequent ones."""
    if problem.kind in EXCLUSIVE or len(columns) <= GROUP:
        return [columns] if len(columns) else []
    frequency = problem.targets[:, columns].sum(axis=0)
    by_frequency = columns[np.argsort(-frequency, kind="stable")]
    return np.array_split(by_frequency, -(-len(columns) // GROUP))


def _nearer(
    problem: _Problem, start: Floats, share: float, steps: int, is_joint: bool
) -> tuple[Floats, float]:
    """The own weights of one group of labels after this many steps, or at the minimum, and the
    share of the prior, which is fitted with them if `is_joint`.

    L-BFGS takes a fifth to a half of the steps where the loss is about equally curved in all
    directions, so it works on `inner` = factor' weights, in which the mean of the labels'
    Hessians at the start is the identity: factor factor' = features' curvature features + l2.
    """
    features, said = problem.features, problem.said
    curvature = _curvature(problem, start, share)
    hessian = features.T @ (curvature * features) + problem.l2 * np.eye(features.shape[1])
    factor = cholesky(hessian, lower=True, check_finite=False)
    seen = solve_triangular(factor, features.T, lower=True, check_finite=False)
    # The share's own direction, as much curved as the others.
    width = 1.0
    if is_joint and said is not None:
        width = float(np.sqrt((curvature * said**2).sum() + SHARE_SPREAD**-2))

    def loss_and_gradient(flat: Floats) -> tuple[float, Floats]:
        inner, part = flat[:-1].reshape(start.shape), flat[-1] / width
        own = seen.T @ inner
        loss, error = problem.loss(own if said is None else own + part * said)
        # l2 |weights|^2 = |inner|^2 - logits' curvature logits, by the definition of the factor.
        curved = curvature * own
        penalty = float(np.vdot(inner, inner)) - float(np.vdot(own, curved))
        gradient: Floats = seen @ (error - curved) + inner
        slope = 0.0
        if is_joint and said is not None:
            less, slope = _of_share(part)
            loss, slope = loss + less, slope + float(np.vdot(error, said))
        return loss + 0.5 * penalty, np.append(gradient.ravel(), slope / width)

    found = minimize(
        loss_and_gradient,
        np.append((factor.T @ start).ravel(), share * width),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": steps, "ftol": 1e-8, "maxcor": 5},
    )
    inner = found.x[:-1].reshape(start.shape)
    weights: Floats = solve_triangular(factor, inner, lower=True, trans="T", check_finite=False)
    return weights, float(found.x[-1] / width)


def _curvature(problem: _Problem, own: Floats, share: float) -> Floats:
    """The second derivative (m, 1) of each example's loss by a logit, the mean over the labels. By
    no weights an example has each label with the label's share."""
    targets, kind = problem.targets, problem.kind
    counts = targets.sum(axis=1, keepdims=True) if kind in EXCLUSIVE else np.ones((len(targets), 1))
    probs = targets.sum(axis=0, keepdims=True) / max(float(counts.sum()), 1.0)
    if own.any() or problem.said is not None:
        logits = problem.logits(own, share)
        probs = softmax(logits, axis=1) if kind in EXCLUSIVE else expit(logits)
    elif len(targets) == 0:
        probs = np.full((1, targets.shape[1]), 1.0 / targets.shape[1])
    spread = np.broadcast_to(probs * (1.0 - probs), (len(problem.features), targets.shape[1]))
    known: Floats = spread[: len(targets)].mean(axis=1, keepdims=True) * counts
    if len(problem.evidence) == 0:
        return known
    partly = spread[len(targets) :] * problem.weights * certainty(problem.evidence, kind)
    return np.vstack([known, partly.mean(axis=1, keepdims=True)])
