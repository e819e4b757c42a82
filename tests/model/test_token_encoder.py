from pathlib import Path

import numpy as np
import pytest
import torch

from model.encoders.text import BUNDLED
from model.encoders.tokens import TokenEncoder

CHINESE = Path(__file__).parents[3] / "shared" / "models" / "me5-small-zh-en"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def encoder() -> TokenEncoder:
    encoder = TokenEncoder(BUNDLED, 32)
    encoder._encoder.low_precision = False
    return encoder


TEXTS = ["Ann met  Bob\nin Paris.", "x", "  Unbelievably long words.", "\u200b"]


def test_each_token_has_its_place_in_the_text(encoder: TokenEncoder) -> None:
    tokens = encoder.encode(TEXTS)
    assert len(tokens) == 4
    pieces = [TEXTS[0][start:end] for start, end in tokens.places_of(0).tolist()]
    assert pieces == ["Ann", "met", "Bob", "in", "Paris", "."]
    joined = "".join(TEXTS[2][start:end] for start, end in tokens.places_of(2).tolist())
    assert joined == "Unbelievablylongwords."
    assert tokens.states.shape == (tokens.bounds[-1], encoder.dimension)
    assert np.diff(tokens.bounds).min() >= 1, "a text without a token has one"


def test_a_long_text_is_read_as_far_as_the_limit(encoder: TokenEncoder) -> None:
    (places,) = encoder.places(["word " * 100])
    assert len(places) == 30, "32 with the two special tokens"


def test_alone_and_beside_others_a_text_reads_the_same(encoder: TokenEncoder) -> None:
    together = encoder.encode(TEXTS)
    for row, text in enumerate(TEXTS):
        mine = together.states[together.bounds[row] : together.bounds[row + 1]]
        np.testing.assert_allclose(mine, encoder.encode([text]).states, atol=5e-3)


def test_forward_gives_the_same_states_with_gradients(encoder: TokenEncoder) -> None:
    states = encoder.forward(TEXTS)
    np.testing.assert_allclose(states.detach().numpy(), encoder.pool(TEXTS), atol=5e-3)
    assert states.requires_grad
    with torch.no_grad():
        assert len(encoder.forward(TEXTS)) == len(states)


def test_no_texts_have_no_tokens(encoder: TokenEncoder) -> None:
    tokens = encoder.encode([])
    assert (len(tokens), tokens.states.shape) == (0, (0, encoder.dimension))


@pytest.mark.skipif(not CHINESE.is_dir(), reason="there is no me5-small-zh-en in shared/models")
def test_the_prefix_is_no_part_of_a_text() -> None:
    encoder, text = TokenEncoder(str(CHINESE), 64), "江泽民在北京会见 Tony Blair。"
    tokens = encoder.encode([text])
    pieces = [text[start:end] for start, end in tokens.places.tolist()]
    assert "".join(pieces) == text.replace(" ", "")
    assert not any("query" in piece for piece in pieces)


def test_of_a_question_before_a_passage_only_the_passage_has_tokens(encoder: TokenEncoder) -> None:
    pairs = [("Ann met Bob.", "Who?"), ("Ann met Bob.", "Where?"), ("Ann met Bob.", None)]
    tokens = encoder.encode(pairs)
    for row in range(3):
        words = [pairs[row][0][start:end] for start, end in tokens.places_of(row).tolist()]
        assert words == ["Ann", "met", "Bob", "."]
    first, second, without = (tokens.states_of(row).astype(np.float32) for row in range(3))
    assert np.abs(first - second).max() > 0.01, "the question changes what the tokens mean"
    assert np.abs(first - without).max() > 0.01


def test_each_window_of_a_long_passage_follows_the_question() -> None:
    encoder = TokenEncoder(BUNDLED, 32, windows=3)
    question = "one two three four five six seven eight nine ten eleven twelve"
    (places,) = encoder.places([("word " * 200, question)])
    # 32 tokens without three special ones and a quarter of 32 of the question.
    assert len(places) == 3 * (32 - 3 - 8)
    assert np.all(np.diff(places[:, 0]) == 5), "there are no gaps"
    alone, with_half_a_character = encoder.encode([("a\nb", ""), ("a\nb", "\ud83d")]).bounds[1:]
    assert (alone, with_half_a_character) == (2, 4)


@pytest.mark.parametrize(("limit", "read"), [(8, 4), (10, 2), (16, 5)])
def test_the_shortest_windows_leave_room_for_the_passage(limit: int, read: int) -> None:
    """Its prefix and four special tokens take eight of them: eight have no room for the prefix."""
    if not CHINESE.is_dir():
        pytest.skip(f"there is no {CHINESE.name} beside the checkout, in shared/models")
    encoder = TokenEncoder(str(CHINESE), limit)
    (places,) = encoder.places([("one two three four five six", "a question that is too long")])
    assert len(places) == read
