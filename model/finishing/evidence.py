"""How many errors among how many audit labels prove a precision, looked at after every label.

A test martingale: the probability of what was seen under a mixture of error rates, divided by its
probability under the hypothesis that the promise is false (Waudby-Smith & Ramdas 2020, "Confidence
sequences for sampling without replacement", arXiv:2006.04347). By Ville's inequality it exceeds
1 / (1 - confidence) with probability 1 - confidence at most, at whatever moment one looks: people
look at the status page after each label and stop when it pleases them, for which a bound of a fixed
number of labels (Clopper & Pearson 1934) does not hold. The price: 59 labels without an error prove
a precision of .95 with a confidence of .9, where a single look would need 45.
"""

import numpy as np
from scipy.special import betaln, gammaln

from model.types import Bools, Floats, Ints

EXPECTED_SHARE = 1.0 / 3.0
"""The mixture expects as many errors as this share of those that the goal allows."""

PRECISIONS = np.arange(0.999, 0.0, -0.001)
"""Where a lower bound is looked for."""


def log_evidence(
    errors: Floats | Ints,
    sample: Floats | Ints,
    rest: Floats | Ints,
    goal: Floats | float,
    taken: Floats | Ints | int = 0,
) -> Floats:
    """The logarithm of the evidence that of `rest` tasks at least the share `goal` is right.

    Of `sample + taken + rest` tasks, `sample` were drawn at random without replacement and `errors`
    of them were wrong; `taken` were taken out by people for whatever reason, so that none of them
    may have been wrong. All may be arrays of the same shape, errors also fractions, goal in (0, 1).
    -inf where the sample speaks against the goal. A promise that covers no task (rest 0) is proved:
    inf.
    """
    k, n, m = (np.asarray(one, dtype=np.float64) for one in (errors, sample, rest))
    total = n + m + np.asarray(taken, dtype=np.float64)
    allowed = 1.0 - np.asarray(goal, dtype=np.float64)
    # The fewest errors among all with which the promise would be false.
    least = k + np.floor(allowed * m + 1e-9) + 1.0
    found = _log_mixture(k, n, allowed) - _log_likelihood(k, n, total, least)
    is_against = k * total >= least * n
    found = np.where((n == 0) | is_against, -np.inf, found)
    result: Floats = np.where(least - k > m, np.inf, found)
    return result


def is_proved(
    errors: Floats | Ints,
    sample: Floats | Ints,
    rest: Floats | Ints,
    goal: Floats | float,
    confidence: float,
    taken: Floats | Ints | int = 0,
) -> Bools:
    """Whether the precision `goal` may be promised with this confidence, see `log_evidence`."""
    result: Bools = log_evidence(errors, sample, rest, goal, taken) >= -np.log(1.0 - confidence)
    return result


def lower_bound(errors: int, sample: int, rest: int, confidence: float, taken: int = 0) -> float:
    """The highest precision that is proved, in steps of .001; 0 where none is."""
    goals = PRECISIONS
    ones = np.ones(len(goals))
    proved = is_proved(
        errors * ones, (sample * ones).astype(np.int64), rest * ones, goals, confidence, taken
    )
    return float(round(goals[proved.argmax()], 3)) if proved.any() else 0.0


def errors_allowed(
    sample: Ints, rest: Ints, goal: float, confidence: float, taken: Ints | int = 0
) -> Ints:
    """The most errors (n,) with which each sample (n,) proves the goal; -1 where not even none
    does."""
    sample, rest = np.asarray(sample), np.asarray(rest)
    most = int(np.max(sample, initial=0) * (1.0 - goal)) + 1
    errors = np.arange(most + 1)[:, None] * np.ones(len(sample))
    gone = np.broadcast_to(taken, sample.shape)[None, :]
    proved = is_proved(errors, sample[None, :], rest[None, :], goal, confidence, gone)
    # A finite rest is counted in whole tasks; more errors never prove more.
    result: Ints = np.cumprod(proved, axis=0, dtype=np.int64).sum(axis=0) - 1
    return result


def _log_mixture(errors: Floats, sample: Floats, allowed: Floats) -> Floats:
    """The probability of one order of right and wrong answers, error rates drawn from
    Beta(1, b)."""
    b = 1.0 / (EXPECTED_SHARE * allowed) - 1.0
    result: Floats = betaln(1.0 + errors, b + sample - errors) - betaln(1.0, b)
    return result


def _log_likelihood(errors: Floats, sample: Floats, total: Floats, wrong: Floats) -> Floats:
    """The same where `wrong` of all `total` tasks are wrong, drawn without replacement."""
    with np.errstate(invalid="ignore"):
        result: Floats = _log_choose(total - sample, wrong - errors) - _log_choose(total, wrong)
    return result


def _log_choose(n: Floats, k: Floats) -> Floats:
    result: Floats = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(np.maximum(n - k, 0.0) + 1.0)
    return result
