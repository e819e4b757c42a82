"""Clips are read once, with a tiny network for their frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.clip_encoder import ClipEncoder
from model.image_encoder import ImageEncoder
from model.known_frames import KnownFrames
from model.token_store import TokenStore
from tests.model.test_image_encoder import res_net

pytestmark = pytest.mark.usefixtures("one_thread")

RED, BLUE = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
CLIPS = [[RED] * 3, [RED, BLUE]]
KEYS = np.array([7, 9])


def test_what_was_read_is_known_to_the_next_encoder(tmp_path: Path) -> None:
    images = ImageEncoder(str(res_net(tmp_path / "network")))
    store = TokenStore(tmp_path / "frames", images.dimension)
    first = KnownFrames(store, ClipEncoder(images))
    assert not first.knows(KEYS).any()
    read = first.read(KEYS, CLIPS)
    assert first.knows(np.array([9, 8, 7])).tolist() == [True, False, True]
    assert first.vectors(KEYS[::-1]) == pytest.approx(read[::-1])
    assert first.vectors(KEYS[:0]).shape == (0, read.shape[1])
    next_one = ClipEncoder(images)
    frames = KnownFrames(store, next_one)
    unknown_too = np.array([7, 9, 8])
    frames.learn(unknown_too, np.array([[0.0], [1.0], [1.0]], np.float32))
    assert next_one.dimension == read.shape[1] + 1
    longer = frames.vectors(KEYS)
    assert longer == pytest.approx(next_one.encode(CLIPS))
    assert longer[0, -1] < 0.0 < longer[1, -1]
    assert frames.vectors(KEYS[:0]).shape == (0, next_one.dimension)


def test_nothing_known_teaches_nothing(tmp_path: Path) -> None:
    images = ImageEncoder(str(res_net(tmp_path / "network")))
    encoder = ClipEncoder(images)
    frames = KnownFrames(TokenStore(tmp_path / "frames", images.dimension), encoder)
    before = encoder.dimension
    frames.learn(KEYS, np.ones((2, 1), np.float32))
    assert encoder.dimension == before
