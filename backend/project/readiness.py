"""Whether annotators get their tasks in order."""

import math
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from backend.project.loop import ProjectLoop
from backend.studio.session import is_up
from backend.types import Headers

PAUSE = 5.0
"""Seconds: Label Studio is asked at most this often whether it is well, however often we are."""


class StudioHealth:
    """Whether Label Studio answers. May be asked from any thread."""

    def __init__(self, url: str, headers: Headers = ()) -> None:
        """`headers`: see Session."""
        self._url, self._headers = url, headers
        self._lock = threading.Lock()
        self._asked, self._answer = -math.inf, False

    def is_up(self) -> bool:
        if self._lock.acquire(blocking=False):  # nobody waits while another one asks
            try:
                if time.monotonic() > self._asked + PAUSE:
                    self._answer, self._asked = is_up(self._url, self._headers), time.monotonic()
            finally:
                self._lock.release()
        return self._answer


def all_have_their_order(loops: Iterable[ProjectLoop], model_dir: Path) -> bool:
    """Whether each project that ever had an order, and is still ours, serves one."""
    return all(
        loop.is_let_go
        or loop.served is not None
        or not _had_an_order(model_dir / str(loop.project))
        for loop in loops
    )


def _had_an_order(folder: Path) -> bool:
    return any(folder.glob("versions/[0-9]*.[0-9]*"))
