from pathlib import Path

import numpy as np
import pytest

from model.encoders.part_head import MOST_LABELS, PartHead, fit_part_head, load_part_head
from model.heads.head import fit_head
from model.types import Floats

D = 8


def clips(n: int, shown: int, seed: int = 0) -> tuple[Floats, list[int], Floats]:
    """Frames (of 3 to 6 a clip) that are noise, except one for each label that the clip has."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, shown)) < 0.4).astype(np.float32)
    lengths = rng.integers(3, 7, n)
    frames = rng.normal(0.0, 0.5, (int(lengths.sum()), D)).astype(np.float32)
    for clip, start in enumerate(np.cumsum(lengths) - lengths):
        for label in np.flatnonzero(targets[clip]):
            frames[start + rng.integers(lengths[clip]), label] += 3.0
    return frames, lengths.tolist(), targets


def test_a_clip_shows_what_one_of_its_frames_shows() -> None:
    """With the odds of 1 and 3 for its two frames: p = 1 - 1/2 * 1/4 = 7/8, so the odds are 7."""
    weights = np.log(np.array([[1.0], [3.0]], np.float32))
    head = PartHead(weights, np.zeros(1), np.zeros(2), np.log(np.array([2.0])))
    found = head.scores(np.eye(2, dtype=np.float32), [2])
    assert found == pytest.approx(np.log([[7.0 / 2.0]]))
    assert head.scores(np.eye(2, dtype=np.float32), [1, 1])[:, 0] == pytest.approx(
        np.log([1.0 / 2.0, 3.0 / 2.0])
    )
    assert head.scores(np.zeros((0, 2), np.float32), []).shape == (0, 1)


def test_it_finds_in_other_clips_what_a_moment_shows() -> None:
    frames, lengths, targets = clips(80, 3)
    head = fit_part_head(frames, lengths, targets)
    assert head is not None
    other, counts, truth = clips(200, 3, seed=1)
    scores = head.scores(other, counts)
    told = [(scores[truth[:, k] > 0, k][:, None] > scores[truth[:, k] == 0, k]) for k in range(3)]
    by_frames = float(np.mean([one.mean() for one in told]))
    starts = np.cumsum([0, *counts[:-1]])
    means = np.add.reduceat(other, starts) / np.array(counts)[:, None]
    known = np.add.reduceat(frames, np.cumsum([0, *lengths[:-1]])) / np.array(lengths)[:, None]
    pooled = fit_head(known, targets, "multiple", ("a", "b", "c"), known.mean(axis=0)).probs(means)
    told = [(pooled[truth[:, k] > 0, k][:, None] > pooled[truth[:, k] == 0, k]) for k in range(3)]
    assert by_frames > 0.97
    assert by_frames > float(np.mean([one.mean() for one in told]))


def test_scores_of_the_clips_it_learnt_from_are_about_nought_on_average() -> None:
    frames, lengths, targets = clips(60, 2)
    head = fit_part_head(frames, lengths, targets)
    assert head is not None
    assert head.scores(frames, lengths).mean(axis=0) == pytest.approx(np.zeros(2), abs=1e-3)


def test_labels_that_no_clip_has_and_rare_ones_of_too_many_stay_out() -> None:
    frames, lengths, targets = clips(60, 3)
    head = fit_part_head(frames, lengths, np.hstack([np.zeros((60, 4), np.float32), targets]))
    assert head is not None and head.weights.shape == (D, 3)
    many = np.zeros((60, MOST_LABELS + 2), np.float32)
    many[:, :] = np.arange(60)[:, None] % 2
    many[2:, [0, 1]] = 0.0
    most = fit_part_head(frames, lengths, many)
    assert most is not None and len(most.bias) == MOST_LABELS
    assert fit_part_head(frames, lengths, np.zeros((60, 2), np.float32)) is None


def test_labels_that_all_clips_have_do_no_harm() -> None:
    frames, lengths, targets = clips(10, 1)
    head = fit_part_head(frames, lengths, np.ones_like(targets))
    assert head is not None
    assert np.isfinite(head.scores(frames * 100, lengths)).all()


def test_a_clip_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        fit_part_head(np.ones((2, D), np.float32), [2, 0], np.ones((2, 1), np.float32))


def test_it_is_kept(tmp_path: Path) -> None:
    assert load_part_head(tmp_path) is None
    frames, lengths, targets = clips(20, 2)
    head = fit_part_head(frames, lengths, targets)
    assert head is not None
    head.save(tmp_path)
    again = load_part_head(tmp_path)
    assert again is not None
    assert np.array_equal(again.scores(frames, lengths), head.scores(frames, lengths))
