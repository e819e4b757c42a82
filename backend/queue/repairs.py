"""How often settings that something else keeps changing are restored."""

from collections import deque

WINDOW = 600.0
"""Seconds after which a repair is forgotten."""
FREE = 3
"""Repairs in WINDOW that are made at once."""
LONGEST = 60.0
"""The most seconds between two repairs."""


class Repairs:
    """The repairs of late. All times are seconds on one clock."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def may(self, now: float) -> bool:
        """Whether it is time for another: each after FREE waits twice as long as the one before."""
        extra = self.count(now) - FREE
        return extra < 0 or now >= self._times[-1] + min(LONGEST, 2.0**extra)

    def add(self, now: float) -> None:
        self._times.append(now)

    def count(self, now: float) -> int:
        """How many there were in the last WINDOW seconds."""
        while self._times and self._times[0] < now - WINDOW:
            self._times.popleft()
        return len(self._times)
