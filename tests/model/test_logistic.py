import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model.heads.logistic import GROUP, fit_logistic
from model.types import Floats, Ints, Kind

RNG = np.random.default_rng(0)


def judged(features: Floats, classes: Ints, l2: float, counts: Floats | None = None) -> Floats:
    """What scikit-learn finds: (c, d), one row for two classes."""
    judge = LogisticRegression(C=1 / l2, fit_intercept=False, max_iter=5000, tol=1e-9)
    found: Floats = judge.fit(features, classes, sample_weight=counts).coef_
    return found


@pytest.mark.parametrize("examples", [12, 200], ids=["fewer examples than features", "more"])
def test_it_finds_the_minimum_that_scikit_learn_finds(examples: int) -> None:
    features = RNG.normal(size=(examples, 30))
    classes = np.arange(examples) % 3
    counts = RNG.integers(1, 6, examples).astype(np.float64)
    targets = np.eye(3)[classes] * counts[:, None]
    found = fit_logistic(features, targets, "single", 0.3, np.zeros((30, 3)))
    np.testing.assert_allclose(found.T, judged(features, classes, 0.3, counts), atol=2e-3)


@pytest.mark.parametrize("examples", [12, 200], ids=["fewer examples than features", "more"])
def test_of_several_labels_each_is_fitted_for_itself(examples: int) -> None:
    """Also where they are too many to be fitted together."""
    features = RNG.normal(size=(examples, 20))
    targets = (RNG.random((examples, GROUP + 5)) < 0.3).astype(np.float64)
    targets[0], targets[1] = 0.0, 1.0
    found = fit_logistic(features, targets, "multiple", 1.0, np.zeros((20, GROUP + 5)))
    for label in (0, GROUP, GROUP + 4):
        (alone,) = judged(features, targets[:, label].astype(np.int64), 1.0)
        np.testing.assert_allclose(found[:, label], alone, atol=2e-3)


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_where_it_begins_does_not_matter(kind: Kind) -> None:
    features, targets = RNG.normal(size=(80, 10)), np.eye(4)[np.arange(80) % 4]
    cold = fit_logistic(features, targets, kind, 0.05, np.zeros((10, 4)))
    warm = fit_logistic(features, targets, kind, 0.05, RNG.normal(size=(10, 4)))
    differences = features @ (warm - cold)
    if kind == "single":  # what all labels have in common changes nothing
        differences = differences - differences.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(differences, 0.0, atol=5e-3)


def test_labels_that_all_examples_carry_or_none_have_finite_weights() -> None:
    features, targets = np.ones((5, 2)), np.array([[1.0, 0.0]] * 5)
    for kind in ("single", "multiple"):
        found = fit_logistic(features, targets, kind, 0.05, np.zeros((2, 2)))
        assert np.isfinite(found).all()
        always, never = found.sum(axis=0)
        assert always > 1 > -1 > never


@pytest.mark.parametrize("examples", [15, 300], ids=["fewer examples than features", "more"])
def test_after_one_example_more_only_what_it_concerns_is_fitted_again(examples: int) -> None:
    """A taxonomy's thousand labels were all fitted anew after each label."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(examples + 1, 20))
    targets = (rng.random((examples + 1, GROUP + 5)) < 0.1).astype(np.float64)
    targets[-1] = 0.0
    targets[-1, 7] = 1.0
    before = fit_logistic(features[:-1], targets[:-1], "multiple", 0.5, np.zeros((20, GROUP + 5)))
    again = fit_logistic(features[:-1], targets[:-1], "multiple", 0.5, before)
    np.testing.assert_allclose(again, before, atol=1e-9)
    after = fit_logistic(features, targets, "multiple", 0.5, before)
    cold = fit_logistic(features, targets, "multiple", 0.5, np.zeros((20, GROUP + 5)))
    assert np.abs(after[:, 7] - before[:, 7]).max() > 0.01
    np.testing.assert_allclose(features @ after, features @ cold, atol=0.03)
