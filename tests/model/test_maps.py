"""The map of a pool on disk."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model.mapping.regions import Region
from model.storage.arrays_file import FACTS
from model.storage.maps import FILE, FORMAT, Map, load_map, save_map

MADE = Map(
    keys=np.array([-5, 2**62, 7], np.int64),
    positions=np.array([[0.5, -1.0], [2.0, 3.0], [-4.0, 0.0]], np.float32),
    encoder=2,
    identity="5ec1e7",
    created_at=1_800_000_000.5,
    regions=(Region(0.5, 1.0, ("苹果", "film"), 2), Region(-4.0, 0.0, (), 1)),
)


def assert_same(found: Map | None, expected: Map) -> None:
    assert found is not None
    np.testing.assert_array_equal(found.keys, expected.keys)
    np.testing.assert_array_equal(found.positions, expected.positions)
    nothing = {"keys": None, "positions": None}
    assert {**vars(found), **nothing} == {**vars(expected), **nothing}


def facts_in(path: Path) -> dict[str, object]:
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    facts: dict[str, object] = json.loads(header["__metadata__"][FACTS])
    return facts


def test_a_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert load_map(tmp_path) is None
    save_map(tmp_path, MADE)
    assert_same(load_map(tmp_path), MADE)
    empty = replace(MADE, keys=MADE.keys[:0], positions=MADE.positions[:0], regions=())
    save_map(tmp_path, empty)
    assert_same(load_map(tmp_path), empty)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_what_a_crash_left_half_written_is_no_map(tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.unfinished").write_bytes(b"half")
    assert load_map(tmp_path) is None
    save_map(tmp_path, MADE)
    assert_same(load_map(tmp_path), MADE)


def damaged(folder: Path, how: str) -> None:
    path = folder / FILE
    save_map(folder, MADE)
    arrays, facts = load_file(path), facts_in(path)
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:-5])
        return
    if how == "no numbers":
        arrays["positions"] = np.full((3, 2), np.nan, np.float32)
    elif how == "no array":
        del arrays["keys"]
    elif how == "another shape":
        arrays["positions"] = arrays["positions"][:2].copy()
    elif how == "no facts":
        facts = {}
    elif how == "other regions":
        facts["regions"] = [{"x": 1.0}]
    save_file(arrays, path, metadata={FACTS: json.dumps(facts)})


@pytest.mark.parametrize(
    "how", ["cut off", "no numbers", "no array", "another shape", "no facts", "other regions"]
)
def test_a_damaged_map_is_set_aside(tmp_path: Path, how: str) -> None:
    damaged(tmp_path, how)
    assert load_map(tmp_path) is None
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith(f"{FILE}.damaged-")
    save_map(tmp_path, MADE)
    assert_same(load_map(tmp_path), MADE)


def test_a_map_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    later = {"format": FORMAT + 1, "anything": "else"}
    save_file({"points": np.zeros(3)}, tmp_path / FILE, metadata={FACTS: json.dumps(later)})
    assert load_map(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
