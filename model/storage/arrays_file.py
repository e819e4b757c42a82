"""Arrays and facts in one safetensors file, which is whole or absent."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from model.storage.damage import Damaged, WrittenLater, set_aside, whole
from model.storage.disk import sync

log = logging.getLogger(__name__)

FACTS = "facts"
"""The entry of the file's metadata that holds all but the arrays, as JSON."""

Arrays = dict[str, NDArray[Any]]
Made = TypeVar("Made")


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write a file, in place of the one before. facts: as JSON has them, with a `format`, which
    grows when an older release could not read what this one writes."""
    aside = path.with_name(f"{path.name}.unfinished")
    there = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(there, aside, metadata={FACTS: json.dumps(facts)})
    sync(aside)
    aside.replace(path)
    sync(path.parent)


def load_arrays(
    path: Path, newest: int, made_of: Callable[[Arrays, dict[str, Any]], Made]
) -> Made | None:
    """What `made_of` makes of a file's arrays and facts; None if there is no file that this release
    can read. A file that it raises Damaged for, or KeyError or TypeError, is set aside; one whose
    format is above `newest` was written by a later release and stays where it is."""
    if not path.exists():
        return None
    try:
        return _read(path, newest, made_of)
    except WrittenLater:
        return None
    except Damaged as error:
        with suppress(FileNotFoundError):  # somebody else was first
            aside = set_aside(path, time.time())
            log.warning("%s was damaged (%s) and is kept as %s", path.name, error, aside)
        return None


def _read(path: Path, newest: int, made_of: Callable[[Arrays, dict[str, Any]], Made]) -> Made:
    with whole(path), safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    try:
        facts = json.loads(metadata.get(FACTS, ""))
        is_later = facts["format"] > newest
        if not is_later:
            return made_of(arrays, facts)
    except (ValueError, KeyError, TypeError):
        raise Damaged(f"{path.name} does not hold what was written") from None
    raise WrittenLater(f"it has format {facts['format']}")
