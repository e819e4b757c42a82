"""Which of two things is chosen: swapped, the answer is swapped, too."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import pipeline

from model.choosing.audit import in_reserve
from model.encoders.finetune import Examples, finetune
from model.encoders.images import ImageEncoder
from model.encoders.joint import Example, JointEncoder
from model.encoders.text import TextEncoder
from model.export import export
from model.heads.head import Head, fit_head
from model.learner import fast_round
from model.measuring.review import verdicts
from model.snapshot import Policy, Snapshot
from model.storage.heads import arrays_of, facts_of, head_of
from model.transferred import votes_of
from model.types import EncoderSpec, Floats
from tests.model.test_image_encoder import res_net

SIDES = ("left", "right")
N, D = 400, 24


def made(seed: int = 0) -> tuple[Floats, Floats]:
    """Differences (N, D) of two vectors, and which of the two is worth more (N, 2)."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(N, D)).astype(np.float32) + 0.3
    is_left = vectors @ rng.normal(size=D) > 0
    return vectors, np.stack([is_left, ~is_left], axis=1).astype(np.float32)


def assert_symmetric(head: Head, vectors: Floats) -> None:
    """P(left | a, b) = P(right | b, a)."""
    assert np.allclose(head.probs(vectors), head.probs(-vectors)[:, ::-1], atol=1e-6)


def test_swapped_things_swap_the_probabilities() -> None:
    vectors, targets = made()
    # Almost always the left one: where a bias would run off to.
    rows = np.concatenate([np.flatnonzero(targets[:, 0])[:40], np.flatnonzero(targets[:, 1])[:2]])
    head = fit_head(vectors[rows], targets[rows], "pair", SIDES, vectors.mean(axis=0))
    assert_symmetric(head, vectors)
    assert head.probs(np.zeros((1, D), np.float32)) == pytest.approx(0.5)
    assert not head.bias.any()
    assert not head.centre.any()


def test_swapped_examples_make_the_same_head() -> None:
    vectors, targets = made()
    one = fit_head(vectors[:50], targets[:50], "pair", SIDES, np.zeros(D, np.float32))
    other = fit_head(-vectors[:50], targets[:50, ::-1], "pair", SIDES, np.zeros(D, np.float32))
    assert np.allclose(one.probs(vectors), other.probs(vectors), atol=1e-4)


def test_things_that_are_alike_are_undecided() -> None:
    vectors, targets = made()
    head = fit_head(vectors[:50], targets[:50], "pair", SIDES, np.zeros(D, np.float32))
    far, near = (np.abs(head.probs(scale * vectors) - 0.5).mean() for scale in (1.0, 0.01))
    assert near < 0.1 * far


def snapshot(answered: int) -> Snapshot:
    vectors, targets = made()
    rows = np.arange(answered)
    is_open = np.arange(N) >= answered
    ids = np.arange(1, N + 1)
    return Snapshot(ids, vectors, is_open, rows, targets[rows], SIDES, "pair")


@pytest.mark.parametrize("strategy", ["variance", "query_synthesis", "margin", "k_center_cosine"])
def test_a_round_learns_measures_and_orders(strategy: str) -> None:
    """With a calibration by audit labels, which must not shift either side."""
    known = snapshot(200)
    outcome = fast_round(known, Policy(strategy, 20, 0.2, 0))
    assert outcome.head is not None
    assert_symmetric(outcome.head, known.vectors[np.arange(N)])
    assert len(outcome.validation) == in_reserve(known.ids[:200], 0.2, 0).sum()
    assert outcome.metrics["accuracy"]["value"] > 0.8
    assert len(outcome.rows) == 20
    assert (outcome.rows >= 200).all()


def test_a_second_round_begins_where_the_first_ended() -> None:
    first = fast_round(snapshot(100), Policy("variance", 20, 0.2, 0))
    again = fast_round(snapshot(101), Policy("variance", 20, 0.2, 0), first.fitted)
    fresh = fast_round(snapshot(101), Policy("variance", 20, 0.2, 0))
    assert again.fitted is not None and fresh.fitted is not None
    assert np.allclose(again.fitted.weights, fresh.fitted.weights, atol=2e-2)


def test_what_two_things_have_in_common_does_not_draw_the_order() -> None:
    """Of things that are alike the model is always undecided, and they teach nothing."""
    known = snapshot(200)
    vectors = known.vectors[np.arange(N)]
    alike = np.arange(200, 300)
    vectors[alike] *= 0.01
    changed = Snapshot(known.ids, vectors, known.open, known.answered, known.targets, SIDES, "pair")
    outcome = fast_round(changed, Policy("variance", 20, 0.0, 0, guard=False))
    assert not np.isin(outcome.rows, alike).any()


def test_it_is_kept_like_other_heads() -> None:
    outcome = fast_round(snapshot(100), Policy("variance", 20, 0.2, 0))
    assert outcome.head is not None
    kept = head_of(facts_of(outcome.head), arrays_of(outcome.head))
    assert kept.is_of_pairs
    assert_symmetric(kept, made()[0])


def test_an_earlier_head_votes_without_the_centre_of_the_new_pool() -> None:
    vectors, targets = made()
    head = fit_head(vectors[:50], targets[:50], "pair", SIDES, np.zeros(D, np.float32))
    votes = votes_of("earlier", head, vectors, vectors.mean(axis=0), {0: 0, 1: 1}, "pair")
    assert votes.labels.tolist() == head.probs(vectors).argmax(axis=1).tolist()


def test_a_label_that_contradicts_all_others_is_doubted() -> None:
    probs = np.array([[[0.99, 0.01], [0.4, 0.6]]] * 3)
    targets = np.array([[0.0, 1.0], [0.0, 1.0]], np.float32)
    assert verdicts(probs, targets, "pair").wrong.tolist() == [True, False]


