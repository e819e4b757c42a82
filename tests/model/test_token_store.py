from pathlib import Path

import numpy as np
import pytest

from model.spans.tags import Tokens
from model.storage.tokens import TokenStore

KEYS = np.array([7, -3, 9], dtype=np.int64)
COUNTS = (2, 1, 3)


def some(first: float = 0.0, counts: tuple[int, ...] = COUNTS) -> Tokens:
    total = sum(counts)
    states = (first + np.arange(4 * total)).reshape(total, 4).astype(np.float16)
    places = np.stack([np.arange(total), np.arange(total) + 1], axis=1).astype(np.int64)
    return Tokens(states, places, np.cumsum([0, *counts]))


def test_tokens_come_back_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    store, tokens = TokenStore(tmp_path, 4), some()
    store.append(KEYS, tokens)
    rows = TokenStore(tmp_path, 4).rows(np.array([9, 8, 7]))
    assert rows.tolist() == [2, -1, 0]
    found = store.take(store.rows(np.array([9, 7])))
    assert found.bounds.tolist() == [0, 3, 5]
    np.testing.assert_array_equal(found.states, tokens.states[[3, 4, 5, 0, 1]])
    np.testing.assert_array_equal(found.places, tokens.places[[3, 4, 5, 0, 1]])
    # Rows may come from another object for the same folder.
    assert np.array_equal(TokenStore(tmp_path, 4).take(rows[:1]).states, tokens.states[3:])


def test_a_text_is_kept_once(tmp_path: Path) -> None:
    store = TokenStore(tmp_path, 4)
    store.append(KEYS[:2], some(0.0, (2, 1)))
    store.append(np.array([-3, 9, 9]), some(50.0, (1, 3, 3)))
    assert store.rows(KEYS).tolist() == [0, 1, 2]
    assert store.take(np.array([1])).states[0, 0] == 8.0, "the first time counts"
    assert store.take(np.array([2])).states[0, 0] == 54.0
    store.append(KEYS, some(90.0))
    assert (tmp_path / "texts.bin").stat().st_size == 3 * 24


def test_texts_with_tokens_that_are_no_numbers_are_left_out_and_named(tmp_path: Path) -> None:
    """One of them had all others of its batch refused, at each attempt."""
    store, tokens = TokenStore(tmp_path, 4), some()
    tokens.states[2] = np.inf  # the only token of the second text
    assert store.append(KEYS, tokens).tolist() == [1]
    assert store.rows(KEYS).tolist() == [0, -1, 1]
    assert store.count() == 2
    np.testing.assert_array_equal(store.take(np.array([1])).states, some().states[3:])


def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    store = TokenStore(tmp_path, 4)
    assert store.rows(KEYS).tolist() == [-1, -1, -1]
    store.append(KEYS[:0], some(0.0, ()))
    assert len(store.take(np.zeros(0, np.int64))) == 0


@pytest.mark.parametrize("name", ["tokens.bin", "places.bin", "texts.bin"])
def test_after_a_power_cut_the_last_text_is_encoded_again(tmp_path: Path, name: str) -> None:
    TokenStore(tmp_path, 4).append(KEYS, some())
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-3])
    store = TokenStore(tmp_path, 4)
    assert store.rows(KEYS).tolist() == [0, 1, -1]
    store.append(KEYS, some(10.0))
    for again in (store, TokenStore(tmp_path, 4)):
        assert again.rows(KEYS).tolist() == [0, 1, 2]
        np.testing.assert_array_equal(again.take(np.array([2])).states, some(10.0).states[3:])
        np.testing.assert_array_equal(again.take(np.array([0])).states, some().states[:2])


def test_a_text_that_was_lost_never_gets_the_tokens_of_another(tmp_path: Path) -> None:
    """Its record stayed behind the new ones, and looked whole once there were enough tokens."""
    TokenStore(tmp_path, 4).append(KEYS, some())
    tokens = tmp_path / "tokens.bin"
    tokens.write_bytes(tokens.read_bytes()[: 2 * 4 * 2])  # of the first text alone
    store = TokenStore(tmp_path, 4)
    store.append(np.array([11]), some(50.0, (4,)))
    assert TokenStore(tmp_path, 4).rows(np.array([7, -3, 9, 11])).tolist() == [0, -1, -1, 1]


def test_another_process_sees_what_was_added(tmp_path: Path) -> None:
    reader, writer = TokenStore(tmp_path, 4), TokenStore(tmp_path, 4)
    writer.append(KEYS[:1], some(0.0, (2,)))
    assert reader.rows(KEYS).tolist() == [0, -1, -1]
    writer.append(KEYS[1:], some(8.0, (1, 3)))
    assert reader.rows(KEYS).tolist() == [0, 1, 2]
    assert len(reader.take(np.array([2])).states) == 3


def test_tokens_that_are_no_numbers_are_forgotten_and_can_be_written_again(tmp_path: Path) -> None:
    """One NaN failed every round for good."""
    store = TokenStore(tmp_path, 4)
    store.append(KEYS, some())
    states = np.memmap(tmp_path / "tokens.bin", np.float16, mode="r+")
    states.reshape(-1, 4)[2] = np.nan  # the only token of the second text
    states.flush()
    assert TokenStore(tmp_path, 4).check() == 1
    store = TokenStore(tmp_path, 4)
    assert (store.rows(KEYS) < 0).tolist() == [False, True, False]
    store.append(KEYS, some())
    assert store.check() == 0
    found = store.take(store.rows(KEYS))
    np.testing.assert_array_equal(found.states, some().states)
