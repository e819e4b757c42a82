import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.storage.damage import CHECKED_AT_ONCE
from model.storage.vectors import GONE, KEY_BYTES, LEAST_UNUSED, VectorStore, content_key
from model.types import Floats, Ints


def keys(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


def pairs(*first: float) -> Floats:
    """Vectors (n, 2) that differ in their first number."""
    return np.array([[value, -value] for value in first], dtype=np.float32)


def found(store: VectorStore, *wanted: int) -> list[float | None]:
    """For each key the first number of its vector; None where there is none."""
    rows = store.rows(keys(*wanted))
    return [float(store.take(rows[[i]])[0, 0]) if row >= 0 else None for i, row in enumerate(rows)]


def test_vectors_are_found_by_key_in_the_order_of_the_question(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, 2)
    store.append(keys(30, -10, 20), pairs(3.0, 1.0, 2.0))
    assert found(store, -10, 20, 30, 20, 99) == [1.0, 2.0, 3.0, 2.0, None]


def test_what_was_found_for_keys_that_cannot_change_is_found_again_when_vectors_come(
    tmp_path: Path,
) -> None:
    """The same million keys are asked for at each round."""
    store, asked = VectorStore(tmp_path, 2), keys(1, 2, 3)
    asked.setflags(write=False)
    store.append(keys(2), pairs(2.0))
    assert store.rows(asked).tolist() == [-1, 0, -1]
    assert store.rows(asked) is store.rows(asked)
    VectorStore(tmp_path, 2).append(keys(3), pairs(3.0))
    assert store.rows(asked).tolist() == [-1, 0, 1]
    assert store.rows(keys(3, 2, 1)).tolist() == [1, 0, -1]


def test_a_new_store_knows_nothing(tmp_path: Path) -> None:
    assert VectorStore(tmp_path, 2).rows(keys(1, 2)).tolist() == [-1, -1]
    assert VectorStore(tmp_path, 2).rows(keys()).tolist() == []


def test_a_key_keeps_its_first_vector(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, 2)
    store.append(keys(1), pairs(1.0))
    store.append(keys(1, 2, 2), pairs(7.0, 2.0, 8.0))
    assert found(store, 1, 2) == [1.0, 2.0]
    assert (tmp_path / "keys.bin").stat().st_size == 2 * KEY_BYTES
    assert (tmp_path / "vectors.bin").stat().st_size == 2 * 2 * 2


def test_appending_nothing_new_changes_nothing(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, 2)
    store.append(keys(), pairs().reshape(0, 2))
    store.append(keys(1), pairs(1.0))
    store.append(keys(1), pairs(1.0))
    assert found(store, 1) == [1.0]


def test_two_stores_of_one_folder_see_each_others_vectors(tmp_path: Path) -> None:
    """The server reads while the trainer writes, and both may write."""
    server, trainer = VectorStore(tmp_path, 2), VectorStore(tmp_path, 2)
    server.append(keys(1), pairs(1.0))
    assert found(trainer, 1) == [1.0]
    trainer.append(keys(2, 1), pairs(2.0, 9.0))
    assert found(server, 1, 2) == [1.0, 2.0]
    server.append(keys(3), pairs(3.0))
    assert found(trainer, 1, 2, 3) == [1.0, 2.0, 3.0]


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    def write(first: int) -> None:
        store = VectorStore(tmp_path, 2)
        for key in range(first, first + 10):
            store.append(keys(key), pairs(float(key)))

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 5, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    expected = [*range(15), *range(20, 30)]
    assert found(VectorStore(tmp_path, 2), *expected) == [float(key) for key in expected]
    assert (tmp_path / "keys.bin").stat().st_size == len(expected) * KEY_BYTES


@pytest.mark.parametrize(
    ("keys_lost", "vectors_lost"),
    [
        pytest.param(KEY_BYTES, 0, id="vectors longer by a row"),
        pytest.param(3, 0, id="last key half written"),
        pytest.param(2 * KEY_BYTES + 3, 0, id="vectors longer by rows, a key half written"),
        pytest.param(0, 4, id="keys longer by a row"),
        pytest.param(0, 1, id="last vector half written"),
        pytest.param(0, 9, id="keys longer by rows, a vector half written"),
    ],
)
def test_a_torn_write_costs_only_its_own_rows(
    tmp_path: Path, keys_lost: int, vectors_lost: int
) -> None:
    """And a later append must not put a vector under the key of another text."""
    VectorStore(tmp_path, 2).append(keys(1, 2, 3, 4), pairs(1.0, 2.0, 3.0, 4.0))
    for name, lost in (("keys.bin", keys_lost), ("vectors.bin", vectors_lost)):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) - lost])
    left = 4 - max(-(-keys_lost // KEY_BYTES), -(-vectors_lost // 4))

    store = VectorStore(tmp_path, 2)
    intact = [1.0, 2.0, 3.0, 4.0][:left] + [None] * (4 - left)
    assert found(store, 1, 2, 3, 4) == intact
    store.append(keys(50), pairs(5.0))
    assert found(store, 1, 2, 3, 4, 50) == [*intact, 5.0]
    store.append(keys(4, 3, 2, 1), pairs(4.0, 3.0, 2.0, 1.0))
    again = VectorStore(tmp_path, 2)
    assert found(again, 1, 2, 3, 4, 50) == [1.0, 2.0, 3.0, 4.0, 5.0]


def damage(folder: Path, row: int, value: float) -> None:
    """Write this number into the middle of a file of vectors."""
    vectors = np.memmap(folder / "vectors.bin", np.float16, mode="r+")
    vectors.reshape(-1, 2)[row, 1] = value
    vectors.flush()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_no_number_is_forgotten_and_can_be_written_again(
    tmp_path: Path, value: float
) -> None:
    """One NaN in a file of a million numbers failed every round for good."""
    store = VectorStore(tmp_path, 2)
    store.append(keys(1, 2, 3), pairs(1.0, 2.0, 3.0))
    damage(tmp_path, 1, value)
    assert VectorStore(tmp_path, 2).check() == 1
    assert found(VectorStore(tmp_path, 2), 1, 2, 3) == [1.0, None, 3.0]
    assert store.check() == 0, "it is reported once"
    assert found(store, 1, 2, 3) == [1.0, None, 3.0], "also by a store that is open"
    store.append(keys(2), pairs(20.0))
    assert store.check() == 0
    assert found(store, 1, 2, 3) == [1.0, 20.0, 3.0]


def test_all_chunks_of_a_large_file_are_checked(tmp_path: Path) -> None:
    count = 2 * CHECKED_AT_ONCE + 5
    store = VectorStore(tmp_path, 2)
    store.append(np.arange(count), np.ones((count, 2)))
    broken = [0, CHECKED_AT_ONCE - 1, CHECKED_AT_ONCE, count - 1]
    for row in broken:
        damage(tmp_path, row, np.nan)
    assert store.check() == len(broken)
    assert np.flatnonzero(store.rows(np.arange(count)) < 0).tolist() == broken


def test_vectors_that_nobody_needs_are_dropped_when_they_are_many(tmp_path: Path) -> None:
    """The vectors of deleted tasks stayed for good."""
    count = 2 * LEAST_UNUSED
    store = VectorStore(tmp_path, 2)
    store.append(np.arange(count), np.stack([np.arange(count) % 100, np.ones(count)], axis=1))
    assert store.compact(np.arange(0, count, 2)[1:]) == LEAST_UNUSED + 1
    assert store.compact(np.arange(0, count, 3)) == 0, "now they are too few"
    left = np.arange(0, count, 2)[1:]
    for again in (store, VectorStore(tmp_path, 2)):
        rows = again.rows(np.arange(count))
        assert np.flatnonzero(rows >= 0).tolist() == left.tolist()
        assert again.take(rows[left])[:, 0].tolist() == (left % 100).tolist()
    assert (tmp_path / "vectors.bin").stat().st_size == 4 * len(left)
    store.append(keys(-7), pairs(7.0))
    assert found(store, -7, 2, 4) == [7.0, 2.0, 4.0]


def test_vectors_that_are_no_numbers_are_left_out_and_named(tmp_path: Path) -> None:
    """One of them had all others of its batch refused, at each attempt."""
    store = VectorStore(tmp_path, 2)
    assert store.append(keys(1, 2, 3, 4), pairs(1.0, np.nan, 3.0, np.inf)).tolist() == [1, 3]
    assert found(store, 1, 2, 3, 4) == [1.0, None, 3.0, None]
    assert store.append(keys(2), pairs(2.0)).tolist() == []
    assert found(store, 1, 2, 3, 4) == [1.0, 2.0, 3.0, None]


KEYS = st.integers(GONE + 1, 2**63 - 1)
HALVES = st.floats(-1, 1, width=16)


@given(st.lists(st.dictionaries(KEYS, st.tuples(HALVES, HALVES, HALVES), max_size=5), max_size=4))
@settings(deadline=None, max_examples=30)
def test_what_was_appended_is_found_again(
    appends: list[dict[int, tuple[float, float, float]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        expected: dict[int, tuple[float, float, float]] = {}
        for batch in appends:
            values = np.array(list(batch.values()), dtype=np.float32).reshape(-1, 3)
            VectorStore(Path(folder), 3).append(keys(*batch), values)
            expected = {**batch, **expected}
        store = VectorStore(Path(folder), 3)
        rows = store.rows(keys(*expected))
        assert rows.tolist() == [] or rows.min() >= 0
        assert [tuple(row) for row in store.take(rows).tolist()] == list(expected.values())


def test_the_key_of_a_text_never_changes() -> None:
    """Another hash would encode every pool again: blake2b, 8 bytes, little endian, signed."""
    expected = bytes.fromhex("e4a6a0577479b2b4")
    assert content_key("") == int.from_bytes(expected, "little", signed=True)


@given(st.text(), st.text())
@settings(deadline=None)
def test_different_texts_have_different_keys(first: str, second: str) -> None:
    assert (content_key(first) == content_key(second)) == (first == second)


def test_half_an_emoji_has_a_key() -> None:
    """Texts cut by other programs end in lone surrogates, which are not valid UTF-8."""
    assert content_key("\ud83d") != content_key("\ud83c")
