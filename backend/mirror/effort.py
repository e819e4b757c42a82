"""How long people have labelled, by what Label Studio measures of each annotation (`lead_time`)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.types import Json

MOST_SECONDS, MOST_MEDIANS, LEAST_MEDIANS = 600.0, 20.0, 4.0
"""What is longer than MOST_MEDIANS times the median, or than ten minutes, counts as that much: the
page was left open. Where tasks take long, LEAST_MEDIANS times the median count in any case."""

A_YEAR = 365 * 24 * 3600.0


@dataclass(frozen=True)
class Effort:
    """What all annotations of a project took.

    seconds: of labelling, skips included; annotations: how many there are, skips left out; worked:
    how many of these the seconds are of; timed: how many of all, skips included, have a time; cut:
    how many of these count as less than was measured; guessed: how many that an earlier release of
    ours stored without a time count as the median; timeless: how many came without a time, such as
    imported ones: they count as none.
    """

    seconds: float = 0.0
    annotations: int = 0
    worked: int = 0
    timed: int = 0
    cut: int = 0
    guessed: int = 0
    timeless: int = 0


class Times:
    """Counts annotations one task after the other."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._annotations = self._worked = self._guessed = self._timeless = 0

    def add(self, annotations: list[Json]) -> None:
        """Those of a task, as the mirror stores them."""
        for row in annotations:
            is_label = not row["was_cancelled"]
            self._annotations += is_label
            if "lead_time" in row and not _is_time(row["lead_time"]):
                self._timeless += 1
                continue
            self._worked += is_label
            if "lead_time" in row:
                self._seconds.append(float(row["lead_time"]))
            else:
                self._guessed += 1

    def total(self) -> Effort:
        """What they come to."""
        seconds = np.array(self._seconds)
        median = float(np.median(seconds)) if len(seconds) else 0.0
        most = max(LEAST_MEDIANS * median, min(MOST_SECONDS, MOST_MEDIANS * median))
        return Effort(
            seconds=round(float(np.minimum(seconds, most).sum()) + self._guessed * median, 1),
            annotations=self._annotations,
            worked=self._worked,
            timed=len(seconds),
            cut=int((seconds > most).sum()),
            guessed=self._guessed,
            timeless=self._timeless,
        )


def _is_time(value: Any) -> bool:
    """Whether this is a number of seconds that anybody can have spent; annotations can be written
    with anything."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0.0 < value < A_YEAR
