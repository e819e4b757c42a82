"""The estimate of labels saved."""

from model.measuring.savings import labels_saved


def test_saved_labels_lie_between_the_hardest_and_the_easiest_set() -> None:
    """Random choice needed 500 labels where 437 (goemotions) and 148 (TREC-6) were enough."""
    assert labels_saved(437) == (63, 1039)
    assert labels_saved(148) == (21, 352)


def test_a_few_labels_tell_nothing() -> None:
    assert labels_saved(99) is None
