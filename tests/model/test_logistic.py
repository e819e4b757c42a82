import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from model.heads.logistic import GROUP, SHARE_SPREAD, Prior, fit_logistic
from model.types import Floats, Ints, Kind

RNG = np.random.default_rng(0)


def judged(features: Floats, classes: Ints, l2: float, counts: Floats | None = None) -> Floats:
    """What scikit-learn finds: (c, d), one row for two classes."""
    judge = LogisticRegression(C=1 / l2, fit_intercept=False, max_iter=5000, tol=1e-9)
    found: Floats = judge.fit(features, classes, sample_weight=counts).coef_
    return found


def joint_minimum(
    features: Floats, targets: Floats, kind: Kind, l2: float, prior: Floats
) -> tuple[Floats, float]:
    """Weights and share of least loss, by BFGS on nothing but the loss. No share is out of
    bounds."""

    def loss(flat: Floats) -> float:
        weights, share = flat[:-1].reshape(prior.shape), flat[-1]
        logits = features @ weights
        if kind == "multiple":
            likelihood = (targets * logits - np.logaddexp(0.0, logits)).sum()
        else:
            log_probs = logits - logsumexp(logits, axis=1, keepdims=True)
            likelihood = (targets * log_probs).sum()
        distance = 0.5 * l2 * ((weights - share * prior) ** 2).sum()
        return float(distance + 0.5 * ((share - 1.0) / SHARE_SPREAD) ** 2 - likelihood)

    found = minimize(loss, np.zeros(prior.size + 1), method="BFGS", options={"gtol": 1e-5}).x
    return found[:-1].reshape(prior.shape), float(found[-1])


AXES = 2.0 * (np.eye(8)[:, :3] - np.pad(np.full((3, 3), 1 / 3), ((0, 5), (0, 0))))
"""A prior of three labels: each has its own feature, and is less likely by those of the others."""


def told_by_axes(examples: int, kind: Kind) -> tuple[Floats, Floats]:
    """Features (m, 8) and targets (m, 3) that the prior AXES predicts mostly right."""
    rng = np.random.default_rng(2)
    features = rng.normal(size=(examples, 8))
    logits = features @ AXES + 0.5 * rng.normal(size=(examples, 3))
    truth = logits > 0 if kind == "multiple" else logits == logits.max(axis=1, keepdims=True)
    return features, truth.astype(np.float64)


every_kind = pytest.mark.parametrize("kind", ["single", "multiple"])
few_and_many = pytest.mark.parametrize(
    "examples", [6, 60], ids=["fewer examples than features", "more"]
)


@pytest.mark.parametrize("examples", [12, 200], ids=["fewer examples than features", "more"])
def test_it_finds_the_minimum_that_scikit_learn_finds(examples: int) -> None:
    features = RNG.normal(size=(examples, 30))
    classes = np.arange(examples) % 3
    counts = RNG.integers(1, 6, examples).astype(np.float64)
    targets = np.eye(3)[classes] * counts[:, None]
    found, share = fit_logistic(features, targets, "single", 0.3, np.zeros((30, 3)))
    assert share == 0.0
    np.testing.assert_allclose(found.T, judged(features, classes, 0.3, counts), atol=2e-3)


@pytest.mark.parametrize("examples", [12, 200], ids=["fewer examples than features", "more"])
def test_of_several_labels_each_is_fitted_for_itself(examples: int) -> None:
    """Also with too many labels to be fitted together."""
    features = RNG.normal(size=(examples, 20))
    targets = (RNG.random((examples, GROUP + 5)) < 0.3).astype(np.float64)
    targets[0], targets[1] = 0.0, 1.0
    found, _ = fit_logistic(features, targets, "multiple", 1.0, np.zeros((20, GROUP + 5)))
    for label in (0, GROUP, GROUP + 4):
        (alone,) = judged(features, targets[:, label].astype(np.int64), 1.0)
        np.testing.assert_allclose(found[:, label], alone, atol=2e-3)


@every_kind
def test_where_it_begins_does_not_matter(kind: Kind) -> None:
    features, targets = RNG.normal(size=(80, 10)), np.eye(4)[np.arange(80) % 4]
    cold, _ = fit_logistic(features, targets, kind, 0.05, np.zeros((10, 4)))
    warm, _ = fit_logistic(features, targets, kind, 0.05, RNG.normal(size=(10, 4)))
    differences = features @ (warm - cold)
    if kind == "single":  # what all labels have in common changes nothing
        differences = differences - differences.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(differences, 0.0, atol=5e-3)


def test_labels_that_all_examples_carry_or_none_have_finite_weights() -> None:
    features, targets = np.ones((5, 2)), np.array([[1.0, 0.0]] * 5)
    for kind in ("single", "multiple"):
        found, _ = fit_logistic(features, targets, kind, 0.05, np.zeros((2, 2)))
        assert np.isfinite(found).all()
        always, never = found.sum(axis=0)
        assert always > 1 > -1 > never


