"""Clips are read once, with a tiny network for their frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.encoders.clips import Clip, ClipEncoder
from model.encoders.images import ImageEncoder
from model.encoders.read_once import UNWRITTEN, ReadOnce
from model.storage.states import StateStore
from tests.model.test_image_encoder import res_net

pytestmark = pytest.mark.usefixtures("one_thread")

RED, BLUE = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipEncoder:
    return ClipEncoder(ImageEncoder(str(res_net(tmp_path_factory.mktemp("network")))))


def opened(folder: Path, clips: ClipEncoder) -> ReadOnce:
    return ReadOnce({"video": clips}, lambda medium, size: StateStore(folder / medium, size))


def gone() -> Clip:
    raise AssertionError("it is read a second time")


def test_what_was_read_is_known_at_once_and_after_a_start(
    tmp_path: Path, clips: ClipEncoder
) -> None:
    once = opened(tmp_path, clips)
    clip = [RED, BLUE, BLUE]
    states = once.states("video", 7, lambda: clip)
    assert np.array_equal(states, clips.read(clip))
    once.states("video", 9, lambda: [RED])
    assert np.array_equal(once.states("video", 7, gone), states)
    once.write()
    assert np.array_equal(once.states("video", 7, gone), states)
    assert np.array_equal(opened(tmp_path, clips).states("video", 7, gone), states)
    assert opened(tmp_path, clips).states("video", 9, gone).shape == (1, clips.state_dimension)


def test_what_cannot_be_read_is_asked_for_again(tmp_path: Path, clips: ClipEncoder) -> None:
    once = opened(tmp_path, clips)
    with pytest.raises(AssertionError):
        once.states("video", 7, gone)
    once.write()
    assert len(once.states("video", 7, lambda: [RED])) == 1


def test_a_crash_costs_what_was_read_last(tmp_path: Path, clips: ClipEncoder) -> None:
    once = opened(tmp_path, clips)
    for key in range(UNWRITTEN + 1):
        once.states("video", key, lambda: [RED])
    after = opened(tmp_path, clips)
    assert len(after.states("video", UNWRITTEN - 1, gone)) == 1
    with pytest.raises(AssertionError):
        after.states("video", UNWRITTEN, gone)
