"""States of clips and sounds: some rows a key, without places."""

from pathlib import Path

import numpy as np

from model.spans.tags import Tokens
from model.storage.states import StateStore
from model.storage.tokens import TokenStore
from model.types import Floats

KEYS = np.array([7, -3, 9], dtype=np.int64)


def states(first: float, frames: int) -> Floats:
    return (first + np.arange(4 * frames)).reshape(frames, 4).astype(np.float16)


CLIPS = [states(0.0, 2), states(20.0, 1), states(40.0, 3)]


def test_states_come_back_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    StateStore(tmp_path, 4).append(KEYS, CLIPS)
    store = StateStore(tmp_path, 4)
    assert store.rows(np.array([9, 8, 7])).tolist() == [2, -1, 0]
    last, first = store.take(store.rows(np.array([9, 7])))
    np.testing.assert_array_equal(last, CLIPS[2])
    np.testing.assert_array_equal(first, CLIPS[0])
    assert store.take(KEYS[:0]) == []


def test_a_folder_with_places_is_read_and_goes_on(tmp_path: Path) -> None:
    """Frames used to be kept as the tokens of a text, with places that meant nothing."""
    frames = Tokens(np.concatenate(CLIPS[:2]), np.zeros((3, 2), np.int64), np.array([0, 2, 3]))
    TokenStore(tmp_path, 4).append(KEYS[:2], frames)
    StateStore(tmp_path, 4).append(KEYS[1:], CLIPS[1:])
    store = StateStore(tmp_path, 4)
    assert store.rows(KEYS).tolist() == [0, 1, 2]
    for found, clip in zip(store.take(np.arange(3)), CLIPS, strict=True):
        np.testing.assert_array_equal(found, clip)


def test_no_states_add_nothing(tmp_path: Path) -> None:
    store = StateStore(tmp_path, 4)
    store.append(KEYS[:0], [])
    assert store.rows(KEYS).tolist() == [-1, -1, -1]
