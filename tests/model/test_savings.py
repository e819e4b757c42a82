"""The estimate of labels saved."""

from model.measuring.savings import labels_saved


def test_saved_labels_lie_between_the_hardest_and_the_easiest_set() -> None:
    """Random choice needed 500 labels where 357 (goemotions) and 147 (TREC-6) were enough."""
    assert labels_saved(357) == (143, 857)
    assert labels_saved(147) == (59, 353)


def test_a_few_labels_tell_nothing() -> None:
    assert labels_saved(99) is None
