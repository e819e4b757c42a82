"""Texts that are longer than what a network reads at once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.encoders.blending import blended
from model.encoders.finetune import MOST_ROWS, _in_parts
from model.encoders.joint import JointEncoder
from model.encoders.text import TRAINED_WINDOWS, TextEncoder, spread
from model.encoders.tokens import TokenEncoder
from model.encoders.vectors import means_of_parts, standardised
from model.export import check
from model.heads.head import fit_head
from model.types import EncoderSpec
from tests.model.test_image_encoder import vit

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = 12
"""Tokens of a window: ten of a text, and two special ones."""
SHORT = ["sea", "one two three", ""]
LONG = (
    "one two three four five six seven eight nine ten sea sea sea sea sea sea sea sea sea sea moon"
)


@pytest.fixture(scope="module")
def network(one_layer: Path) -> str:
    return str(one_layer)


def in_full(encoder: TextEncoder) -> TextEncoder:
    encoder.low_precision = False
    return encoder


@pytest.mark.parametrize(
    ("count", "chosen", "places"),
    [(1, 1, [0]), (3, 3, [0, 1, 2]), (9, 3, [0, 4, 8]), (7, 1, [0]), (10, 4, [0, 3, 6, 9])],
)
def test_the_windows_of_a_very_long_text_are_spread_over_it(
    count: int, chosen: int, places: list[int]
) -> None:
    assert spread(count, chosen).tolist() == places


def test_means_of_parts() -> None:
    states = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]], np.float32)
    assert means_of_parts(states, np.array([1, 2])).tolist() == [[1.0, 2.0], [4.0, 2.0]]
    assert means_of_parts(states, np.array([1, 1, 1])) is states


def test_short_texts_have_the_vectors_that_they_had(network: str) -> None:
    cut, whole = (in_full(TextEncoder(network, SIZE, windows)) for windows in (1, 8))
    assert np.array_equal(cut.encode(SHORT), whole.encode(SHORT))


def test_the_state_of_a_long_text_is_the_mean_of_its_windows(network: str) -> None:
    encoder = in_full(TextEncoder(network, SIZE, 8))
    pieces = ["one two three four five six seven eight nine ten", "sea " * 10, "moon"]
    alone = in_full(TextEncoder(network, SIZE)).pool(pieces)
    (pooled, _) = encoder.pool([LONG, "sea"])
    np.testing.assert_allclose(pooled, alone.mean(axis=0), atol=1e-5)
    (vector,) = encoder.encode([LONG])
    np.testing.assert_allclose(vector, standardised(pooled[None])[0], atol=1e-5)


def test_of_a_text_with_too_many_windows_the_first_and_the_last_are_read(network: str) -> None:
    encoder = in_full(TextEncoder(network, SIZE, 2))
    first, middle, last = "one " * 10, "two " * 10, "sea " * 10
    read = encoder.pool([first + last, first + middle + last, first + middle * 2])
    np.testing.assert_allclose(read[0], read[1], atol=1e-5)
    assert np.abs(read[2] - read[1]).max() > 0.01


def test_a_text_that_is_cut_is_read_as_before(network: str) -> None:
    encoder = in_full(TextEncoder(network, SIZE))
    together = encoder.pool([LONG, "one two three four five six seven eight nine ten"])
    np.testing.assert_allclose(together[0], together[1], atol=1e-5)


def test_training_reads_some_windows_and_has_gradients(network: str) -> None:
    encoder = in_full(TextEncoder(network, SIZE, 8))
    read = encoder.forward([LONG, "sea"])
    assert read.requires_grad
    np.testing.assert_allclose(read.detach().numpy(), encoder.pool([LONG, "sea"]), atol=1e-5)
    states, lengths = encoder.states_of_windows([LONG])
    assert lengths.tolist() == [3] and TRAINED_WINDOWS == 2
    pairs = [(states[one] + states[other]) / 2 for one, other in ((0, 1), (0, 2), (1, 2))]
    encoder.network.train()
    for module in encoder.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    torch.manual_seed(0)
    drawn = {
        int(np.argmin([np.abs(pair - one).max() for pair in pairs]))
        for one in (encoder.forward([LONG]).detach().numpy()[0] for _ in range(20))
    }
    assert drawn == {0, 1, 2}, "each two of the three windows, by and by"


def documents(count: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Of eight windows each; in every second one a sentence in one of them is about the sea."""
    rng = np.random.default_rng(seed)
    words = ["stone", "paper", "table", "window", "garden", "street", "letter", "summer"]
    texts = []
    for row in range(count):
        pieces = [" ".join(rng.choice(words, 10)) for _ in range(8)]
        if row % 2:
            pieces[int(rng.integers(8))] = "ship sea boat sea water sail sea ship wave sea"
        texts.append(" ".join(pieces))
    return texts, np.eye(2, dtype=np.float32)[np.arange(count) % 2]


