"""Texts, pictures and clips together in one vector, with tiny networks for the pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.encoders.finetune import Examples, finetune
from model.encoders.images import ImageEncoder
from model.encoders.joint import Example, JointEncoder
from model.encoders.text import TextEncoder
from model.types import EncoderSpec, Floats, Medium
from tests.model.test_image_encoder import res_net

pytestmark = pytest.mark.usefixtures("one_thread")

RED, BLUE = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
TEXT, PICTURE = 384, 24


@dataclass(frozen=True)
class Networks:
    """Folders of small encoders."""

    texts: str
    images: str


@pytest.fixture(scope="module")
def networks(one_layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Networks:
    return Networks(str(one_layer), str(res_net(tmp_path_factory.mktemp("res_net"))))


def load(networks: Networks, *layout: Medium, folder: Path | None = None) -> JointEncoder:
    text = networks.texts if {"text", "document"} & set(layout) else ""
    image = networks.images if {"image", "images", "video"} & set(layout) else ""
    return JointEncoder(EncoderSpec(layout, text, image, 32), folder)


def test_a_layout_of_one_part_is_that_part_and_nothing_more(networks: Networks) -> None:
    texts = load(networks, "text").encode([("one",), ("two three",)])
    assert np.array_equal(texts, TextEncoder(networks.texts, 32).encode(["one", "two three"]))
    pictures = load(networks, "image").encode([(RED,), (BLUE,)])
    assert np.array_equal(pictures, ImageEncoder(networks.images).encode([RED, BLUE]))


def test_texts_in_files_are_read_by_the_network_of_texts(
    networks: Networks, tmp_path: Path
) -> None:
    """One network, which is tuned and saved once."""
    alone = load(networks, "document").encode([("one",)])
    assert np.array_equal(alone, load(networks, "text").encode([("one",)]))
    encoder = load(networks, "text", "document")
    texts, documents = np.hsplit(encoder.encode([("one", "one"), (None, "one")]), 2)
    assert texts[0] == pytest.approx(documents[0], abs=1e-5)
    assert not texts[1].any() and documents[1] == pytest.approx(alone[0], abs=1e-5)
    encoder.save(tmp_path)
    again = load(networks, "text", "document", folder=tmp_path)
    assert np.array_equal(again.encode([("one", None)]), encoder.encode([("one", None)]))


def test_several_pictures_are_as_the_frames_of_a_clip(networks: Networks) -> None:
    encoder = load(networks, "images")
    assert not encoder.is_tunable
    states = encoder.frozen["images"].read([RED, BLUE])
    assert encoder.encode([(states,)])[0] == pytest.approx(
        load(networks, "video").encode([(states,)])[0]
    )


def test_parts_stand_side_by_side_with_the_same_weight_and_zeros_for_what_is_missing(
    networks: Networks,
) -> None:
    encoder = load(networks, "text", "image", "video")
    assert encoder.dimension == TEXT + PICTURE + 2 * PICTURE
    assert encoder.clips is not None
    clip = encoder.clips.read([RED, BLUE])
    examples: list[Example] = [("one", RED, clip), ("one", None, None), (None, RED, None)]
    found = encoder.encode(examples)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0)
    lengths = [np.linalg.norm(part) for part in np.split(found[0], [TEXT, TEXT + PICTURE])]
    assert lengths == pytest.approx([1 / np.sqrt(3)] * 3)
    text, picture = (
        load(networks, "text").encode([("one",)])[0],
        ImageEncoder(networks.images).encode([RED])[0],
    )
    assert found[1, :TEXT] == pytest.approx(text, abs=1e-5)
    assert not found[1, TEXT:].any()
    assert found[2, TEXT : TEXT + PICTURE] == pytest.approx(picture, abs=1e-5)
    assert not found[2, :TEXT].any() and not found[2, TEXT + PICTURE :].any()


@pytest.mark.slow
def test_deep_training_teaches_both_networks_and_is_kept(
    networks: Networks, tmp_path: Path
) -> None:
    """Some items differ only in the picture, the others only in the text."""
    encoder = load(networks, "text", "image")
    items: list[Example] = [("same", RED), ("same", BLUE), ("a dog", RED), ("a cat", RED)] * 4
    targets = np.tile(np.eye(4, dtype=np.float32), (4, 1))
    before = encoder.encode(items)
    finetune(encoder, Examples(items, targets), Examples([], targets[:0]), "single", seed=0)
    after = encoder.encode(items)
    changed = np.abs(after - before)
    assert changed[:, :TEXT].max() > 0.01 and changed[:, TEXT:].max() > 0.01
    encoder.save(tmp_path)
    again = load(networks, "text", "image", folder=tmp_path).encode(items)
    assert again == pytest.approx(after, abs=1e-3)


@pytest.mark.slow
def test_clips_and_sounds_are_no_networks_to_tune_or_to_save(
    networks: Networks, tmp_path: Path
) -> None:
    """Copies of them filled the disk with each deep round, and each clip was read a second time."""
    encoder = load(networks, "text", "video")
    assert encoder.is_tunable and encoder.clips is not None
    assert not load(networks, "video").is_tunable
    clips = [encoder.clips.read([picture] * 2) for picture in (RED, BLUE)]
    items: list[Example] = [("good", clips[0]), ("bad", clips[1]), ("good", None), (None, clips[1])]
    targets = np.tile(np.eye(2, dtype=np.float32), (2, 1))
    before = encoder.encode(items)
    finetune(encoder, Examples(items, targets), Examples([], targets[:0]), "single", seed=0)
    changed = np.abs(encoder.encode(items) - before)
    assert changed[:2, :TEXT].max() > 0.01
    assert changed[3].max() == 0.0, "the clip alone is what it was"
    encoder.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["text"]
    again = load(networks, "text", "video", folder=tmp_path)
    assert again.encode(items) == pytest.approx(encoder.encode(items), abs=1e-3)


@pytest.mark.parametrize("layout", [("video",), ("text", "video"), ("video", "text", "video")])
def test_what_frames_tell_stands_in_the_vectors_of_clips_and_is_kept(
    networks: Networks, tmp_path: Path, layout: tuple[Medium, ...]
) -> None:
    """Blue for a moment is the label."""
    encoder = load(networks, *layout)
    assert encoder.clips is not None
    without, with_blue = (
        encoder.clips.read(clip) for clip in ([RED] * 8, [RED] * 4 + [BLUE] + [RED])
    )

    def example(clip: Floats) -> Example:
        """The clip is the first video; a second one is missing."""
        missing = iter([clip, None])
        return tuple("same" if medium == "text" else next(missing) for medium in layout)

    items = [example(without), example(with_blue)]
    plain = encoder.clips.encode([without, with_blue])
    encoder.learn_clips(items * 6, np.array([[0.0], [1.0]] * 6, np.float32))
    dimension = 2 * PICTURE + 1
    assert encoder.dimension == sum(TEXT if one == "text" else dimension for one in layout)
    start = 0 if layout[0] == "video" else TEXT
    found = encoder.encode(items)[:, start : start + dimension]
    assert np.sign(found[:, -1]).tolist() == [-1.0, 1.0]
    assert np.linalg.norm(found[:, :-1], axis=1) == pytest.approx(np.abs(found[:, -1]))
    unit = found[:, :-1] / np.linalg.norm(found[:, :-1], axis=1, keepdims=True)
    assert unit == pytest.approx(plain, abs=1e-3)
    encoder.save(tmp_path)
    again = load(networks, *layout, folder=tmp_path)
    assert again.dimension == encoder.dimension
    assert again.encode(items) == pytest.approx(encoder.encode(items), abs=1e-3)


def test_no_clip_teaches_nothing(networks: Networks) -> None:
    encoder = load(networks, "text", "video")
    before = encoder.dimension
    encoder.learn_clips([("one", None)] * 2, np.ones((2, 1), np.float32))
    assert encoder.dimension == before
