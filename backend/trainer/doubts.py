"""How much of what the model doubts is worth a second look.

Doubts are found after each deep round, kept by backend.mirror.review, shown on the status page and
in the Data Manager tab *Review labels*.
"""

from backend.types import Json

SHOWN_TASKS, SHOWN_PAIRS = 50, 10
SHOWN_SHARE = 0.2
"""At most this share of the labels is doubted: of few labels the model knows little itself."""


def most_doubted(tasks: list[Json], labelled: int) -> list[Json]:
    """The tasks to show of those that are doubted, most doubted first."""
    limit = min(SHOWN_TASKS, int(SHOWN_SHARE * labelled))
    return sorted(tasks, key=lambda one: -one["doubt"])[:limit]
