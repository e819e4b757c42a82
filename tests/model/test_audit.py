import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.choosing.audit import at_random, by_lot, draw, in_reserve, interleave, mix
from model.types import Ints

SEEDS = st.integers(0, 2**32)


def ids(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("seed", "outputs"),
    [
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]),
        (1234567, [6457827717110365317, 3203168211198807973, 9817491932198370423]),
    ],
)
def test_draw_is_the_published_generator(seed: int, outputs: list[int]) -> None:
    """Task i gets output i of SplitMix64: membership must never change between releases."""
    expected = [(output >> 11) / 2**53 for output in outputs]
    assert draw(ids(0, 1, 2), seed).tolist() == expected


@pytest.mark.parametrize("most", [0, 1, 7, 50, 51, 1000])
def test_by_lot_come_the_lowest_draws_in_order(most: int) -> None:
    some = np.arange(100, 150)
    assert by_lot(some, most, 3).tolist() == np.argsort(draw(some, 3))[:most].tolist()


@given(SEEDS)
@settings(deadline=None)
def test_draw_is_uniform_over_consecutive_ids(seed: int) -> None:
    """Each tenth of [0, 1) gets a tenth of 2,000 ids, up to six standard deviations."""
    drawn = draw(np.arange(1, 2001), seed)
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    tenths = np.bincount((drawn * 10).astype(np.int64), minlength=10)
    assert np.abs(tenths - 200).max() < 80


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1), SEEDS)
@settings(deadline=None)
def test_draw_depends_on_nothing_but_id_and_seed(values: list[int], seed: int) -> None:
    together = draw(ids(*values), seed)
    alone = [float(draw(ids(value), seed)[0]) for value in values]
    assert together.tolist() == alone


def test_another_seed_draws_another_reserve() -> None:
    tasks = np.arange(1000)
    assert (in_reserve(tasks, 0.5, 0) != in_reserve(tasks, 0.5, 1)).sum() > 300


@given(SEEDS)
@settings(deadline=None)
def test_membership_is_stable_when_tasks_are_added(seed: int) -> None:
    """A task that changes sides would bring a label that the model chose into validation."""
    before = in_reserve(np.arange(100), 0.3, seed)
    after = in_reserve(np.arange(300), 0.3, seed)
    assert after[:100].tolist() == before.tolist()


def test_share_zero_reserves_nothing_and_share_one_everything() -> None:
    tasks = np.arange(1000)
    assert not in_reserve(tasks, 0.0, 0).any()
    assert in_reserve(tasks, 1.0, 0).all()


def test_a_larger_share_keeps_the_tasks_of_a_smaller_one() -> None:
    tasks = np.arange(1000)
    small, large = in_reserve(tasks, 0.1, 0), in_reserve(tasks, 0.2, 0)
    assert 70 <= small.sum() <= 130
    assert large[small].all()
    assert 150 <= large.sum() <= 250


@pytest.mark.parametrize(
    ("labelled", "expected"),
    [
        (0, [1, 2, 3, 91, 4, 5, 6, 92]),
        (2, [1, 91, 2, 3, 4, 92, 5, 6]),
        (3, [91, 1, 2, 3, 92, 4, 5, 6]),
        (40, [1, 2, 3, 91, 4, 5, 6, 92]),
    ],
)
def test_every_fourth_place_is_an_audit_counted_from_the_first_label(
    labelled: int, expected: list[int]
) -> None:
    queue = interleave(ids(1, 2, 3, 4, 5, 6), ids(91, 92, 93), 0.25, labelled, 8)
    assert queue.tolist() == expected


def test_where_one_list_ends_the_other_goes_on() -> None:
    assert interleave(ids(1, 2), ids(91, 92, 93), 0.5, 0, 9).tolist() == [1, 91, 2, 92, 93]
    assert interleave(ids(1, 2, 3), ids(91), 0.5, 0, 9).tolist() == [1, 91, 2, 3]
    assert interleave(ids(), ids(91, 92), 0.1, 0, 9).tolist() == [91, 92]
    assert interleave(ids(), ids(), 0.1, 0, 9).tolist() == []


