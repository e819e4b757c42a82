"""Logistic regression with an L2 penalty, for a few labels or thousands on the same features."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import cholesky, qr, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit, logsumexp, softmax

from model.types import EXCLUSIVE, Floats, Ints, Kind

GROUP = 128
"""Labels of `multiple` that are fitted together."""

FIRST_STEPS, MOST_STEPS = 10, 200
"""From nothing, so many steps are taken before the curvature is looked at again."""

SETTLED = 1e-4
"""A label of `multiple` whose loss is at most so much above its minimum is not fitted again."""

LossAndError = tuple[float, Floats]


def fit_logistic(features: Floats, targets: Floats, kind: Kind, l2: float, start: Floats) -> Floats:
    """The weights (d, c) of least loss plus l2 / 2 times their squares, by L-BFGS.

    features (m, d); targets (m, c): 0 and 1, or how much an example counts in place of 1; softmax
    for exclusive labels, one sigmoid a label for `multiple`; start (d, c): where to begin.
    """
    features, targets = features.astype(np.float64), targets.astype(np.float64)
    if len(features) < features.shape[1]:
        # The best weights are sums of examples (the representer theorem): look for them there.
        basis, inner = qr(features.T, mode="economic", check_finite=False)
        features, start = inner.T, basis.T @ start
        weights: Floats = basis @ _fit(features, targets, kind, l2, start)
        return weights
    return _fit(features, targets, kind, l2, start)


def _fit(features: Floats, targets: Floats, kind: Kind, l2: float, start: Floats) -> Floats:
    weights = start.copy()
    for columns in _groups(targets, kind, _unsettled(features, targets, kind, l2, start)):
        wanted, found = np.ascontiguousarray(targets[:, columns]), start[:, columns]
        for steps in (MOST_STEPS,) if found.any() else (FIRST_STEPS, MOST_STEPS):
            found = _nearer(features, wanted, kind, l2, found, steps)
        weights[:, columns] = found
    return weights


def _unsettled(features: Floats, targets: Floats, kind: Kind, l2: float, start: Floats) -> Ints:
    """The columns whose start is not good enough yet. After one label more, most labels of a
    taxonomy are where they were, and are not looked at again.

    The loss is at least l2 curved in all directions, so it is at most |gradient|^2 / (2 l2) above
    its minimum.
    """
    columns = np.arange(targets.shape[1])
    if kind in EXCLUSIVE or not start.any():
        return columns
    _, error = LOSSES[kind](features @ start, targets)
    gradient = features.T @ error + l2 * start
    result: Ints = columns[(gradient**2).sum(axis=0) > 2.0 * l2 * SETTLED]
    return result


def _groups(targets: Floats, kind: Kind, columns: Ints) -> list[Ints]:
    """Columns that are fitted together. Labels of `multiple` do not depend on each other; the many
    rare ones of a taxonomy are done in a few steps, and need not wait for the frequent ones."""
    if kind in EXCLUSIVE or len(columns) <= GROUP:
        return [columns] if len(columns) else []
    by_frequency = columns[np.argsort(-targets[:, columns].sum(axis=0), kind="stable")]
    return np.array_split(by_frequency, -(-len(columns) // GROUP))


def _nearer(
    features: Floats, targets: Floats, kind: Kind, l2: float, start: Floats, steps: int
) -> Floats:
    """The weights of one group of labels after so many steps, or at the minimum.

    L-BFGS takes a fifth to a half of the steps where the loss is about equally curved in all
    directions, so it works on `inner` = factor' weights, in which the mean of the labels'
    Hessians at the start is the identity: factor factor' = features' curvature features + l2.
    """
    loss_of, curvature = LOSSES[kind], _curvature(features, targets, kind, start)
    hessian = features.T @ (curvature * features) + l2 * np.eye(features.shape[1])
    factor = cholesky(hessian, lower=True, check_finite=False)
    seen = solve_triangular(factor, features.T, lower=True, check_finite=False)

    def loss_and_gradient(flat: Floats) -> tuple[float, Floats]:
        inner = flat.reshape(start.shape)
        logits = seen.T @ inner
        loss, error = loss_of(logits, targets)
        # l2 |weights|^2 = |inner|^2 - logits' curvature logits, by the definition of the factor.
        curved = curvature * logits
        penalty = float(np.vdot(inner, inner)) - float(np.vdot(logits, curved))
        gradient: Floats = seen @ (error - curved) + inner
        return loss + 0.5 * penalty, gradient.ravel()

    found = minimize(
        loss_and_gradient,
        (factor.T @ start).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": steps, "ftol": 1e-8, "maxcor": 5},
    )
    inner = found.x.reshape(start.shape)
    weights: Floats = solve_triangular(factor, inner, lower=True, trans="T", check_finite=False)
    return weights


def _curvature(features: Floats, targets: Floats, kind: Kind, weights: Floats) -> Floats:
    """The second derivative (m, 1) of each example's loss by a logit, the mean over the labels. By
    no weights an example has each label with the label's share."""
    counts = targets.sum(axis=1, keepdims=True) if kind in EXCLUSIVE else np.ones((len(targets), 1))
    probs = targets.sum(axis=0, keepdims=True) / max(float(counts.sum()), 1.0)
    if weights.any():
        logits = features @ weights
        probs = softmax(logits, axis=1) if kind in EXCLUSIVE else expit(logits)
    result: Floats = (probs * (1.0 - probs)).mean(axis=1, keepdims=True) * counts
    return result


def _softmax_loss(logits: Floats, targets: Floats) -> LossAndError:
    """The loss, and its gradient (m, c) by the logits."""
    counts = targets.sum(axis=1, keepdims=True)
    log_probs = logits - logsumexp(logits, axis=1, keepdims=True)
    return -float(np.vdot(targets, log_probs)), counts * np.exp(log_probs) - targets


def _sigmoid_loss(logits: Floats, targets: Floats) -> LossAndError:
    """The loss, and its gradient (m, c) by the logits."""
    small = np.exp(-np.abs(logits))
    log_partition = np.maximum(logits, 0.0) + np.log1p(small)
    probs = np.where(logits >= 0.0, 1.0, small) / (1.0 + small)
    return float(log_partition.sum() - np.vdot(targets, logits)), probs - targets


LOSSES: dict[Kind, Callable[[Floats, Floats], LossAndError]] = {
    "single": _softmax_loss,
    "ordered": _softmax_loss,
    "multiple": _sigmoid_loss,
}
