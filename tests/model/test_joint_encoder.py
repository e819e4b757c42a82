"""Texts, pictures and clips together in one vector, with tiny networks for the pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.encoder import BUNDLED, TextEncoder
from model.finetune import Examples, finetune
from model.image_encoder import ImageEncoder
from model.joint_encoder import Example, JointEncoder
from model.store import EncoderSpec
from model.types import Medium
from tests.model.test_image_encoder import res_net

pytestmark = pytest.mark.usefixtures("one_thread")

RED, BLUE = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
TEXT, PICTURE = 384, 24


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(res_net(tmp_path_factory.mktemp("res_net")))


def load(images: str, *layout: Medium, folder: Path | None = None) -> JointEncoder:
    text = BUNDLED if "text" in layout else ""
    image = images if {"image", "video"} & set(layout) else ""
    return JointEncoder(EncoderSpec(layout, text, image, 32), folder)


def test_a_layout_of_one_part_is_that_part_and_nothing_more(images: str) -> None:
    texts = load(images, "text").encode([("one",), ("two three",)])
    assert np.array_equal(texts, TextEncoder(BUNDLED, 32).encode(["one", "two three"]))
    pictures = load(images, "image").encode([(RED,), (BLUE,)])
    assert np.array_equal(pictures, ImageEncoder(images).encode([RED, BLUE]))


def test_parts_stand_side_by_side_with_the_same_weight_and_zeros_for_what_is_missing(
    images: str,
) -> None:
    encoder = load(images, "text", "image", "video")
    assert encoder.dimension == TEXT + PICTURE + 2 * PICTURE
    examples: list[Example] = [("one", RED, [RED, BLUE]), ("one", None, None), (None, RED, None)]
    found = encoder.encode(examples)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0)
    lengths = [np.linalg.norm(part) for part in np.split(found[0], [TEXT, TEXT + PICTURE])]
    assert lengths == pytest.approx([1 / np.sqrt(3)] * 3)
    text, picture = (
        load(images, "text").encode([("one",)])[0],
        ImageEncoder(images).encode([RED])[0],
    )
    assert found[1, :TEXT] == pytest.approx(text, abs=1e-5)
    assert not found[1, TEXT:].any()
    assert found[2, TEXT : TEXT + PICTURE] == pytest.approx(picture, abs=1e-5)
    assert not found[2, :TEXT].any() and not found[2, TEXT + PICTURE :].any()


def test_deep_training_teaches_both_networks_and_is_kept(images: str, tmp_path: Path) -> None:
    """The text tells nothing here, the picture all; then the other way round."""
    encoder = load(images, "text", "image")
    items: list[Example] = [("same", RED), ("same", BLUE), ("a dog", RED), ("a cat", RED)] * 4
    targets = np.tile(np.eye(4, dtype=np.float32), (4, 1))
    before = encoder.encode(items)
    finetune(encoder, Examples(items, targets), Examples([], targets[:0]), "single", seed=0)
    after = encoder.encode(items)
    changed = np.abs(after - before)
    assert changed[:, :TEXT].max() > 0.01 and changed[:, TEXT:].max() > 0.01
    encoder.save(tmp_path)
    again = load(images, "text", "image", folder=tmp_path).encode(items)
    assert again == pytest.approx(after, abs=1e-3)


def test_what_frames_tell_stands_in_the_vectors_of_clips_and_is_kept(
    images: str, tmp_path: Path
) -> None:
    """Blue for a moment is the label."""
    encoder = load(images, "video")
    assert encoder.clips is not None
    items: list[Example] = [([RED] * 8,), ([RED] * 4 + [BLUE] + [RED],)] * 6
    frames = encoder.clips.frames([[RED] * 8, [RED] * 4 + [BLUE] + [RED]] * 6)
    plain = encoder.encode(items[:2])
    assert frames.bounds.tolist()[:4] == [0, 8, 14, 22]
    assert encoder.clips.vectors(frames)[:2] == pytest.approx(plain, abs=1e-3)
    encoder.clips.learn(frames, np.array([[0.0], [1.0]] * 6, np.float32))
    assert encoder.dimension == 2 * PICTURE + 1
    without, with_blue = encoder.encode(items[:2])
    assert np.sign([without[-1], with_blue[-1]]).tolist() == [-1.0, 1.0]
    assert np.linalg.norm(with_blue[:-1]) == pytest.approx(abs(with_blue[-1]))
    assert encoder.clips.vectors(frames)[1] == pytest.approx(with_blue, abs=1e-3)
    encoder.save(tmp_path)
    again = load(images, "video", folder=tmp_path)
    assert again.dimension == encoder.dimension
    assert again.encode(items[:2]) == pytest.approx(np.stack([without, with_blue]), abs=1e-3)
