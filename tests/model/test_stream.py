"""What is kept of a stream: exact values, and shares within the bounds of their binomials."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.choosing.audit import STREAM_LOT, draw, in_reserve
from model.choosing.stream import SPLIT_SHARE, WINDOW, Arrivals, kept, remembered
from model.types import Bools, Floats, Ints

NOTHING: Floats = np.zeros(0)
SHARE = 0.1
RATES = [0.01, 0.06, 0.3, 0.9]


def chosen_by_priority(tickets: Ints, seed: int) -> Bools:
    """Which items are neither audit items nor decided at random."""
    lots = draw(tickets, seed + STREAM_LOT)
    return np.asarray(~in_reserve(tickets, SHARE, seed) & (lots >= SPLIT_SHARE))


def played(tickets: Ints, priorities: Floats, rate: float, size: int, seed: int = 3) -> Bools:
    """What is kept of items that arrive `size` at a time."""
    found, recent = list[Bools](), NOTHING
    for start in range(0, len(tickets), size):
        arrivals = Arrivals(tickets[start : start + size], priorities[start : start + size])
        found.append(kept(arrivals, recent, rate, SHARE, seed))
        recent = remembered(recent, arrivals.priorities)
    return np.concatenate(found)


def is_share(which: Bools, rate: float) -> bool:
    """Whether so many are kept, up to five standard deviations of a binomial."""
    bound = 5.0 * np.sqrt(len(which) * rate * (1.0 - rate))
    return bool(abs(which.sum() - len(which) * rate) <= bound)


@pytest.mark.parametrize(
    ("rate", "size"), [(0.06, 1), *((rate, size) for rate in RATES for size in (10, 10_000))]
)
def test_the_rate_is_kept_however_many_arrive_at_once(rate: float, size: int) -> None:
    """One item at a time, too, and from the first one on, when nothing is remembered."""
    tickets, priorities = np.arange(10_000), np.random.default_rng(0).random(10_000)
    which = played(tickets, priorities, rate, size)
    assert is_share(which, rate)
    assert is_share(which[:500], rate)
    for part in (in_reserve(tickets, SHARE, 3), chosen_by_priority(tickets, 3)):
        assert is_share(which[part], rate)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("priority", [0.25, np.nan, -np.inf])
def test_equal_priorities_and_missing_ones_are_decided_by_lot(rate: float, priority: float) -> None:
    """A threshold that all of them equal kept everything, or nothing."""
    tickets, priorities = np.arange(10_000), np.full(10_000, priority)
    which = played(tickets, priorities, rate, 50)
    assert is_share(which, rate)
    assert is_share(which[chosen_by_priority(tickets, 3)], rate)


def test_what_is_above_the_quantile_is_kept_and_what_equals_it_in_part() -> None:
    """Of the window and the batch, ten together, three are above .5; of the five that equal it,
    one more is to be kept: two tenths of these."""
    every = np.arange(2000)
    tickets = every[chosen_by_priority(every, 3)]
    lots = (draw(tickets, 3 + STREAM_LOT) - SPLIT_SHARE) / (1.0 - SPLIT_SHARE)
    recent = np.array([0.9, 0.9, 0.5, 0.5, 0.5, 0.5, 0.1])
    for ticket, lot in zip(tickets[:200], lots[:200], strict=True):
        others = tickets[tickets != ticket][:2]
        arrivals = Arrivals(np.array([others[0], ticket, others[1]]), np.array([0.9, 0.5, 0.1]))
        assert kept(arrivals, recent, 0.4, SHARE, 3).tolist() == [True, lot < 0.2, False]


def test_the_highest_of_a_batch_are_kept_and_the_window_decides_how_many() -> None:
    every = np.arange(2000)
    tickets = every[chosen_by_priority(every, 3)][:100]
    priorities = np.random.default_rng(0).permutation(100) / 100
    for recent, expected in ((NOTHING, 80), (np.full(100, -1.0), 60), (np.full(400, 2.0), 100)):
        which = kept(Arrivals(tickets, priorities), recent, 0.2, SHARE, 3)
        assert which.tolist() == (priorities >= expected / 100).tolist()


@pytest.mark.parametrize("size", [1, 7, 100])
def test_what_is_random_depends_on_nothing_but_the_ticket(size: int) -> None:
    """Audit items would be no uniform sample if what arrives beside them decided, too."""
    rng = np.random.default_rng(1)
    tickets = np.arange(1000)
    some = ~chosen_by_priority(tickets, 3)
    expected = played(tickets, np.full(1000, np.nan), 0.3, 1000)
    for order in (tickets, rng.permutation(1000)):
        which = played(order, rng.random(1000), 0.3, size)
        assert which[some[order]].tolist() == expected[order][some[order]].tolist()


def test_audit_items_come_in_the_order_of_their_lot() -> None:
    """At a higher rate those of a lower one stay, and others follow with the next lots."""
    tickets = np.arange(5000)
    lots = draw(tickets, 3)
    arrivals = Arrivals(tickets, np.random.default_rng(0).random(5000))
    for rate in RATES:
        which = kept(arrivals, NOTHING, rate, SHARE, 3)
        audits = in_reserve(tickets, SHARE, 3)
        assert which[audits].tolist() == (lots[audits] < SHARE * rate).tolist()


@given(
    st.lists(st.sampled_from([0.0, 0.25, 1.0, float("nan")]), max_size=30),
    st.lists(st.floats(0.0, 1.0), max_size=30),
    st.integers(0, 2**32),
    st.floats(0.0, 1.0),
)
@settings(deadline=None)
def test_rate_one_keeps_all_and_rate_zero_nothing(
    priorities: list[float], recent: list[float], seed: int, audit_share: float
) -> None:
    arrivals = Arrivals(np.arange(len(priorities)), np.array(priorities))
    for rate, expected in ((0.0, False), (-1.0, False), (1.0, True), (3.0, True)):
        which = kept(arrivals, np.array(recent), rate, audit_share, seed)
        assert which.tolist() == [expected] * len(priorities)


def test_the_threshold_follows_priorities_that_fall() -> None:
    """A head that learns becomes surer of all items; with a fixed threshold nothing was kept."""
    tickets, rng = np.arange(20_000), np.random.default_rng(0)
    priorities = rng.random(20_000) * np.where(tickets < 10_000, 1.0, 0.1)
    which = played(tickets, priorities, 0.1, 10)
    # The window is full of the new ones after 1,000.
    assert is_share(which[11_000:], 0.1)
    assert which[10_000:11_000].sum() < 100


def test_the_newest_finite_priorities_are_remembered() -> None:
    recent = remembered(NOTHING, np.array([0.1, np.nan, 0.2, np.inf]))
    assert recent.tolist() == [0.1, 0.2]
    assert remembered(recent, NOTHING).tolist() == [0.1, 0.2]
    assert remembered(NOTHING, NOTHING).tolist() == []
    many = remembered(recent, np.arange(WINDOW - 1.0))
    assert many.tolist() == [0.2, *np.arange(WINDOW - 1.0)]
