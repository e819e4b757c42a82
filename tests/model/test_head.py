import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from model.heads.head import CHUNK, CONSTANT, L2, Head, centred, fit_head, joined
from model.types import Floats, Ints, Kind, LabelGroup

ORIGIN = np.zeros(2, np.float32)
EAST_AND_NORTH = np.array([[1.0, 0.1], [1.0, -0.1], [0.1, 1.0], [-0.1, 1.0]], np.float32)
ONE_EACH = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)


def random_points(n: int, d: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def one_hot(classes: Ints, c: int) -> Floats:
    return np.eye(c, dtype=np.float32)[classes]


def test_centred_vectors_have_unit_length_about_the_centre() -> None:
    result = centred(np.array([[4.0, 5.0], [1.0, -1.0]]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(result, [[0.6, 0.8], [0.0, -1.0]], atol=1e-7)


def test_a_vector_at_the_centre_stays_there() -> None:
    """Not nan: a pool of one task is its own centre."""
    assert centred(np.ones((1, 2)), np.ones(2)).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_separable_points_are_separated(kind: Kind) -> None:
    head = fit_head(EAST_AND_NORTH, ONE_EACH, kind, ("east", "north"), ORIGIN)
    east, north = head.probs(np.array([[5.0, 0.0], [0.0, 3.0]]))
    assert east[0] > 0.8
    assert east[1] < 0.2
    assert north[0] < 0.2
    assert north[1] > 0.8


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_a_label_without_examples_is_unlikely_and_not_impossible(kind: Kind) -> None:
    targets = np.hstack([ONE_EACH, np.zeros((4, 1), np.float32)])
    head = fit_head(EAST_AND_NORTH, targets, kind, ("east", "north", "south"), ORIGIN)
    unseen = head.probs(EAST_AND_NORTH)[:, 2]
    assert unseen.max() < 0.15
    assert unseen.min() > 1e-4


def test_one_label_for_all_is_learnt_as_likely_and_not_as_certain() -> None:
    targets = np.array([[1, 0]] * 4, np.float32)
    head = fit_head(EAST_AND_NORTH, targets, "single", ("yes", "no"), ORIGIN)
    yes = head.probs(EAST_AND_NORTH)[:, 0]
    assert yes.min() > 0.8
    assert yes.max() < 0.999


def test_labels_of_the_multiple_kind_are_learnt_apart() -> None:
    """Adding or removing one label of the scheme must not change the prediction of another."""
    vectors = random_points(30, 3)
    targets = np.stack([vectors[:, 0] > 0, vectors[:, 1] > 0.5], axis=1).astype(np.float32)
    both = fit_head(vectors, targets, "multiple", ("a", "b"), np.zeros(3)).probs(vectors)
    alone = fit_head(vectors, targets[:, :1], "multiple", ("a",), np.zeros(3)).probs(vectors)
    np.testing.assert_allclose(both[:, 0], alone[:, 0], atol=0.01)
    assert both.sum(axis=1).max() > 1.2
    assert both.sum(axis=1).min() < 0.8


def test_the_fit_is_logistic_regression_as_scikit_learn_has_it() -> None:
    """With the bias decayed like the weight of one more feature, the same for all."""
    vectors, classes = random_points(60, 4), np.arange(60) % 3
    vectors[np.arange(60), classes] += 1.0
    head = fit_head(vectors, one_hot(classes, 3), "single", ("a", "b", "c"), np.zeros(4))
    constant = np.full((60, 1), CONSTANT["single"])
    features = np.hstack([centred(vectors, np.zeros(4)), constant])
    judge = LogisticRegression(C=1 / L2["single"], fit_intercept=False, max_iter=1000, tol=1e-8)
    expected = judge.fit(features, classes).predict_proba(features)
    np.testing.assert_allclose(head.probs(vectors), expected, atol=0.01)


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_a_warm_start_ends_at_the_same_optimum(kind: Kind) -> None:
    vectors, classes = random_points(80, 6), np.arange(80) % 3
    vectors[np.arange(80), classes] += 1.0
    targets, labels, centre = one_hot(classes, 3), ("a", "b", "c"), np.zeros(6)
    earlier = fit_head(vectors[:20], targets[:20], kind, labels, centre)
    cold = fit_head(vectors, targets, kind, labels, centre)
    warm = fit_head(vectors, targets, kind, labels, centre, start=earlier)
    np.testing.assert_allclose(warm.probs(vectors), cold.probs(vectors), atol=0.01)


def test_a_start_of_another_shape_is_left_aside() -> None:
    other = fit_head(random_points(4, 3), ONE_EACH, "single", ("a", "b"), np.zeros(3))
    plain = fit_head(EAST_AND_NORTH, ONE_EACH, "single", ("a", "b"), ORIGIN)
    started = fit_head(EAST_AND_NORTH, ONE_EACH, "single", ("a", "b"), ORIGIN, start=other)
    np.testing.assert_array_equal(started.weights, plain.weights)


def test_a_head_without_examples_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one labelled example"):
        fit_head(np.zeros((0, 2)), np.zeros((0, 2)), "single", ("a", "b"), ORIGIN)


COMPASS = ("east", "north", "west")
NAMED = Head(
    "single",
    COMPASS,
    np.array([[8.0, 0.0, -8.0], [0.0, 8.0, 0.0]], np.float32),
    np.zeros(3, np.float32),
    ORIGIN,
    name_shares=np.ones(3, np.float32),
)
"""The head of the names: each label is likely in the direction that its name gives."""
NO_WEST = np.hstack([ONE_EACH, np.zeros((4, 1), np.float32)])


def shares_of(head: Head) -> list[float] | None:
    return None if head.name_shares is None else head.name_shares.tolist()


def test_without_examples_the_head_is_that_of_the_names() -> None:
    nothing = np.zeros((0, 2), np.float32), np.zeros((0, 3), np.float32)
    assert fit_head(*nothing, "single", COMPASS, ORIGIN, named=NAMED) is NAMED


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_a_name_speaks_for_a_label_that_has_no_example_yet(kind: Kind) -> None:
    """Two labels have examples where their names point. So the third is where its name points."""
    west = np.array([[-1.0, 0.0]], np.float32)
    head = fit_head(EAST_AND_NORTH, NO_WEST, kind, COMPASS, ORIGIN, named=NAMED)
    alone = fit_head(EAST_AND_NORTH, NO_WEST, kind, COMPASS, ORIGIN)
    assert head.probs(west)[0, 2] > 0.95
    assert alone.probs(west)[0, 2] < 0.5
    assert head.name_shares is not None
    assert len(set(head.name_shares.tolist())) == 1
    assert head.name_shares[0] > 0.5
    assert alone.name_shares is None


def test_one_label_does_not_make_all_others_rare() -> None:
    """Texts are a little like each name, no more. The first label of a project moved the bias so
    far that all of them got that label."""
    faint = Head(
        "single", COMPASS, 0.1 * NAMED.weights, NAMED.bias, ORIGIN, name_shares=NAMED.name_shares
    )
    head = fit_head(EAST_AND_NORTH[:1], NO_WEST[:1], "single", COMPASS, ORIGIN, named=faint)
    north = np.array([[0.0, 1.0]], np.float32)
    assert faint.probs(north)[0, 1] == pytest.approx(0.53, abs=0.01)
    assert head.probs(north)[0, 1] == pytest.approx(0.52, abs=0.02)


def test_names_that_mislead_end_with_the_head_of_the_examples() -> None:
    vectors, classes = random_points(60, 2), np.arange(60) % 3
    vectors[np.arange(60)] += 4.0 * np.array([[1, 0], [0, 1], [-1, -1]])[classes]
    wrong = Head(
        "single", COMPASS, -NAMED.weights, NAMED.bias, ORIGIN, name_shares=NAMED.name_shares
    )
    head = fit_head(vectors, one_hot(classes, 3), "single", COMPASS, ORIGIN, named=wrong)
    alone = fit_head(vectors, one_hot(classes, 3), "single", COMPASS, ORIGIN)
    assert shares_of(head) == [0.0] * 3
    np.testing.assert_allclose(head.probs(vectors), alone.probs(vectors), atol=5e-3)


@pytest.mark.parametrize("before", [None, NAMED], ids=["names are new", "names are known"])
@pytest.mark.parametrize("now", [None, NAMED], ids=["names are gone", "names have a say"])
def test_a_start_with_or_without_names_ends_at_the_same_head(
    before: Head | None, now: Head | None
) -> None:
    """The setting is switched between two rounds, or the encoder has read the names by now."""
    start = fit_head(EAST_AND_NORTH[:3], NO_WEST[:3], "single", COMPASS, ORIGIN, named=before)
    cold, warm = (
        fit_head(EAST_AND_NORTH, NO_WEST, "single", COMPASS, ORIGIN, start=begun, named=now)
        for begun in (None, start)
    )
    np.testing.assert_allclose(warm.weights, cold.weights, atol=5e-3)
    np.testing.assert_allclose(warm.bias, cold.bias, atol=5e-3)
    if now is None:
        assert warm.name_shares is None
    else:
        assert shares_of(warm) == pytest.approx(shares_of(cold), abs=5e-3)


def with_shares(shares: list[float] | None, labels: tuple[str, ...]) -> Head:
    known = None if shares is None else np.array(shares, np.float32)
    weights = np.ones((2, len(labels)), np.float32)
    bias = np.zeros(len(labels), np.float32)
    return Head("single", labels, weights, bias, ORIGIN, name_shares=known)


def test_parts_keep_their_shares_of_the_names() -> None:
    groups = (LabelGroup("single", 0, 2), LabelGroup("multiple", 2, 3))
    two, one = with_shares([0.25, 0.5], ("a", "b")), with_shares([0.75], ("c",))
    whole = joined([two, one], groups)
    assert shares_of(whole) == [0.25, 0.5, 0.75]
    assert [shares_of(part) for part in whole.parts()] == [[0.25, 0.5], [0.75]]
    nameless = with_shares(None, ("c",))
    assert shares_of(joined([two, nameless], groups)) == [0.25, 0.5, 0.0]
    assert shares_of(joined([with_shares(None, ("a", "b")), nameless], groups)) is None


def test_a_label_that_is_new_has_all_of_its_name() -> None:
    head = with_shares([0.25, 0.5], ("a", "b"))
    other = head.of_labels(("b", "x", "a"))
    assert shares_of(other) == [0.5, 1.0, 0.25]
    assert other.weights.tolist() == [[1.0, 0.0, 1.0]] * 2
    assert head.of_labels(("a", "b")) is head
    assert shares_of(with_shares(None, ("a", "b")).of_labels(("b", "x"))) is None


def test_logits_by_hand() -> None:
    """(4, 5) about the centre (1, 1) is (0.6, 0.8)."""
    weights, bias = np.array([[1.0, 0.0], [0.0, 10.0]]), np.array([0.0, -1.0])
    head = Head("multiple", ("a", "b"), weights, bias, np.ones(2))
    np.testing.assert_allclose(head.logits(np.array([[4.0, 5.0]])), [[0.6, 7.0]], rtol=1e-6)
    np.testing.assert_allclose(
        head.probs(np.array([[4.0, 5.0]])), [[expit(0.6), expit(7.0)]], rtol=1e-6
    )


def test_chunks_do_not_show_in_the_logits() -> None:
    head = Head("single", ("a", "b"), random_points(3, 2), np.array([0.5, -0.5]), np.ones(3))
    vectors = random_points(2 * CHUNK + 3, 3, seed=1)
    whole = centred(vectors, head.centre) @ head.weights + head.bias
    np.testing.assert_allclose(head.logits(vectors), whole, atol=1e-5)


def test_no_vectors_no_probabilities() -> None:
    head = Head("single", ("a", "b"), np.ones((3, 2)), np.zeros(2), np.zeros(3))
    assert head.probs(np.zeros((0, 3))).shape == (0, 2)


@given(
    arrays(np.float32, (5, 3), elements=st.floats(-1, 1, width=32)),
    st.lists(st.integers(0, 2), min_size=5, max_size=5),
)
@settings(deadline=None, max_examples=25)
def test_single_probabilities_sum_to_one(vectors: Floats, classes: list[int]) -> None:
    targets = one_hot(np.array(classes), 3)
    probs = fit_head(vectors, targets, "single", ("a", "b", "c"), np.zeros(3)).probs(vectors)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
    assert probs.min() > 0.0
