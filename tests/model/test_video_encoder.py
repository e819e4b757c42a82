from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.encoders.errors import NotAnEncoder
from model.encoders.joint import JointEncoder
from model.encoders.videos import VideoEncoder
from model.types import EncoderSpec
from tests.model.videos import video_network

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = ("videomae", "vivit", "timesformer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video_network(tmp_path_factory.mktemp("videomae"))


def moving(reverse: bool = False, frames: int = 4) -> list[Image.Image]:
    """A bar that moves from left to right, or back."""
    clip = []
    for number in range(frames):
        picture = np.zeros((32, 32, 3), np.uint8)
        picture[:, 32 // frames * number : 32 // frames * (number + 1)] = 255
        clip.append(Image.fromarray(picture))
    return clip[::-1] if reverse else clip


@pytest.mark.parametrize("kind", NAMES)
def test_networks_of_videos_read_all_frames_at_once(kind: str, tmp_path: Path) -> None:
    encoder = VideoEncoder(str(video_network(tmp_path, kind)))
    assert (encoder.frames, encoder.dimension) == (4, 16)
    still = moving()[:1]
    states = [encoder.read(moving()), encoder.read(still), encoder.read(moving())]
    assert all(state.shape == (1, 16) and state.dtype == np.float16 for state in states)
    vectors = encoder.encode(states)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3
    assert encoder.encode([]).shape == (0, 16)


def test_the_order_of_frames_is_seen(folder: Path) -> None:
    encoder = VideoEncoder(str(folder))
    there, back = encoder.read(moving()), encoder.read(moving(reverse=True))
    assert np.abs(there.astype(np.float32) - back).max() > 1e-3


def test_a_clip_of_few_frames_is_read_as_a_longer_one(folder: Path) -> None:
    encoder = VideoEncoder(str(folder))
    (still,) = moving(frames=1)
    np.testing.assert_array_equal(encoder.read([still]), encoder.read([still] * 4))
    assert np.isfinite(encoder.read(moving(frames=9))).all()


def test_it_stands_where_single_frames_are_read_else(folder: Path) -> None:
    encoder = JointEncoder(EncoderSpec(("footage",), "", "", 32, video=str(folder)))
    assert (encoder.frames, encoder.dimension, encoder.is_tunable) == (4, 16, False)
    state = encoder.frozen["footage"].read(moving())
    assert encoder.encode([(state,), (None,)]).shape == (2, 16)
    assert not encoder.encode([(None,)]).any()


def test_what_reads_no_videos_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotAnEncoder, match="is no video encoder: it must be a folder with a"):
        VideoEncoder(str(tmp_path / "nowhere"))
    config = folder / "config.json"
    whole = config.read_text()
    config.write_text(whole.replace('"num_frames": 4', '"num_frames": 1000'))
    with pytest.raises(NotAnEncoder, match="does not say how many frames of a clip it reads"):
        VideoEncoder(str(folder))
    config.write_text(whole)
    (folder / "preprocessor_config.json").rename(tmp_path / "aside.json")
    with pytest.raises(NotAnEncoder, match=r"preprocessor_config\.json"):
        VideoEncoder(str(folder))
    (tmp_path / "aside.json").rename(folder / "preprocessor_config.json")