def test_without_a_share_audits_come_only_when_nothing_else_is_left() -> None:
    assert interleave(ids(1, 2), ids(91), 0.0, 7, 3).tolist() == [1, 2, 91]


@pytest.mark.parametrize("share", [0.1, 0.2, 0.25, 0.5])
def test_a_queue_renewed_after_each_label_still_shows_its_audits(share: float) -> None:
    """Only the first place is ever served: counting from the queue's own start would never reach
    an audit task."""
    chosen, audits = list(range(100)), list(range(1000, 1100))
    places: list[int] = []
    for labelled in range(60):
        first = int(interleave(ids(*chosen), ids(*audits), share, labelled, 50)[0])
        if first >= 1000:
            places.append(labelled + 1)
            audits.remove(first)
        else:
            chosen.remove(first)
    every = round(1 / share)
    assert places == list(range(every, 61, every))


@given(
    chosen=st.integers(0, 40),
    audits=st.integers(0, 40),
    share=st.floats(0.0, 0.9),
    labelled=st.integers(0, 10_000),
    size=st.integers(0, 60),
)
@settings(deadline=None)
def test_both_lists_keep_their_order_and_nothing_is_lost(
    chosen: int, audits: int, share: float, labelled: int, size: int
) -> None:
    ours, theirs = np.arange(chosen), np.arange(1000, 1000 + audits)
    queue = interleave(ours, theirs, share, labelled, size).tolist()
    asked = [task for task in queue if task < 1000]
    audited = [task for task in queue if task >= 1000]
    assert asked == ours.tolist()[: len(asked)]
    assert audited == theirs.tolist()[: len(audited)]
    assert len(queue) == min(size, chosen + audits)


@given(st.floats(0.0, 0.9), st.integers(0, 10_000), st.integers(1, 60))
@settings(deadline=None)
def test_every_stretch_of_the_queue_holds_its_share_of_audits(
    share: float, labelled: int, size: int
) -> None:
    queue = interleave(np.arange(60), np.arange(1000, 1060), share, labelled, size)
    assert abs(int((queue >= 1000).sum()) - size * share) < 1.0 + 1e-6


def test_mixing_draws_each_place_by_lot() -> None:
    chosen, others = np.arange(1000), np.arange(1000, 2000)
    rng = np.random.default_rng(0)
    mixed = mix(chosen, others, 0.3, 1000, rng)
    assert 250 < (mixed >= 1000).sum() < 350
    assert (np.diff(mixed[mixed < 1000]) == 1).all(), "each list keeps its order"
    assert (np.diff(mixed[mixed >= 1000]) == 1).all()


def test_mixing_goes_on_with_the_list_that_is_left() -> None:
    rng = np.random.default_rng(0)
    assert sorted(mix(np.array([1, 2]), np.array([7]), 0.9, 5, rng)) == [1, 2, 7]
    assert mix(np.array([], np.int64), np.array([], np.int64), 0.5, 5, rng).tolist() == []


def test_what_nothing_is_known_of_comes_by_lot_with_audit_tasks_at_their_places() -> None:
    """Half are audit tasks, whose draws are the lowest: by their draws alone they came first, and
    nothing was learnt from any of the labels."""
    tasks = np.arange(40)
    by_draw = np.argsort(draw(tasks, 7))
    is_audit = in_reserve(by_draw, 0.5, 7)
    audits, others = by_draw[is_audit].tolist(), by_draw[~is_audit].tolist()
    expected = [others[0], audits[0], others[1], audits[1], others[2], audits[2]]
    assert tasks[at_random(tasks, 0.5, 7, labelled=10, size=6)].tolist() == expected
    assert tasks[at_random(tasks, 0.5, 7, labelled=11, size=1)].tolist() == audits[:1]
    everything = tasks[at_random(tasks, 0.5, 7, labelled=10, size=50)]
    assert sorted(everything.tolist()) == tasks.tolist()


@pytest.mark.parametrize("size", [0, -3])
def test_no_place_is_left_for_what_nothing_is_known_of(size: int) -> None:
    assert at_random(np.arange(40), 0.1, 7, labelled=10, size=size).tolist() == []
