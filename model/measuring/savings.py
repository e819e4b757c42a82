"""How many labels the order of the queue has saved, estimated from public data sets."""

FACTORS = {
    "trec6": 500 / 147,
    "subj": 500 / 160,
    "agnews": 500 / 164,
    "banking77": 2000 / 991,
    "goemotions-ekman": 500 / 357,
    "reuters10": 500 / 226,
    "shopping10": 500 / 198,
    "car10": 500 / 293,
}
"""Set -> how many times as many labels random choice needed for its last score; see
tests/benchmarks/RESULTS.md."""

LEAST_LABELS = 100
"""With fewer labels the curves of these sets cross too often for an estimate."""


def labels_saved(labels: int) -> tuple[int, int] | None:
    """From how many to how many labels random choice would have needed beyond these `labels`, if
    the data are like the hardest or like the easiest of the sets; None below LEAST_LABELS.

    An estimate from other people's data: nobody labels a project twice to know.
    """
    if labels < LEAST_LABELS:
        return None
    least, most = min(FACTORS.values()) - 1.0, max(FACTORS.values()) - 1.0
    return round(labels * least), round(labels * most)
