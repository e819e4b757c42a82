"""Damage on disk: how files are checked when they are opened, and how they are set aside."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from model.types import Bools, Ints

CHECKED_AT_ONCE = 8192
"""Rows. A million vectors of 384 numbers are checked in a tenth of a second."""

EXPONENT = 0x7C00
"""The bits of a float16 that are all set where it is infinite or no number."""


class Damaged(Exception):
    """A file cannot be used; the message says why, for people."""


class WrittenLater(Exception):
    """A later release wrote a file, which is whole: this one cannot read it; the message says why,
    for people."""


def set_aside(path: Path, now: float) -> Path:
    """Rename what is damaged, so that it is neither used nor lost. Returns its new place; `now`:
    Unix time."""
    aside = path.with_name(f"{path.name}.damaged-{now:.0f}")
    while aside.exists():
        now += 1
        aside = path.with_name(f"{path.name}.damaged-{now:.0f}")
    path.rename(aside)
    return aside


def json_of(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises Damaged when it holds none."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise Damaged(f"its {path.name} is missing") from None
    except ValueError:  # no JSON, or no text
        raise Damaged(f"its {path.name} is cut off or empty") from None
    if not isinstance(found, dict):
        raise Damaged(f"its {path.name} is not what was written")
    return found


def check_arrays(path: Path) -> None:
    """Raises Damaged when a safetensors file is not whole, or a number in it is not finite."""
    with whole(path), safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118 (it is no dict)
            if file.get_slice(name).get_dtype() in ("F16", "F32", "F64"):
                check_finite(path.name, file.get_tensor(name))


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Around what reads a safetensors file: raises Damaged where the file is not whole. Whatever
    keeps it from being opened, such as too many open files, is no damage."""
    try:
        path.open("rb").close()
        yield
    except FileNotFoundError:
        raise Damaged(f"its {path.name} is missing") from None
    except (SafetensorError, KeyError) as error:
        raise Damaged(f"its {path.name} is cut off or empty") from error


def check_finite(name: str, *arrays: NDArray[Any]) -> None:
    """Raises Damaged when a number in these arrays of the file `name` is not finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise Damaged(f"its {name} holds values that are not numbers")


def broken_rows(rows: NDArray[np.float16]) -> Ints:
    """The places of the rows (n, d), float16, in which a number is not finite."""
    starts = range(0, len(rows), CHECKED_AT_ONCE)
    found = [start + np.flatnonzero(_is_broken(rows[start : start + CHECKED_AT_ONCE]))
             for start in starts]  # fmt: skip
    return np.concatenate([np.zeros(0, np.int64), *found]).astype(np.int64)


def _is_broken(rows: NDArray[np.float16]) -> Bools:
    # By its bits: numpy's isfinite takes ten times as long for 16-bit numbers.
    exponents = np.ascontiguousarray(rows).view(np.int16) & EXPONENT
    is_broken: Bools = (exponents == EXPONENT).any(axis=1)
    return is_broken
