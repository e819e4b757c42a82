"""What moves in clips, and whether labels are about it."""

from pathlib import Path

import numpy as np
import pytest

from model.encoders.clips import ClipEncoder, clip_vectors
from model.encoders.images import ImageEncoder
from model.encoders.motion import LEAST_CLIPS, WEIGHT, is_about_motion, trends
from model.encoders.part_head import load_part_head
from model.types import Floats

D = 6


def test_a_trend_is_the_slope_as_a_share_of_the_mean() -> None:
    frames = np.array([[1, 3], [2, 3], [3, 3], [5, 0], [5, 0], [2, 7]], np.float32)
    found = trends(frames, [3, 2, 1])
    length = np.hypot(2, 3)
    np.testing.assert_allclose(found, [[1 / length, 0], [0, 0], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(trends(frames[2::-1], [3]), -found[:1], atol=1e-6)
    assert trends(np.zeros((2, 3), np.float32), [2]).tolist() == [[0, 0, 0]]
    assert trends(np.zeros((0, 3), np.float32), []).shape == (0, 3)


def clips(count: int, seed: int = 0) -> tuple[list[Floats], Floats, Floats]:
    """Clips of 4 to 8 frames of which the first number falls or grows, and two others say what is
    there; and both as labels."""
    rng = np.random.default_rng(seed)
    grows, shown = rng.integers(2, size=count), rng.integers(2, size=count)
    found = []
    for up, what in zip(grows, shown, strict=True):
        frames = rng.normal(0.0, 0.2, (int(rng.integers(4, 9)), D))
        frames[:, 0] += np.linspace(-1, 1, len(frames)) * (1 if up else -1)
        frames[:, 1 + what] += 1.5
        found.append(frames.astype(np.float32))
    return found, np.eye(2, dtype=np.float32)[grows], np.eye(2, dtype=np.float32)[shown]


class Frames(ImageEncoder):
    """States instead of pictures."""

    def __init__(self) -> None:
        self.dimension = D


def test_what_moves_is_learnt_where_labels_are_about_it(tmp_path: Path) -> None:
    some, grows, _ = clips(60)
    encoder = ClipEncoder(Frames())
    assert encoder.encode(some).shape == (60, 2 * D)
    encoder.learn(some, grows)
    assert encoder.dimension == 3 * D + 2
    vectors = encoder.encode(some)
    assert vectors.shape == (60, 3 * D + 2)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    turned = encoder.encode([one[::-1] for one in some])
    np.testing.assert_allclose(turned[:, -D:], -vectors[:, -D:], atol=1e-5)
    encoder.save(tmp_path)
    again = ClipEncoder(Frames(), load_part_head(tmp_path))
    np.testing.assert_array_equal(again.encode(some), vectors)


def test_it_is_left_out_where_labels_are_about_what_is_there() -> None:
    some, _, shown = clips(60)
    encoder = ClipEncoder(Frames())
    encoder.learn(some, shown)
    assert encoder.dimension == 2 * D + 2


@pytest.mark.parametrize("several", [False, True])
def test_whether_labels_are_about_motion(several: bool) -> None:
    some, grows, shown = clips(80)
    frames, lengths = np.concatenate(some), [len(one) for one in some]
    still = clip_vectors(frames, lengths)
    moving = np.hstack([still, WEIGHT * trends(frames, lengths)])
    if several:  # some have both labels, some have none
        grows, shown = grows[:, :1], shown[:, :1]
    both = np.hstack([grows, shown])
    assert is_about_motion(still, moving, grows if not several else both)
    assert not is_about_motion(still, moving, np.hstack([shown, shown]) if several else shown)
    few = LEAST_CLIPS - 1
    assert not is_about_motion(still[:few], moving[:few], grows[:few])
    assert not is_about_motion(still, moving, np.ones((80, 1), np.float32)), "one label"
