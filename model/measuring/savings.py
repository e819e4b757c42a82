"""How many labels the order of the queue has saved, by what it saved on public sets."""

FACTORS = {
    "trec6": 500 / 148,
    "subj": 500 / 172,
    "agnews": 500 / 191,
    "banking77": 2000 / 926,
    "reuters10": 500 / 212,
    "goemotions-ekman": 500 / 437,
}
"""Set -> how many times as many labels random choice needed for its last score; see
tests/benchmarks/RESULTS.md."""

LEAST_LABELS = 100
"""With fewer labels the curves of these sets cross each other too often to tell."""


def labels_saved(labels: int) -> tuple[int, int] | None:
    """From how many to how many labels random choice would have needed beyond these `labels`, if
    the data are like the hardest or like the easiest of the sets; None below LEAST_LABELS.

    An estimate from other people's data: nobody labels a project twice to know.
    """
    if labels < LEAST_LABELS:
        return None
    least, most = min(FACTORS.values()) - 1.0, max(FACTORS.values()) - 1.0
    return round(labels * least), round(labels * most)
