"""Progress in the terminal for whatever takes longer than two seconds."""

import sys
from typing import NoReturn

from tqdm import tqdm


def waiting(what: str) -> "tqdm[NoReturn]":
    """A line with the seconds waited; call `update()` on it as often as you like."""
    every = 1.0 if sys.stderr.isatty() else 15.0
    return tqdm(desc=what, bar_format="{desc}: {elapsed}", mininterval=every)


def counting(what: str, total: int, unit: str) -> "tqdm[NoReturn]":
    """A bar from 0 to `total`; call `update(n)` on it."""
    every = 0.2 if sys.stderr.isatty() else 15.0
    return tqdm(desc=what, total=total, unit=unit, mininterval=every)
