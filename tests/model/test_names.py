"""Names on a circle: texts near a name get its label before anybody has labelled one."""

import numpy as np
import pytest
from scipy.special import expit

from model.heads.head import Head
from model.heads.names import (
    LABELS_A_TEXT,
    MOST_SHARE,
    SCALE,
    bias_for,
    named_head,
    readable,
)
from model.types import Floats, Kind

ORIGIN = np.zeros(2, np.float32)
KINDS: tuple[Kind, ...] = ("single", "ordered", "multiple")
every_kind = pytest.mark.parametrize("kind", KINDS)


def on_circle(*degrees: float) -> Floats:
    """Unit vectors (n, 2) at these angles."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


NO_TEXTS = on_circle()
THREE = on_circle(0, 120, 240)
"""Three names, of mean zero."""


def head_of(names: Floats, texts: Floats, kind: Kind = "single") -> Head:
    """With the labels a, b, c ..., about the origin."""
    labels = tuple("abcdefghij"[: len(names)])
    return named_head(names, texts, kind, labels, np.zeros(names.shape[1], np.float32))


def angles_of(head: Head) -> list[float]:
    """Where (c,) each label's weights point, in degrees."""
    found: list[float] = np.degrees(np.arctan2(head.weights[1], head.weights[0])).tolist()
    return found


def likeliest(head: Head, texts: Floats) -> list[int]:
    found: list[int] = head.probs(texts).argmax(axis=1).tolist()
    return found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("card_arrival", "card arrival"),
        ("reverted_card_payment?", "reverted card payment"),
        ("Sci/Tech", "sci tech"),
        ("TalkShow", "talk show"),
        ("ABC news", "abc news"),
        ("  two   words ", "two words"),
        ("B-PER", "b per"),
        ("体育新闻", "体育新闻"),
        ("Ärger", "ärger"),
        ("5", ""),
        ("4.5", ""),
        ("???", ""),
        ("", ""),
        ("top 10", "top 10"),
    ],
)
def test_a_name_is_read_as_a_person_would_say_it(name: str, said: str) -> None:
    assert readable(name) == said


@every_kind
def test_texts_near_a_name_get_its_label_before_any_label(kind: Kind) -> None:
    texts = on_circle(-20, 0, 20, 100, 120, 140, 220, 240, 260)
    head = head_of(THREE, texts, kind)
    assert likeliest(head, texts) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert (head.kind, head.labels) == (kind, ("a", "b", "c"))
    assert head.name_shares is not None
    assert head.name_shares.tolist() == [1.0, 1.0, 1.0]


def test_without_texts_the_logits_are_cosines_with_the_names() -> None:
    head = head_of(THREE, NO_TEXTS)
    np.testing.assert_allclose(head.weights, SCALE * THREE.T, atol=1e-5)
    assert head.bias.tolist() == [0.0, 0.0, 0.0]
    cosines = np.cos(np.radians([30, 90, 210]))
    np.testing.assert_allclose(head.logits(on_circle(30)), [SCALE * cosines], atol=1e-4)


@every_kind
def test_a_label_without_a_name_has_no_weight_and_wins_nothing_that_a_name_claims(
    kind: Kind,
) -> None:
    names = np.vstack([THREE, np.zeros((1, 2), np.float32)])
    texts = on_circle(-20, 0, 20, 100, 120, 140, 220, 240, 260)
    for known in (texts, NO_TEXTS):
        head = head_of(names, known, kind)
        assert head.weights[:, 3].tolist() == [0.0, 0.0]
        assert likeliest(head, texts) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@every_kind
def test_labels_without_any_name_are_all_as_likely(kind: Kind) -> None:
    head = head_of(np.zeros((3, 2), np.float32), on_circle(0, 90, 200), kind)
    assert (head.weights == 0.0).all()
    assert len(set(head.probs(on_circle(10))[0].tolist())) == 1


def test_names_are_moved_towards_the_texts_that_they_stand_for() -> None:
    """The names lie at 0 and 180 degrees, all texts at 60 and 240: each name ends halfway."""
    texts = on_circle(*[60, 240] * 5)
    assert angles_of(head_of(on_circle(0, 180), NO_TEXTS)) == pytest.approx([0, 180], abs=1e-3)
    moved = head_of(on_circle(0, 180), texts)
    assert angles_of(moved) == pytest.approx([30, -150], abs=1e-3)
    np.testing.assert_allclose(np.linalg.norm(moved.weights, axis=0), SCALE, rtol=1e-5)


