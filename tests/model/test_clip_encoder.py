import numpy as np
import pytest

from model.encoders.clips import clip_vectors


def test_a_clip_is_the_mean_and_the_maximum_of_its_frames() -> None:
    frames = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    found = clip_vectors(frames, [2, 1])
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found[0], [0.5, 0.5, 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(found[1], np.array([0.6, 0.8, 0.6, 0.8]) * half, atol=1e-6)


def test_what_is_there_for_a_moment_shows_in_the_maximum() -> None:
    frames = np.array([[1, 0]] * 9 + [[0, 1]], dtype=np.float32)
    (found,) = clip_vectors(frames, [10])
    assert found[1] < 0.1
    assert found[3] == pytest.approx(0.5)


def test_no_clips_have_no_vectors() -> None:
    assert clip_vectors(np.zeros((0, 3), np.float32), []).shape == (0, 6)


def test_a_clip_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        clip_vectors(np.ones((1, 2), np.float32), [1, 0])