def test_one_sentence_in_a_long_text_is_learnt(network: str, tmp_path: Path) -> None:
    """The mean of eight windows hides what one of them says."""
    encoder = in_full(TextEncoder(network, SIZE, 8))
    texts, targets = documents(40, 0)
    encoder.learn_windows(texts, targets)
    assert encoder.dimension == encoder.state_dimension + 2
    tested, truth = documents(60, 1)
    vectors, others = encoder.encode(texts), encoder.encode(tested)
    assert vectors.shape == (40, encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(others, axis=1), 1.0, atol=1e-5)
    head = fit_head(vectors, targets, "single", ("land", "sea"), vectors.mean(axis=0))
    right = (head.answers(head.probs(others)) == (truth > 0)).all(axis=1)
    assert right.mean() >= 0.95
    encoder.save(tmp_path)
    again = in_full(TextEncoder(str(tmp_path), SIZE, 8))
    np.testing.assert_allclose(again.encode(tested[:4]), others[:4], atol=1e-5)
    with pytest.raises(ValueError, match="MAX_WINDOWS=1"):
        check(again, head)
    again.forget_windows()
    assert again.dimension == again.state_dimension


def test_where_no_text_is_long_nothing_is_learnt_of_windows(network: str) -> None:
    encoder = in_full(TextEncoder(network, SIZE, 8))
    encoder.learn_windows(["sea", "moon"], np.eye(2, dtype=np.float32))
    assert encoder.dimension == encoder.state_dimension


def test_beside_a_picture_texts_are_read_in_windows_too(one_layer: Path, tmp_path: Path) -> None:
    images = vit(tmp_path / "vit")
    spec = EncoderSpec(("text", "image"), str(one_layer), str(images), SIZE, windows=8)
    encoder = JointEncoder(spec)
    texts, targets = documents(8, 0)
    before = encoder.dimension
    encoder.learn_windows([(text, None) for text in texts], targets)
    assert encoder.dimension == before + 2
    assert encoder.encode([(texts[0], None), (None, None)]).shape == (2, before + 2)


def test_an_encoder_that_is_taken_over_forgets_the_other_labels(
    one_layer: Path, tmp_path: Path
) -> None:
    spec = EncoderSpec(("text",), str(one_layer), "", SIZE, windows=8)
    tuned = JointEncoder(spec)
    texts, targets = documents(8, 0)
    tuned.learn_windows([(text,) for text in texts], targets)
    tuned.save(tmp_path)
    assert JointEncoder(spec, tmp_path).dimension == tuned.dimension
    assert blended(spec, tmp_path).dimension == tuned.dimension - 2


def test_all_tokens_of_a_long_text_have_places(network: str) -> None:
    encoder = TokenEncoder(network, SIZE, 3)
    encoder._encoder.low_precision = False
    texts = [LONG, "  ", "sea", "one " * 50]
    tokens = encoder.encode(texts)
    words = [LONG[start:end] for start, end in tokens.places_of(0).tolist()]
    assert words == LONG.split()
    assert tokens.places_of(1).tolist() == [[0, 2]], "a text without any token has one"
    assert tokens.places_of(3).tolist() == [[4 * place, 4 * place + 3] for place in range(30)]
    assert [len(places) for places in encoder.places(texts)] == [21, 1, 1, 30]
    read = encoder.forward(texts)
    np.testing.assert_allclose(read.detach().numpy(), encoder.pool(texts), atol=1e-5)
    alone = encoder.encode([LONG])
    np.testing.assert_allclose(alone.states, tokens.states[:21], atol=5e-3)


def test_batches_of_long_texts_are_small() -> None:
    counts = np.array([MOST_ROWS // 2, MOST_ROWS // 2, MOST_ROWS * 2, 1, 1, 1])
    parts = [part.tolist() for part in _in_parts(np.arange(6), counts)]
    assert parts == [[0], [1], [2], [3, 4, 5]]
    assert [part.tolist() for part in _in_parts(np.arange(6), None)] == [[0, 1, 2, 3, 4, 5]]
