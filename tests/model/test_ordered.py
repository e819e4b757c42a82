import numpy as np
import pytest
import torch

from model.encoders.finetune import _loss_of_question
from model.heads.deciding import decisions
from model.heads.head import fit_head
from model.heads.ordered import SLOPE, median_answers, near, softening
from model.measuring.review import doubts
from model.types import Floats


def test_labels_next_to_the_given_one_share_its_target() -> None:
    step = np.exp(-SLOPE)
    expected = np.array([step, 1.0, step, step**2]) / (1.0 + 2.0 * step + step**2)
    np.testing.assert_allclose(softening(4)[1], expected, rtol=1e-6)
    np.testing.assert_allclose(softening(5).sum(axis=1), 1.0, rtol=1e-6)
    assert softening(1).tolist() == [[1.0]]


def test_the_answer_is_the_median_and_not_the_likeliest() -> None:
    """One star is likeliest, but most of the probability is at four and five."""
    probs = np.array([[0.4, 0.0, 0.05, 0.3, 0.25], [0.5, 0.5, 0.0, 0.0, 0.0], [0, 0, 0, 0, 1.0]])
    assert median_answers(probs).argmax(axis=1).tolist() == [3, 0, 4]
    assert np.array_equal(decisions(probs, "ordered"), median_answers(probs))
    assert decisions(probs, "single").argmax(axis=1).tolist() == [0, 0, 4]
    assert median_answers(probs[:0]).shape == (0, 5)


def rated(n: int, seed: int) -> tuple[Floats, Floats]:
    """Vectors that reflect a rating of one to five, with much noise."""
    rng = np.random.default_rng(seed)
    stars = rng.integers(0, 5, n)
    vectors = rng.normal(0.0, 1.0, (n, 24)).astype(np.float32)
    vectors[:, 0] += 1.5 * (stars - 2)
    return vectors, np.eye(5, dtype=np.float32)[stars]


def test_ratings_are_fewer_steps_off_than_by_labels_without_an_order() -> None:
    labels, centre = ("1", "2", "3", "4", "5"), np.zeros(24, np.float32)
    others, truth = rated(1000, 99)
    off: dict[str, list[float]] = {"single": [], "ordered": []}
    for seed in range(5):
        vectors, targets = rated(60, seed)
        for kind in ("single", "ordered"):
            head = fit_head(vectors, targets, kind, labels, centre)
            answers = head.answers(head.probs(others))
            assert (answers.sum(axis=1) == 1).all()
            steps = np.abs(answers.argmax(axis=1) - truth.argmax(axis=1))
            off[kind].append(float(steps.mean()))
    assert np.mean(off["ordered"]) < 0.95 * np.mean(off["single"])


def test_a_near_miss_costs_a_deep_round_less_than_a_far_one() -> None:
    targets = torch.eye(5)[:1]
    near_miss, far_miss = torch.eye(5)[1:2] * 4, torch.eye(5)[4:] * 4
    losses = [_loss_of_question(one, targets, "ordered") for one in (near_miss, far_miss)]
    assert losses[0] < losses[1]
    alike = [float(_loss_of_question(one, targets, "single")) for one in (near_miss, far_miss)]
    assert alike[0] == pytest.approx(alike[1])


def test_one_star_off_is_no_reason_to_doubt_a_label() -> None:
    targets = np.eye(5, dtype=np.float32)[[3, 3]]
    probs = np.array([[0.0, 0.0, 0.0, 0.2, 0.8], [0.8, 0.0, 0.0, 0.2, 0.0]], np.float32)
    assert near(targets)[0].tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert doubts(probs, targets, "ordered") == pytest.approx([0.0, 0.8])
    assert doubts(probs, targets, "single") == pytest.approx([0.8, 0.8])
