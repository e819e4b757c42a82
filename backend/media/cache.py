"""A folder of files by key with a limit in bytes: the least recently used are deleted first."""

import os
import time
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

SLACK = 0.05
"""Share of the limit that may be written before the files of all processes are counted again."""

UNFINISHED = ".part"
ABANDONED_AFTER = 3600.0
"""Seconds: an unfinished file that has not been written to for this long was left by a crash."""


class FileCache:
    """Any number of processes may use the folder at the same time.

    A file's modification time is the time of its last use.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._uncounted = max_bytes  # unknown at the start: the first `add` counts

    def find(self, key: str) -> Path | None:
        """The file, marked as used now; None if there is none."""
        path = self._path(key)
        try:
            os.utime(path)
            return path if path.stat().st_size else None
        except FileNotFoundError:
            return None

    def add(self, key: str, chunks: Iterable[bytes]) -> Path:
        """Write a file, completely or not at all, even if `chunks` raises.

        Raises OSError when the disk is full.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(key)
        aside = self._folder / f"{path.name}-{token_hex(8)}{UNFINISHED}"
        try:
            with aside.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            self._uncounted += aside.stat().st_size
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        self._make_room()
        return path

    def remove(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / sha256(key.encode()).hexdigest()

    def _make_room(self) -> None:
        slack = self._max_bytes * SLACK
        if self._uncounted < slack:
            return
        self._uncounted = 0
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files[:-1]:  # the newest stays: it has just been requested
            if total <= self._max_bytes - slack:
                return
            path.unlink(missing_ok=True)
            total -= size

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """Time of last use, bytes and path of each file; removes what a crash left."""
        for path in self._folder.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:  # another process deleted it first
                continue
            if path.suffix != UNFINISHED:
                yield status.st_mtime_ns, status.st_size, path
            elif status.st_mtime < time.time() - ABANDONED_AFTER:
                path.unlink(missing_ok=True)