@pytest.fixture(scope="module")
def texts(one_layer: Path) -> JointEncoder:
    return JointEncoder(EncoderSpec(("pair", "text", "text"), str(one_layer), "", 32))


@pytest.mark.usefixtures("one_thread")
def test_texts_are_read_one_by_one(texts: JointEncoder, one_layer: Path) -> None:
    pairs: list[Example] = [(None, "one", "two three"), (None, "four", "one"), (None, "a", "a")]
    swapped: list[Example] = [(None, second, first) for _, first, second in pairs]
    found = texts.encode(pairs)
    alone = TextEncoder(str(one_layer), 32).encode(["one", "two three", "four"])
    assert np.allclose(found[0], alone[0] - alone[1], atol=1e-6)
    assert np.allclose(found[1], alone[2] - alone[0], atol=1e-6)
    assert np.allclose(found[2], 0.0, atol=1e-6)
    assert np.allclose(texts.encode(swapped), -found, atol=1e-6)
    assert np.allclose(texts.pool(swapped), -texts.pool(pairs), atol=1e-5)
    assert texts.encode([]).shape == (0, texts.dimension)


@pytest.mark.usefixtures("one_thread")
def test_it_counts_which_of_two_texts_is_nearer_to_the_one_beside_them(one_layer: Path) -> None:
    layout = EncoderSpec(("pair", "text", "text", "text"), str(one_layer), "", 32)
    encoder = JointEncoder(layout)
    pairs: list[Example] = [(None, "one", "two three", "four"), (None, "one", "two three", None)]
    found = encoder.encode(pairs)
    assert found.shape == (2, encoder.dimension)
    one, two, four = TextEncoder(str(one_layer), 32).encode(["one", "two three", "four"])
    width = len(one)
    assert np.allclose(found[:, :width], one - two, atol=1e-6)
    assert np.allclose(found[0, width:-1], 0.5 * np.sqrt(width) * four * (one - two), atol=1e-5)
    assert found[0, -1] == pytest.approx(3.0 * (one - two) @ four, abs=1e-5)
    assert not found[1, width:].any()
    swapped: list[Example] = [(None, "two three", "one", "four"), (None, "two three", "one", None)]
    assert np.allclose(encoder.encode(swapped), -found, atol=1e-6)
    assert np.allclose(encoder.pool(swapped), -encoder.pool(pairs), atol=1e-5)
    assert encoder.pool(pairs).shape == (2, encoder.dimension)
    assert encoder.encode([]).shape == (0, encoder.dimension)


@pytest.mark.usefixtures("one_thread")
def test_pictures_with_their_own_text_are_read_one_by_one(one_layer: Path, tmp_path: Path) -> None:
    images = str(res_net(tmp_path))
    layout = EncoderSpec(("pair", "text", "image", "text", "image"), str(one_layer), images, 32)
    encoder = JointEncoder(layout)
    red, blue = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
    found = encoder.encode([(None, "one", red, "two", blue), (None, "one", red, None, blue)])
    assert found.shape == (2, encoder.dimension)
    pictures = ImageEncoder(images).encode([red, blue])
    difference = (pictures[0] - pictures[1]) / np.sqrt(2)
    assert np.allclose(found[0, -pictures.shape[1] :], difference, atol=1e-5)
    swapped = encoder.encode([(None, "two", blue, "one", red)])
    assert np.allclose(swapped, -found[:1], atol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_deep_round_teaches_the_encoder(one_layer: Path, tmp_path: Path) -> None:
    spec = EncoderSpec(("pair", "text", "text"), str(one_layer), "", 32)
    encoder = JointEncoder(spec)
    good, bad = ("a fine day", "a good book"), ("a poor day", "a bad book")
    pairs: list[Example] = [(None, one, two) for one in good for two in bad]
    pairs += [(None, two, one) for one in good for two in bad]
    targets = np.repeat(np.eye(2, dtype=np.float32), 4, axis=0)
    before = encoder.encode(pairs)
    finetune(encoder, Examples(pairs, targets), Examples([], targets[:0]), "pair", seed=0)
    assert np.abs(encoder.encode(pairs) - before).max() > 0.01
    encoder.save(tmp_path)
    again = JointEncoder(spec, tmp_path)
    assert np.allclose(again.encode(pairs), encoder.encode(pairs), atol=1e-5)
    vectors = again.encode(pairs)
    head = fit_head(vectors, targets, "pair", SIDES, vectors[0])
    assert (head.probs(vectors).argmax(axis=1) == targets.argmax(axis=1)).all()


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_an_exported_folder_gives_each_text_a_score(
    texts: JointEncoder, one_layer: Path, tmp_path: Path
) -> None:
    """The difference of the scores of two texts is how clearly the first is chosen."""
    pairs: list[Example] = [(None, "one", "two three"), (None, "four", "one")]
    vectors = texts.encode(pairs)
    head = fit_head(vectors, np.eye(2, dtype=np.float32), "pair", SIDES, vectors[0])
    export(TextEncoder(str(one_layer), 32), head, tmp_path, {"version": "1.1"})
    score = pipeline("text-classification", str(tmp_path), function_to_apply="none")
    one, two, four = (row["score"] for row in score(["one", "two three", "four"]))
    clearness = np.array([one - two, four - one])
    assert head.probs(vectors)[:, 0] == pytest.approx(1 / (1 + np.exp(-clearness)), abs=1e-3)
    card = (tmp_path / "README.md").read_text()
    assert "# Which of two texts is better" in card
    assert "| score | the higher, the better |" in card
