"""Items that arrive all the time: each is kept for people, or passed by, at once.

Variable uncertainty with a split (Zliobaite, Bifet, Pfahringer & Holmes 2014,
doi:10.1109/TNNLS.2012.2236570). Where the paper moves its threshold by a step with each item, ours
is a quantile of the newest priorities: it is right from the first item on, has no step to tune, and
keeps the rate that is asked for.
"""

from dataclasses import dataclass

import numpy as np

from model.choosing.audit import STREAM_LOT, draw, in_reserve
from model.types import Bools, Floats, Ints

WINDOW = 1000
"""Priorities that the threshold is a quantile of, the newest ones."""

SPLIT_SHARE = 0.1
"""Of what is no audit item, this share is kept or passed by at random: what changes where the model
is sure would never be seen otherwise."""


@dataclass(frozen=True)
class Arrivals:
    """Items in the order in which they arrive: their tickets (n,), and their priorities (n,), NaN
    where there is none yet, because there is no head or the item has no vector."""

    tickets: Ints
    priorities: Floats


def kept(arrivals: Arrivals, recent: Floats, rate: float, audit_share: float, seed: int) -> Bools:
    """Which (n,) of these items are kept for people.

    recent (m,): the newest priorities before these, see `remembered`; rate: the share of all that
    arrives that is to be kept, in [0, 1], the nearest of these for anything else.

    Each item is kept with the probability `rate` as long as the priorities come from one
    distribution, however many items arrive at once. Audit items are kept in the order of their lot,
    so that those kept are a uniform sample of all that arrives; SPLIT_SHARE of the others, and what
    has no priority, at random; the rest where its priority is above the (1 - rate) quantile of
    `recent` and of these items together, by lot where it equals that.
    """
    rate = min(max(rate, 0.0), 1.0)
    is_audit = in_reserve(arrivals.tickets, audit_share, seed)
    audit_kept = in_reserve(arrivals.tickets, audit_share * rate, seed)
    lots = draw(arrivals.tickets, seed + STREAM_LOT)
    at_random = lots < SPLIT_SHARE * rate
    # The lots that are left are uniform in [SPLIT_SHARE, 1).
    chances = _chances(arrivals.priorities, recent, rate)
    wanted = (lots >= SPLIT_SHARE) & (lots < SPLIT_SHARE + (1.0 - SPLIT_SHARE) * chances)
    result: Bools = np.where(is_audit, audit_kept, at_random | wanted)
    return result


def remembered(recent: Floats, priorities: Floats) -> Floats:
    """The window after these priorities: the newest WINDOW finite ones (at most WINDOW,), the
    oldest first."""
    return _known(recent, priorities)[-WINDOW:]


def _chances(priorities: Floats, recent: Floats, rate: float) -> Floats:
    """The probability (n,) with which each is kept: 1 above the threshold, 0 below it, and in
    between for what equals it, so that their sum over all known priorities is `rate` of these."""
    known = np.sort(_known(recent, priorities))
    chances = np.full(len(priorities), rate, dtype=np.float64)
    rows = np.flatnonzero(np.isfinite(priorities))
    not_above = np.searchsorted(known, priorities[rows], side="right")
    below = np.searchsorted(known, priorities[rows], side="left")
    above = len(known) - not_above
    chances[rows] = np.clip((rate * len(known) - above) / (not_above - below), 0.0, 1.0)
    return chances


def _known(recent: Floats, priorities: Floats) -> Floats:
    both = np.concatenate([recent, priorities])
    result: Floats = both[np.isfinite(both)]
    return result