def test_names_are_moved_by_the_clearest_texts_alone() -> None:
    """Four of ten are clear. Texts between the names do not count, however many there are."""
    texts = on_circle(20, 200, 20, 200, 95, 95, 95, 95, 95, 95)
    assert angles_of(head_of(on_circle(0, 180), texts)) == pytest.approx([10, -170], abs=1e-3)


def test_a_name_that_no_text_is_clearest_of_stays_where_it_is() -> None:
    texts = on_circle(*[0] * 5, *[120] * 5)
    assert angles_of(head_of(THREE, texts))[2] == pytest.approx(-120, abs=1e-3)


@every_kind
def test_what_all_names_have_in_common_changes_nothing(kind: Kind) -> None:
    """Names are single words, and texts are not: an encoder puts them all on one side."""
    texts = on_circle(-20, 0, 20, 100, 120, 140, 220, 240, 260)
    plain = head_of(THREE, texts, kind)
    shifted = head_of(THREE + np.array([5.0, -3.0], np.float32), texts, kind)
    np.testing.assert_allclose(shifted.weights, plain.weights, atol=1e-4)
    np.testing.assert_allclose(shifted.bias, plain.bias, atol=2e-3)


def test_texts_are_looked_at_about_the_centre_of_the_pool() -> None:
    aside = np.array([3.0, 4.0], np.float32)
    texts = on_circle(*[60, 240] * 5)
    plain = head_of(on_circle(0, 180), texts)
    moved = named_head(on_circle(0, 180), texts + aside, "single", ("a", "b"), aside)
    np.testing.assert_allclose(moved.weights, plain.weights, atol=1e-4)
    np.testing.assert_allclose(moved.probs(texts + aside), plain.probs(texts), atol=1e-5)


@pytest.mark.parametrize("labels", [2, 3, 6])
def test_of_several_labels_a_text_is_believed_to_have_one_or_two(labels: int) -> None:
    names = on_circle(*(360 / labels * np.arange(labels)))
    texts = on_circle(*np.random.default_rng(0).uniform(0, 360, 200))
    expected = {2: MOST_SHARE, 3: MOST_SHARE, 6: LABELS_A_TEXT / 6}[labels]
    probs = head_of(names, texts, "multiple").probs(texts)
    assert probs.mean() == pytest.approx(expected, abs=1e-3)


def test_of_several_labels_without_texts_each_has_its_share_where_nothing_is_said() -> None:
    head = head_of(on_circle(*range(0, 360, 60)), NO_TEXTS, "multiple")
    np.testing.assert_allclose(expit(head.bias), LABELS_A_TEXT / 6, rtol=1e-5)


@every_kind
@pytest.mark.parametrize("texts", [NO_TEXTS, on_circle(10), on_circle(*range(0, 360, 40))])
def test_one_label_works(kind: Kind, texts: Floats) -> None:
    """Its name has nothing to differ from, so it carries no information."""
    head = head_of(on_circle(30), texts, kind)
    assert head.weights.tolist() == [[0.0], [0.0]]
    expected = MOST_SHARE if kind == "multiple" else 1.0
    np.testing.assert_allclose(head.probs(on_circle(30)), [[expected]], atol=1e-3)


def test_a_bias_gives_the_mean_probability() -> None:
    assert bias_for(np.zeros((4, 3)), 0.25) == pytest.approx(np.log(1 / 3), abs=1e-3)
    assert bias_for(np.full((2, 2), 5.0), 0.5) == pytest.approx(-5.0, abs=1e-3)
    logits = np.random.default_rng(0).normal(size=(50, 4)) * 8.0
    assert expit(logits + bias_for(logits, 0.1)).mean() == pytest.approx(0.1, abs=1e-3)


def test_the_bias_of_no_texts_is_the_share_alone() -> None:
    assert bias_for(np.zeros((0, 3)), 0.25) == pytest.approx(np.log(1 / 3))