@pytest.mark.parametrize("examples", [15, 300], ids=["fewer examples than features", "more"])
def test_after_one_example_more_only_what_it_concerns_is_fitted_again(examples: int) -> None:
    """A taxonomy's thousand labels were all fitted again after each label."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(examples + 1, 20))
    targets = (rng.random((examples + 1, GROUP + 5)) < 0.1).astype(np.float64)
    targets[-1] = 0.0
    targets[-1, 7] = 1.0
    nothing = np.zeros((20, GROUP + 5))
    before, _ = fit_logistic(features[:-1], targets[:-1], "multiple", 0.5, nothing)
    again, _ = fit_logistic(features[:-1], targets[:-1], "multiple", 0.5, before)
    np.testing.assert_allclose(again, before, atol=1e-9)
    after, _ = fit_logistic(features, targets, "multiple", 0.5, before)
    cold, _ = fit_logistic(features, targets, "multiple", 0.5, nothing)
    assert np.abs(after[:, 7] - before[:, 7]).max() > 0.01
    np.testing.assert_allclose(features @ after, features @ cold, atol=0.03)


@every_kind
@few_and_many
def test_how_much_of_the_prior_holds_is_found_with_the_weights(kind: Kind, examples: int) -> None:
    features, targets = told_by_axes(examples, kind)
    weights, share = fit_logistic(features, targets, kind, 0.3, AXES, Prior(AXES))
    expected, expected_share = joint_minimum(features, targets, kind, 0.3, AXES)
    assert expected_share > 0.5
    assert share == pytest.approx(expected_share, abs=2e-3)
    np.testing.assert_allclose(weights, expected, atol=3e-3)


@every_kind
@few_and_many
def test_a_prior_that_misleads_is_left_out_and_not_turned_round(kind: Kind, examples: int) -> None:
    """Each label has the name of another. The least loss would be at a negative share."""
    features, targets = told_by_axes(examples, kind)
    of_others = 4.0 * AXES[:, [1, 2, 0]]
    assert joint_minimum(features, targets, kind, 0.3, of_others)[1] < 0
    weights, share = fit_logistic(features, targets, kind, 0.3, of_others, Prior(of_others))
    alone, _ = fit_logistic(features, targets, kind, 0.3, np.zeros(AXES.shape))
    assert share == 0.0
    np.testing.assert_allclose(weights, alone, atol=3e-3)


@every_kind
@few_and_many
def test_with_a_prior_too_it_does_not_matter_where_it_begins(kind: Kind, examples: int) -> None:
    features, targets = told_by_axes(examples, kind)
    cold, share = fit_logistic(features, targets, kind, 0.3, AXES, Prior(AXES))
    elsewhere = RNG.normal(size=AXES.shape)
    for start, begin in ((cold, share), (elsewhere, 0.1), (np.zeros(AXES.shape), 0.0)):
        found, its_share = fit_logistic(features, targets, kind, 0.3, start, Prior(AXES, begin))
        assert its_share == pytest.approx(share, abs=3e-3)
        np.testing.assert_allclose(found, cold, atol=3e-3)


def test_without_a_word_from_the_examples_the_prior_stands() -> None:
    """Features that are all zero say nothing about any weight."""
    nothing = np.zeros((3, 8))
    weights, share = fit_logistic(nothing, np.eye(3), "single", 0.3, AXES, Prior(AXES))
    assert share == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(weights, AXES, atol=1e-6)


def test_of_very_many_labels_the_share_is_found_fit_by_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels of a taxonomy are not fitted together, and still have one share. The first fit is
    near it; those after it go on to where a joint fit has it, and there it stays."""
    labels, rng = GROUP + 20, np.random.default_rng(3)
    features, said = rng.normal(size=(30, 20)), rng.normal(size=(20, labels))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    said *= 8.0 / np.linalg.norm(said, axis=0)
    targets = (2.0 * features @ said + rng.normal(size=(30, labels)) > 8.0).astype(np.float64)
    features = np.hstack([features, np.ones((30, 1))])
    said = np.vstack([said, np.full((1, labels), -4.0)])
    weights: Floats = said
    shares = [1.0]
    for _ in range(8):
        before = weights
        prior = Prior(said, shares[-1])
        weights, share = fit_logistic(features, targets, "multiple", 0.5, before, prior)
        shares.append(share)
    np.testing.assert_allclose(weights, before, atol=1e-9)
    assert shares[-1] == pytest.approx(shares[-2], abs=1e-6)

    monkeypatch.setattr("model.heads.logistic.GROUP", labels)
    joint, share = fit_logistic(features, targets, "multiple", 0.5, said, Prior(said))
    assert shares[1] == pytest.approx(share, rel=0.1)
    assert shares[-1] == pytest.approx(share, rel=0.01)
    np.testing.assert_allclose(features @ weights, features @ joint, atol=0.2)
