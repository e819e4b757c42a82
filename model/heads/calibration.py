"""Calibration: probabilities that mean what they say, learnt from the audit labels.

The audit labels are few, so the fits are maximum a posteriori with Gaussian priors at "no change":
with no labels nothing changes, with five hardly anything, with hundreds the labels decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from model.heads.head import Head
from model.heads.lists import ABSENT, comparable
from model.types import EXCLUSIVE, INDEPENDENT, OF_LISTS, Bools, Floats, Kind

SCALE_SPREAD = 0.15
"""Prior standard deviation of the common scale's logarithm. Heads on a fine-tuned encoder are
more overconfident than those on a frozen one: wide enough for the former, safe for the latter.

Means on held-out texts, 50 to 500 labels, a tenth of them for audit. Fine-tuned (eight sets, from
67 labels on): the calibration error falls from .073 to .061 for `single` and from .033 to .025 for
`multiple` (with 0.1 to .065 and .028). Frozen (six sets): error and log-loss fall at every size;
with 0.2 the error of `single` no longer falls at 200 labels."""

LABEL_SPREAD = 0.1
"""Prior standard deviation of each label's own deviation from the common logarithm."""

SHIFT_SPREAD = 0.3
"""Prior standard deviation of each label's shift, in logits."""

BINS = 15
FOLDS = 5


@dataclass(frozen=True)
class Calibration:
    """Calibrated logits are `scale * logits + shift`: scale (c,), positive, and shift (c,)."""

    scale: Floats
    shift: Floats

    def logits(self, logits: Floats) -> Floats:
        """Logits (n, c) to calibrated logits (n, c)."""
        return logits * self.scale + self.shift


def fit_calibration(logits: Floats, targets: Bools | Floats, kind: Kind) -> Calibration:
    """Fit on examples that the head has not learnt from: logits and targets (0 or 1), both (n, c).

    `single`: one temperature for all labels (Guo et al. 2017, arXiv:1706.04599); the order of the
    labels stays. `multiple`: a scale and a shift a label (Platt 1999, "Probabilistic outputs for
    support vector machines"), the scales drawn towards a common one. Of lists, one scale and, where
    each candidate is chosen for itself, one shift for all labels, of shape (1,).
    """
    if kind in OF_LISTS:
        return _fit_lists(logits.astype(np.float64), np.asarray(targets, np.float64), kind)
    fit = _fit_single if kind in EXCLUSIVE else _fit_multiple
    return fit(logits.astype(np.float64), np.asarray(targets, dtype=np.float64))


def calibrated(head: Head, calibration: Calibration) -> Head:
    """The head whose logits are the calibrated ones: a linear head takes scale and shift in."""
    weights = head.weights * calibration.scale
    bias = head.bias * calibration.scale + calibration.shift
    kept = head.weights.dtype
    return replace(head, weights=weights.astype(kept), bias=bias.astype(kept))


def expected_calibration_error(
    probs: Floats, truth: Bools, kind: Kind, bins: int = BINS
) -> float | None:
    """Mean distance between what is claimed and what is true, over `bins` equal bins of [0, 1].

    `single`: the probability of the likeliest label against how often it is right (Guo et al.
    2017); `multiple`: the probability of each label against how often it is true, all labels
    together. probs and truth (n, c). In [0, 1]; None without examples. Few examples overstate it:
    ten perfectly calibrated ones of the single kind show about 0.3.
    """
    if len(probs) == 0:
        return None
    claimed, is_true = _claims(probs, truth, kind)
    places = np.minimum((claimed * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(places, weights=is_true - claimed, minlength=bins)
    return float(np.abs(gaps).sum() / len(claimed))


def cross_fitted_probs(logits: Floats, truth: Bools, kind: Kind, seed: int) -> Floats:
    """Calibrated probabilities (n, c), each example's by a fit on the others: what is measured on
    examples that the calibration has seen flatters it. logits and truth (n, c); one example alone
    stays as it is.
    """
    result = logits.astype(np.float64)
    if len(logits) > 1:
        for fold in _folds(len(logits), seed):
            calibration = fit_calibration(logits[~fold], truth[~fold], kind)
            result[fold] = calibration.logits(logits[fold])
    probs: Floats = softmax(result, axis=1) if kind in EXCLUSIVE else expit(result)
    return probs


def _folds(n: int, seed: int) -> Iterator[Bools]:
    """Each of n examples in one of FOLDS random folds of equal size: which ones (n,)."""
    # The folds that KFold of sklearn draws, without the second that it takes to load.
    drawn = np.random.RandomState(seed).permutation(n)
    for rows in np.array_split(drawn, min(FOLDS, n)):
        yield np.isin(np.arange(n), rows)


def _fit_single(logits: Floats, targets: Floats) -> Calibration:
    def loss_and_gradient(log_scale: Floats) -> tuple[float, Floats]:
        scaled = logits * np.exp(log_scale)
        loss = -float((targets * log_softmax(scaled, axis=1)).sum())
        slope = ((softmax(scaled, axis=1) - targets) * scaled).sum()
        prior = log_scale / SCALE_SPREAD**2
        return loss + 0.5 * float(log_scale @ prior), slope + prior

    log_scale = minimize(loss_and_gradient, np.zeros(1), jac=True, method="L-BFGS-B").x
    c = logits.shape[1]
    return Calibration(np.full(c, np.exp(log_scale[0])), np.zeros(c))


def _fit_multiple(logits: Floats, targets: Floats) -> Calibration:
    c = logits.shape[1]
    spreads = np.concatenate([[SCALE_SPREAD], np.full(c, LABEL_SPREAD), np.full(c, SHIFT_SPREAD)])

    def loss_and_gradient(flat: Floats) -> tuple[float, Floats]:
        common, own, shift = flat[0], flat[1 : c + 1], flat[c + 1 :]
        scaled = logits * np.exp(common + own)
        shifted = scaled + shift
        loss = float((np.logaddexp(0.0, shifted) - targets * shifted).sum())
        error = expit(shifted) - targets
        of_scales = (error * scaled).sum(axis=0)
        slope = np.concatenate([[of_scales.sum()], of_scales, error.sum(axis=0)])
        prior = flat / spreads**2
        return loss + 0.5 * float(flat @ prior), slope + prior

    flat = minimize(loss_and_gradient, np.zeros(2 * c + 1), jac=True, method="L-BFGS-B").x
    return Calibration(np.exp(flat[0] + flat[1 : c + 1]), flat[c + 1 :])


def _fit_lists(logits: Floats, targets: Floats, kind: Kind) -> Calibration:
    """What is said of no candidate or left open by an answer tells nothing."""
    if kind in EXCLUSIVE:
        found = _fit_single(logits, targets)
        return Calibration(found.scale[:1], found.shift[:1])
    known = (logits > ABSENT) & comparable(targets > 0, kind)
    # Of an order, both directions of each pair are known, so that the shift is 0.
    return _fit_multiple(logits[known][:, None], targets[known][:, None])


def _claims(probs: Floats, truth: Bools, kind: Kind) -> tuple[Floats, Bools]:
    """What is claimed, as a probability, and whether it is true: two arrays of the same length."""
    if kind in INDEPENDENT:
        return probs.ravel(), truth.ravel()
    likeliest = probs.argmax(axis=1)[:, None]
    claimed: Floats = np.take_along_axis(probs, likeliest, axis=1).ravel()
    return claimed, np.take_along_axis(truth, likeliest, axis=1).ravel()
