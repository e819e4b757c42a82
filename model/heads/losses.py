"""The losses of logistic regression and their gradients, of labels and of evidence for them."""

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logsumexp

from model.types import EXCLUSIVE, Floats, Kind

LossAndError = tuple[float, Floats]


def certainty(log_likelihoods: Floats, kind: Kind) -> Floats:
    """About how much evidence (v, c) says of the labels, in [0, 1]: (v, 1) for exclusive labels,
    (v, c) for `multiple`. 0 if all labels explain it as well."""
    if kind in EXCLUSIVE:
        result: Floats = -np.expm1(-np.ptp(log_likelihoods, axis=1, keepdims=True))
    else:
        result = -np.expm1(-np.abs(log_likelihoods))
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


def _softmax_evidence(logits: Floats, evidence: Floats) -> tuple[Floats, Floats]:
    """The losses (v, 1) of examples that are known in part, and their gradient (v, c) by the
    logits."""
    explained = logits + evidence
    before = logsumexp(logits, axis=1, keepdims=True)
    after = logsumexp(explained, axis=1, keepdims=True)
    return before - after, np.exp(logits - before) - np.exp(explained - after)


def _sigmoid_evidence(logits: Floats, evidence: Floats) -> tuple[Floats, Floats]:
    """The same, label by label, with losses (v, c)."""
    explained = logits + evidence
    losses = np.logaddexp(0.0, logits) - np.logaddexp(0.0, explained)
    return losses, expit(logits) - expit(explained)


EVIDENCE_LOSSES: dict[Kind, Callable[[Floats, Floats], tuple[Floats, Floats]]] = {
    "single": _softmax_evidence,
    "ordered": _softmax_evidence,
    "pair": _softmax_evidence,
    "multiple": _sigmoid_evidence,
}


LOSSES: dict[Kind, Callable[[Floats, Floats], LossAndError]] = {
    "single": _softmax_loss,
    "ordered": _softmax_loss,
    "pair": _softmax_loss,
    "multiple": _sigmoid_loss,
}
