"""What the trainer reads at this moment, so that a task that ends the process is found out.

A file in each project's folder names the tasks before they are read. When the process ends in the
middle, the names are left there. The tasks of a batch are then read one by one, and a task in which
the process ended DEADLY times is not read again until people ask for it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from backend.errors import is_out_of_memory

FILE = "reading.json"

DEADLY = 2

Deaths = dict[int, int]
"""Task -> how often the process ended while it read this task and no other. A task with 0 was read
together with others when it ended."""


class ReadingRecord:
    """For one job at a time in each folder."""

    def __init__(self, folder: Path, on_read: Callable[[], None]) -> None:
        """`on_read` is called whenever something has been read."""
        self._folder, self._on_read = folder, on_read
        end_reading(folder)  # the backend may have ended with the process
        _, self._deaths = _load(folder)

    def suspects(self) -> list[int]:
        """Tasks to read one by one: the process ended while it read them."""
        return list(self._deaths)

    def deadly(self) -> list[int]:
        """Tasks that must not be read again."""
        return [task for task, times in self._deaths.items() if times >= DEADLY]

    def forget(self, tasks: Iterable[int]) -> None:
        """These were read to the end, or set aside."""
        for task in self._deaths.keys() & set(tasks):
            del self._deaths[task]
            _save(self._folder, (), self._deaths)

    @contextmanager
    def naming(self, tasks: Sequence[int]) -> Iterator[None]:
        """These tasks are read in the block. If the memory runs out, that counts like an end of the
        process, which goes on only by chance."""
        _save(self._folder, tasks, self._deaths)
        try:
            yield
        except BaseException as error:
            if not is_out_of_memory(error):
                _save(self._folder, (), self._deaths)
            raise
        _save(self._folder, (), self._deaths)
        self._on_read()


def with_death(reading: Sequence[int], deaths: Deaths) -> Deaths:
    """The deaths after the process ended while it read these tasks; the same if there are none."""
    if len(reading) == 1:
        return {**deaths, reading[0]: deaths.get(reading[0], 0) + 1}
    return {**dict.fromkeys(reading, 0), **deaths}


def end_reading(folder: Path) -> list[int]:
    """The process has ended: count that for the tasks that it was reading, which are returned.
    Raises OSError when it cannot be written down; it is counted at the next call then."""
    reading, deaths = _load(folder)
    if reading:
        _save(folder, (), with_death(reading, deaths))
    return reading


def forget_reading(folder: Path) -> None:
    """The process was ended on purpose: that is no fault of what it read. Raises OSError."""
    reading, deaths = _load(folder)
    if reading:
        _save(folder, (), deaths)


def _load(folder: Path) -> tuple[list[int], Deaths]:
    # No file, or one that an earlier release was just writing.
    with suppress(FileNotFoundError, ValueError):
        kept = json.loads((folder / FILE).read_text())
        return kept["reading"], {int(task): times for task, times in kept["deaths"].items()}
    return [], {}


def _save(folder: Path, reading: Sequence[int], deaths: Deaths) -> None:
    # Aside, then renamed: cut off on a full disk, it would lose the deaths that were counted.
    aside = folder / f"{FILE}.unfinished"
    aside.write_text(json.dumps({"reading": [*reading], "deaths": deaths}))
    aside.replace(folder / FILE)
