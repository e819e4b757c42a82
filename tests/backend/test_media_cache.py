"""A folder of files that stays below its limit, and that any number of processes may use."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from backend.media.cache import ABANDONED_AFTER, FileCache


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    return FileCache(tmp_path, 100)


def used_at(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))


def test_what_is_added_is_found(cache: FileCache) -> None:
    assert cache.find("cat") is None
    path = cache.add("cat", [b"me", b"ow"])
    assert cache.find("cat") == path
    assert path.read_bytes() == b"meow"
    assert cache.find("dog") is None


def test_any_text_is_a_key(cache: FileCache, tmp_path: Path) -> None:
    for key in ("../../etc/passwd", "a" * 10_000, "", "\0", "猫.png"):
        assert cache.add(key, [b"x"]).parent == tmp_path
    assert len(list(tmp_path.iterdir())) == 5


def test_the_longest_unused_go_first(cache: FileCache) -> None:
    for number, key in enumerate(("a", "b", "c"), start=1):
        used_at(cache.add(key, [b"x" * 30]), number)
    assert cache.find("a")  # is used now
    cache.add("d", [b"x" * 30])
    assert [key for key in "abcd" if cache.find(key)] == ["a", "c", "d"]


def test_a_file_above_the_limit_is_there_for_its_caller(cache: FileCache) -> None:
    cache.add("a", [b"x" * 30])
    assert cache.add("large", [b"x" * 300]).stat().st_size == 300
    assert cache.find("a") is None
    cache.add("b", [b"x" * 30])
    assert cache.find("large") is None


def test_what_was_there_before_counts(tmp_path: Path) -> None:
    used_at(FileCache(tmp_path, 1000).add("a", [b"x" * 99]), 1)
    FileCache(tmp_path, 100).add("b", [b"x"])
    assert FileCache(tmp_path, 100).find("a") is None


def test_an_unfinished_file_does_not_count(cache: FileCache, tmp_path: Path) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"me"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        cache.add("cat", breaks())
    assert list(tmp_path.iterdir()) == []


def test_what_a_power_cut_emptied_does_not_count(cache: FileCache) -> None:
    cache.add("cat", [b"meow"]).write_bytes(b"")
    assert cache.find("cat") is None


def test_only_abandoned_unfinished_files_are_removed(cache: FileCache, tmp_path: Path) -> None:
    old, new = tmp_path / "old.part", tmp_path / "new.part"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    used_at(old, new.stat().st_mtime - ABANDONED_AFTER - 60)
    cache.add("cat", [b"meow"])
    assert not old.exists()
    assert new.exists()


def fill(folder: Path, name: str) -> None:
    cache = FileCache(folder, 1000)
    for number in range(100):
        cache.add(f"{name}{number}", [b"x" * 50, b"y" * 50])
        cache.find("shared") or cache.add("shared", [b"x" * 50, b"y" * 50])


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(fill, tmp_path, name) for name in "ab"]:
            done.result(timeout=60)
    files = list(tmp_path.iterdir())
    assert {path.read_bytes() for path in files} == {b"x" * 50 + b"y" * 50}
    assert sum(path.stat().st_size for path in files) <= 1100
