"""What a detector proposes in pictures: boxes that may hold something, and what it says of each."""

from dataclasses import dataclass

import numpy as np

from model.types import Floats, Ints

LEAST_SCORE, MOST_SCORE = 0.007, 0.993
"""A detector's scores outside of these count as these: 5 to either side as log odds, which is as
sure as people's labels can still correct."""


@dataclass(frozen=True)
class Proposals:
    """The proposals in n examples, one example after the other: t in all.

    states (t, d): the detector's state for each, of unit length; boxes (t, 4): where it lies, see
    model.boxes.geometry; scores (t, k): how probable the detector holds each of the k things that
    it knows, in [0, 1]; pages (t, 3): which of an example's pictures it is in, from 0 on, and that
    picture's width and height in pixels; bounds (n + 1,): where each example begins, and the end.
    """

    states: Floats
    boxes: Floats
    scores: Floats
    pages: Ints
    bounds: Ints

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def take(self, rows: Ints) -> "Proposals":
        """The proposals of these examples, in this order."""
        counts = np.diff(self.bounds)[rows]
        bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        wanted = np.repeat(self.bounds[rows] - bounds[:-1], counts) + np.arange(bounds[-1])
        return self._of(wanted, bounds)

    def example(self, row: int) -> "Proposals":
        """Those of one example."""
        mine = np.arange(self.bounds[row], self.bounds[row + 1])
        return self._of(mine, np.array([0, len(mine)]))

    def _of(self, wanted: Ints, bounds: Ints) -> "Proposals":
        return Proposals(
            *(self.states[wanted], self.boxes[wanted], self.scores[wanted], self.pages[wanted]),
            bounds=bounds,
        )

    def is_finite(self) -> bool:
        """Whether all states and scores are numbers."""
        return bool(np.isfinite(self.states).all() and np.isfinite(self.scores).all())


def log_odds(scores: Floats) -> Floats:
    """Scores in [0, 1] to log odds, which lie between about -5 and 5."""
    bounded = np.clip(np.asarray(scores, np.float32), LEAST_SCORE, MOST_SCORE)
    result: Floats = np.log(bounded) - np.log1p(-bounded)
    return result
