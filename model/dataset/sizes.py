"""How large a dataset's parts are, which ones are there, and what helps when they are damaged, for
those who need no Parquet to know it."""

from pathlib import Path

from model.types import Layout, is_of_text

PART_ITEMS = 8192
"""Items of a part, at most: a killed run loses the work on one part."""

ADD_AGAIN = (
    "Take the dataset away and add it again (python -m backend pool remove, then add): tasks and "
    "labels stay"
)
"""What to do about a dataset whose files are damaged."""

MEDIA_PART_ITEMS = 512
"""The same for pictures, clips and sounds, of which a processor encodes some ten a second."""

ENOUGH_ITEMS = 100_000
"""An encoder that has encoded so many items of a dataset can rank it: the first ones that it
chooses are then of the best ten thousandth, and more would hardly be better."""


def parts_with(items: int, record_items: int, parts: int) -> int:
    """How many parts of a dataset hold about so many of its items, at least 1."""
    return max(1, round(items * parts / max(record_items, 1)))


def part_numbers(folder: Path) -> list[int]:
    """The numbers of the parts whose files are in a folder, in order."""
    return sorted(int(path.stem) for path in folder.glob("*.parquet") if path.stem.isdigit())


def part_file(folder: Path, number: int) -> Path:
    """Where a part is in a folder."""
    return folder / f"{number:05d}.parquet"


def part_size(layout: Layout) -> int:
    """How many items a part has at most, of which this is read."""
    return PART_ITEMS if is_of_text(layout) else MEDIA_PART_ITEMS
