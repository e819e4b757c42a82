import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.encoders.errors import NotAnEncoder
from model.encoders.text import (
    BUNDLED,
    RECIPE_FILE,
    Recipe,
    TextEncoder,
    batches_of_similar_length,
    prefix_of,
    read_recipe,
    resolve,
)

CATS = "The cat sleeps on the sofa."
KITTENS = "A kitten is napping on a couch."
RATES = "The central bank raised its interest rates."


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(BUNDLED, 32)


def write_pooling(folder: Path, **stated: object) -> None:
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(stated))


def test_vectors_have_unit_length(encoder: TextEncoder) -> None:
    vectors = encoder.encode([CATS, "", "x", RATES * 50])
    assert vectors.shape == (4, encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_similar_sentences_are_nearer(encoder: TextEncoder) -> None:
    cats, kittens, rates = encoder.encode([CATS, KITTENS, RATES])
    assert cats @ kittens > 0.5
    assert cats @ rates < 0.2


def test_vectors_stand_in_the_order_of_the_texts(encoder: TextEncoder) -> None:
    """Batches are made by length, so that the order must be restored: 70 texts are 3 batches."""
    texts = [f"{word} " * (1 + row % 9) for row, word in enumerate(["cat", "bank", "sea"] * 23)]
    texts.append(CATS)
    together = encoder.encode(texts)
    for row in (0, 1, 33, 50, 69):
        np.testing.assert_allclose(together[row], encoder.encode([texts[row]])[0], atol=1e-2)


def test_a_text_has_one_vector_whatever_its_batch(encoder: TextEncoder) -> None:
    """Vectors are cached by text: padding to a long neighbour's length must not change them."""
    alone = encoder.encode([CATS])[0]
    beside_long_ones = encoder.encode([CATS, *[RATES * 20] * 40])[0]
    np.testing.assert_allclose(beside_long_ones, alone, atol=1e-2)


def test_a_text_of_a_megabyte_is_read_by_its_beginning(encoder: TextEncoder) -> None:
    beginning = " ".join([CATS] * 12)
    long, short = encoder.encode([beginning + " bank" * 200_000, beginning])
    np.testing.assert_allclose(long, short, atol=1e-2)


def test_no_texts_no_vectors(encoder: TextEncoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_a_saved_encoder_gives_the_same_vectors(encoder: TextEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path)
    loaded = TextEncoder(str(tmp_path), 32)
    texts = [CATS, KITTENS, RATES]
    assert loaded.recipe == encoder.recipe
    np.testing.assert_allclose(loaded.encode(texts), encoder.encode(texts), atol=1e-5)


def test_a_prefix_of_the_recipe_is_put_before_each_text(
    encoder: TextEncoder, tmp_path: Path
) -> None:
    folder = tmp_path / "e5-tiny"
    encoder.save(folder)
    (folder / RECIPE_FILE).unlink()
    prefixed = TextEncoder(str(folder), 32).encode([CATS])
    np.testing.assert_allclose(prefixed, encoder.encode([f"query: {CATS}"]), atol=1e-5)
    assert prefixed[0] @ encoder.encode([CATS])[0] < 0.99


def test_cls_pooling_reads_the_first_state_alone(encoder: TextEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path)
    (tmp_path / RECIPE_FILE).write_text(json.dumps({"pooling": "cls", "prefix": ""}))
    cls = TextEncoder(str(tmp_path), 32)
    tokens = cls.tokenizer([CATS], return_tensors="pt").to(cls.device)
    with torch.inference_mode():
        first = cls.network(**tokens).last_hidden_state[0, 0].cpu().numpy()
    cosine = cls.encode([CATS])[0] @ first / np.linalg.norm(first)
    assert cosine > 0.999
    assert cls.encode([CATS])[0] @ encoder.encode([CATS])[0] < 0.99


def test_a_missing_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not-there"):
        TextEncoder(str(tmp_path / "not-there"), 32)


def test_the_bundled_encoder_is_a_folder_on_this_machine() -> None:
    assert (Path(resolve(BUNDLED)) / "config.json").is_file()
    assert resolve("intfloat/e5-small-v2") == "intfloat/e5-small-v2"


@pytest.mark.parametrize(
    ("stated", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
    ],
)
def test_pooling_is_read_from_the_files_of_sentence_transformers(
    tmp_path: Path, stated: dict[str, bool], pooling: str
) -> None:
    write_pooling(tmp_path, **stated)
    assert read_recipe(str(tmp_path)).pooling == pooling


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("e5-base-v2", "query: "),
        ("multilingual-e5-small", "query: "),
        ("me5-small-zh-en", "query: "),
        ("all-MiniLM-L6-v2", ""),
        ("base5-large", ""),
        ("some5-e", ""),
    ],
)
def test_encoders_of_the_e5_family_want_a_prefix(tmp_path: Path, name: str, prefix: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    assert read_recipe(str(folder)) == Recipe("mean", prefix)
    assert prefix_of(f"intfloat/{name}") == prefix


def test_our_own_recipe_stands_above_all_others(tmp_path: Path) -> None:
    """A fine-tuned e5 is saved under a number: its prefix must be kept."""
    folder = tmp_path / "e5-base"
    write_pooling(folder, pooling_mode_cls_token=True)
    (folder / RECIPE_FILE).write_text(json.dumps({"pooling": "mean", "prefix": "passage: "}))
    assert read_recipe(str(folder)) == Recipe("mean", "passage: ")


def test_the_longest_come_first_and_every_row_once() -> None:
    """No padded batch is longer than 6 in total, except for a row that is longer by itself."""
    batches = [rows.tolist() for rows in batches_of_similar_length([2, 7, 1, 3, 3, 1], 6)]
    assert batches == [[1], [3, 4], [0, 2, 5]]


def test_half_an_emoji_can_be_encoded(encoder: TextEncoder) -> None:
    """Cutting a text between the halves of a surrogate pair leaves what tokenizers refuse."""
    assert np.isfinite(encoder.encode(["a \ud83d b"])).all()


def test_more_tokens_than_the_network_has_are_cut() -> None:
    """MAX_TOKENS=1024 broke every long text: MiniLM has 512 positions."""
    assert TextEncoder(BUNDLED, 1024).encode(["a b " * 2000]).shape == (1, 384)


def test_pooling_of_sentence_transformers_6(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    stated = {"embedding_dimension": 8, "pooling_mode": "cls", "include_prompt": True}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(stated))
    assert read_recipe(str(tmp_path)).pooling == "cls"


def test_a_folder_without_a_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NotAnEncoder, match=f"^{tmp_path} is no text encoder: it must be"):
        TextEncoder(str(tmp_path), 32)


class Touch:
    """Pickled, it makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mknod, (str(self.path),)


def test_weights_that_bring_code_are_refused_and_the_code_is_not_run(tmp_path: Path) -> None:
    folder, made = tmp_path / "encoder", tmp_path / "made"
    TextEncoder(BUNDLED, 32).save(folder)
    (folder / "model.safetensors").unlink()
    torch.save({"weights": Touch(made)}, folder / "pytorch_model.bin")
    with pytest.raises(NotAnEncoder, match="is no text encoder"):
        TextEncoder(str(folder), 32)
    assert not made.exists()


def test_a_tuned_network_is_what_encodes() -> None:
    """Where 16 bits are faster a copy of the network encodes, but not one from before tuning."""
    encoder = TextEncoder(BUNDLED, 32)
    before = encoder.encode([CATS])
    with torch.no_grad():
        for weight in encoder.network.encoder.layer[-1].parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    encoder.forget_copy()
    after = encoder.encode([CATS])
    assert np.abs(after - before).max() > 0.01
