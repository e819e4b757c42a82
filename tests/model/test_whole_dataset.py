"""A dataset as one list of items, of which no more than a part is read at a time."""

from pathlib import Path

import numpy as np
import pytest

from model.dataset.parts import Item, RowParts, VectorParts
from model.dataset.whole import Numbering, PartVectors, has_vector
from model.storage.damage import Damaged

SIZES = (3, 2, 4)
NUMBERING = Numbering.of(SIZES)
ITEMS = [Item(f"item {number}", 100 + number, {"n": number}) for number in range(sum(SIZES))]
VECTORS = np.arange(18, dtype=np.float16).reshape(-1, 2)


@pytest.fixture
def rows(tmp_path: Path) -> RowParts:
    parts = RowParts(tmp_path / "rows")
    for part, start in enumerate(NUMBERING.starts[:-1].tolist()):
        parts.write(part, ITEMS[start : start + SIZES[part]])
    return parts


@pytest.fixture
def vectors(tmp_path: Path) -> VectorParts:
    """Of the parts 0 and 2; item 7 has none."""
    parts = VectorParts(tmp_path / "vectors", 2)
    parts.write(0, VECTORS[:3], [None] * 3)
    last = VECTORS[5:].copy()
    last[2] = np.nan
    parts.write(2, last, [None, None, "it is broken", None])
    return parts


def test_items_are_numbered_through_all_parts() -> None:
    assert len(NUMBERING) == 9
    found = list(NUMBERING.by_part(np.array([8, 0, 5, 3, 2])))
    assert [part for part, _, _ in found] == [0, 1, 2]
    assert [mine.tolist() for _, mine, _ in found] == [[1, 4], [3], [0, 2]]
    assert [places.tolist() for _, _, places in found] == [[0, 2], [0], [3, 0]]


def test_vectors_are_those_of_the_items_in_whatever_order(vectors: VectorParts) -> None:
    numbers = np.array([0, 2, 5, 6, 8])
    found = PartVectors(vectors, NUMBERING, numbers)
    assert (len(found), found.shape) == (5, (5, 2))
    for rows in ([0, 1, 2, 3, 4], [4, 0, 3], [2, 2], []):
        places = np.array(rows, dtype=np.int64)
        assert found[places].tolist() == VECTORS[numbers[places]].tolist()


def test_only_encoded_parts_have_vectors(vectors: VectorParts) -> None:
    vectors.write(7, VECTORS[:1], ["of a dataset that was larger"])
    is_encoded, found = has_vector(vectors, NUMBERING)
    assert np.flatnonzero(~is_encoded).tolist() == [3, 4]
    assert np.flatnonzero(~found).tolist() == [3, 4, 7]


def test_rows_are_those_of_the_items(rows: RowParts) -> None:
    numbers = np.array([8, 0, 4, 3])
    assert rows.gathered(*NUMBERING.where(numbers)) == [ITEMS[number] for number in numbers]


def test_a_damaged_part_is_not_encoded_and_one_that_goes_meanwhile_is_said(
    tmp_path: Path, vectors: VectorParts
) -> None:
    found = PartVectors(vectors, NUMBERING, np.array([0, 8]))
    (tmp_path / "vectors" / "00002.parquet").write_bytes(b"no vectors")
    is_encoded, _ = has_vector(vectors, NUMBERING)
    assert np.flatnonzero(is_encoded).tolist() == [0, 1, 2]
    assert found[np.array([0])].tolist() == VECTORS[:1].tolist()
    with pytest.raises(Damaged, match="part 2 of the dataset are damaged, or were deleted"):
        found[np.array([1])]
