"""What went wrong in a project of late."""

import time
from collections import deque
from dataclasses import dataclass, replace

REMEMBERED = 10
"""The last troubles that are remembered."""


@dataclass(frozen=True)
class Trouble:
    """What went wrong: a sentence, since when (Unix time), and how often in a row."""

    sentence: str
    since: float
    times: int


class Troubles:
    """The last REMEMBERED troubles. May be used from any thread."""

    def __init__(self) -> None:
        self._last: deque[Trouble] = deque(maxlen=REMEMBERED)

    def note(self, sentence: str) -> None:
        """Remember a trouble; the same one again is counted."""
        last = self._last[-1] if self._last else None
        if last is not None and last.sentence == sentence:
            self._last[-1] = replace(last, times=last.times + 1)
        else:
            self._last.append(Trouble(sentence, time.time(), 1))

    def newest(self) -> list[Trouble]:
        """The last troubles, newest first."""
        return list(reversed(self._last))
