import numpy as np
import pytest
from scipy.special import expit, softmax

from model.heads.calibration import (
    SCALE_SPREAD,
    Calibration,
    calibrated,
    cross_fitted_probs,
    expected_calibration_error,
    fit_calibration,
)
from model.heads.head import Head
from model.types import Bools, Floats, Kind

KINDS: tuple[Kind, Kind] = ("single", "multiple")


def probabilities(logits: Floats, kind: Kind) -> Floats:
    probs: Floats = softmax(logits, axis=1) if kind == "single" else expit(logits)
    return probs


def sample(n: int, c: int, kind: Kind, seed: int = 0) -> tuple[Floats, Bools]:
    """Logits (n, c) and labels drawn from their probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 2.0, size=(n, c))
    probs = probabilities(logits, kind)
    if kind == "multiple":
        return logits, rng.random((n, c)) < probs
    drawn = (rng.random((n, 1)) < probs.cumsum(axis=1)).argmax(axis=1)
    return logits, np.eye(c, dtype=np.bool_)[drawn]


@pytest.mark.parametrize("kind", KINDS)
def test_no_labels_change_nothing(kind: Kind) -> None:
    found = fit_calibration(np.zeros((0, 3)), np.zeros((0, 3)), kind)
    assert found.scale.tolist() == [1.0, 1.0, 1.0]
    assert found.shift.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_few_labels_change_hardly_anything(kind: Kind, n: int) -> None:
    """Even when each of them says the opposite of the model."""
    logits = np.tile([2.0, -2.0, -2.0], (n, 1))
    found = fit_calibration(logits, logits < 0, kind)
    np.testing.assert_allclose(found.scale, 1.0, atol=0.5)
    np.testing.assert_allclose(found.shift, 0.0, atol=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_labels_undo_much_of_a_heads_overconfidence(kind: Kind) -> None:
    """Heads on a fine-tuned encoder are overconfident, and too narrow a prior left them so."""
    scales = []
    for seed in range(5):
        logits, truth = sample(50, 4, kind, seed)
        scales.append(fit_calibration(2 * logits, truth, kind).scale.mean())
    assert 0.5 < np.mean(scales) < 0.75


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_many_labels_undo_a_wrong_scale(kind: Kind, factor: float) -> None:
    logits, truth = sample(4000, 4, kind)
    found = fit_calibration(factor * logits, truth, kind)
    np.testing.assert_allclose(found.scale * factor, 1.0, atol=0.15)
    np.testing.assert_allclose(found.shift, 0.0, atol=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_calibrated_probabilities_stay_nearly_as_they_are(kind: Kind) -> None:
    logits, truth = sample(4000, 4, kind)
    found = fit_calibration(logits, truth, kind)
    np.testing.assert_allclose(found.scale, 1.0, atol=0.1)
    np.testing.assert_allclose(found.shift, 0.0, atol=0.1)


def test_the_temperature_is_the_maximum_of_likelihood_and_prior() -> None:
    logits, truth = sample(30, 3, "single")
    logs = np.linspace(-0.5, 0.5, 20_001)
    rows = np.arange(30), truth.argmax(axis=1)
    scaled = np.exp(logs)[:, None, None] * logits
    chosen = softmax(scaled, axis=2)[:, rows[0], rows[1]]
    cost = -np.log(chosen).sum(axis=1) + 0.5 * (logs / SCALE_SPREAD) ** 2
    expected = np.exp(logs[cost.argmin()])
    np.testing.assert_allclose(fit_calibration(logits, truth, "single").scale, expected, atol=1e-4)


def test_a_temperature_keeps_the_order_of_the_labels() -> None:
    logits, truth = sample(50, 4, "single")
    found = fit_calibration(5 * logits, truth, "single")
    assert found.scale[0] < 0.9
    np.testing.assert_array_equal(found.logits(logits).argsort(axis=1), logits.argsort(axis=1))


def test_a_label_claimed_too_seldom_is_shifted_up_alone() -> None:
    logits, truth = sample(2000, 3, "multiple")
    found = fit_calibration(logits - [0.0, 1.5, 0.0], truth, "multiple")
    assert found.shift[1] > 1.0
    assert np.abs(found.shift[[0, 2]]).max() < 0.2


def test_a_label_without_positives_is_held_by_the_others() -> None:
    """Without a prior its probability would go to zero."""
    logits, truth = sample(50, 3, "multiple")
    truth[:, 2] = False
    found = fit_calibration(logits, truth, "multiple")
    assert np.isfinite(found.scale).all()
    assert 0.5 < found.scale[2] < 2.0
    assert -2.0 < found.shift[2] < 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_calibrated_head_gives_the_calibrated_logits(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 3)).astype(np.float32)
    head = Head(kind, ("a", "b", "c"), weights, np.ones(3, np.float32), np.zeros(4, np.float32))
    calibration = Calibration(np.array([0.5, 1.0, 2.0]), np.array([0.1, 0.0, -1.0]))
    vectors, folded = rng.normal(size=(5, 4)), calibrated(head, calibration)
    expected = calibration.logits(head.logits(vectors))
    np.testing.assert_allclose(folded.logits(vectors), expected, atol=1e-5)
    assert folded.weights.dtype == folded.bias.dtype == np.float32
    assert (folded.kind, folded.labels) == (kind, ("a", "b", "c"))


def test_the_error_of_single_labels_by_hand() -> None:
    """Ten bins. 0.75 and 0.72 share one: one of two right, |1 - 1.47| = 0.47; 0.6 is right alone:
    0.4; together over three examples."""
    probs = np.array([[0.75, 0.25], [0.28, 0.72], [0.6, 0.4]])
    truth = np.array([[True, False], [True, False], [True, False]])
    error = expected_calibration_error(probs, truth, "single", bins=10)
    assert error == pytest.approx((0.47 + 0.4) / 3)


def test_the_error_of_several_labels_counts_every_decision() -> None:
    """Ten bins. 0.12 and 0.18 share one: none is true, 0.3; 0.95 and 1.0 the last: one is true,
    0.95; 0.5 is alone and true: 0.5; 0.0 is alone and false."""
    probs = np.array([[0.12, 0.95], [0.5, 0.18], [1.0, 0.0]])
    truth = np.array([[False, True], [True, False], [False, False]])
    error = expected_calibration_error(probs, truth, "multiple", bins=10)
    assert error == pytest.approx((0.3 + 0.95 + 0.5 + 0.0) / 6)


@pytest.mark.parametrize("kind", KINDS)
def test_certainty_has_a_bin(kind: Kind) -> None:
    probs = np.array([[1.0, 0.0]])
    assert expected_calibration_error(probs, probs > 0, kind) == 0.0
    assert expected_calibration_error(probs, probs == 0, kind) == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_has_no_error(kind: Kind) -> None:
    nothing = np.zeros((0, 3))
    assert expected_calibration_error(nothing, nothing > 0, kind) is None
    assert cross_fitted_probs(nothing, nothing > 0, kind, seed=0).shape == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_one_example_is_calibrated_by_none(kind: Kind) -> None:
    logits, truth = sample(1, 3, kind)
    crossed = cross_fitted_probs(logits, truth, kind, seed=0)
    np.testing.assert_array_equal(crossed, probabilities(logits, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_cross_fitted_probabilities_show_what_calibration_gains(kind: Kind) -> None:
    logits, truth = sample(1000, 4, kind)
    before = expected_calibration_error(probabilities(3 * logits, kind), truth, kind)
    crossed = cross_fitted_probs(3 * logits, truth, kind, seed=0)
    after = expected_calibration_error(crossed, truth, kind)
    assert before is not None
    assert after is not None
    assert after < 0.6 * before


def test_no_example_is_calibrated_by_itself() -> None:
    """Two examples: each is calibrated by the fit on the other."""
    logits, truth = sample(2, 3, "multiple")
    crossed = np.vstack(
        [
            fit_calibration(logits[[1]], truth[[1]], "multiple").logits(logits[0]),
            fit_calibration(logits[[0]], truth[[0]], "multiple").logits(logits[1]),
        ]
    )
    found = cross_fitted_probs(logits, truth, "multiple", seed=0)
    np.testing.assert_allclose(found, expit(crossed))
