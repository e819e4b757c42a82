"""Learning curves: score over number of labels, one curve a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.types import Floats, Ints


@dataclass(frozen=True)
class Curves:
    """One strategy's curves: labels (p,), the same for all seeds; scores (seeds, p)."""

    labels: Ints
    scores: Floats

    @property
    def mean(self) -> Floats:
        """Mean score (p,) over the seeds."""
        result: Floats = self.scores.mean(axis=0)
        return result


def area(curves: Curves) -> Floats:
    """Area under each seed's curve (seeds,), as a mean score: in [0, 1], trapezoids."""
    span = curves.labels[-1] - curves.labels[0]
    if span == 0:
        result: Floats = curves.scores[:, 0]
        return result
    areas: Floats = np.trapezoid(curves.scores, curves.labels, axis=1) / span
    return areas


def labels_to_reach(labels: Ints, scores: Floats, score: float) -> float | None:
    """The labels (p,) at which the curve (p,) first reaches `score`, between points by a straight
    line; None if it never does."""
    reached = np.flatnonzero(scores >= score)
    if len(reached) == 0:
        return None
    at = int(reached[0])
    if at == 0:
        return float(labels[0])
    low, high = scores[at - 1], scores[at]
    share = (score - low) / (high - low)
    return float(labels[at - 1] + share * (labels[at] - labels[at - 1]))


def standard_error(values: Floats) -> float:
    """Standard error of the mean of values (seeds,); 0 for a single one."""
    if len(values) < 2:
        return 0.0
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def draw(
    curves: Mapping[str, Curves], metric: str, path: Path, marks: Sequence[float] = ()
) -> None:
    """Plot mean curves with bands of one standard error over the seeds, as PNG.

    `marks`: scores to draw as horizontal lines, such as that of training on everything.
    """
    # Slow to import, and only needed here.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, one in curves.items():
        error = np.array([standard_error(column) for column in one.scores.T])
        (line,) = axes.plot(one.labels, one.mean, marker=".", label=name)
        axes.fill_between(
            one.labels, one.mean - error, one.mean + error, alpha=0.2, color=line.get_color()
        )
    for mark in marks:
        axes.axhline(mark, linestyle="--", color="grey", label="all labels")
    axes.set_xlabel("labels")
    axes.set_ylabel(metric.replace("_", " "))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
