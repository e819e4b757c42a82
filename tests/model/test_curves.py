from pathlib import Path

import numpy as np
import pytest

from model.measuring.curves import Curves, area, draw, labels_to_reach, standard_error

LABELS = np.array([0, 10, 30])


def test_the_area_is_the_mean_height_over_the_labels() -> None:
    """0.2 to 0.4 over 10 labels, 0.4 to 0.8 over 20: (10 * 0.3 + 20 * 0.6) / 30."""
    curves = Curves(LABELS, np.array([[0.2, 0.4, 0.8], [0.5, 0.5, 0.5]]))
    assert area(curves).tolist() == pytest.approx([0.5, 0.5])


def test_the_area_of_a_single_point_is_its_score() -> None:
    assert area(Curves(np.array([40]), np.array([[0.7]]))).tolist() == [0.7]


@pytest.mark.parametrize(
    ("score", "needed"),
    [(0.1, 0), (0.2, 0), (0.3, 5), (0.4, 10), (0.6, 20), (0.8, 30), (0.81, None)],
)
def test_labels_to_reach_a_score_lie_on_the_line_between_points(
    score: float, needed: float | None
) -> None:
    found = labels_to_reach(LABELS, np.array([0.2, 0.4, 0.8]), score)
    assert found == (None if needed is None else pytest.approx(needed))


def test_the_first_time_counts_even_if_the_curve_falls_again() -> None:
    assert labels_to_reach(LABELS, np.array([0.2, 0.6, 0.5]), 0.6) == pytest.approx(10)


def test_the_standard_error_of_the_mean() -> None:
    assert standard_error(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 / np.sqrt(3))
    assert standard_error(np.array([1.0])) == 0.0


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    curves = Curves(LABELS, np.array([[0.2, 0.4, 0.8], [0.3, 0.5, 0.7]]))
    draw({"margin": curves, "random": curves}, "micro_f1", tmp_path / "curves.png", [0.9])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
