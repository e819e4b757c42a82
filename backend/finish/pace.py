"""How fast `finish` writes: Label Studio must have time for the people who label meanwhile."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backend.project.loop import PUBLISH_BURST, PUBLISH_SHARE, Allowance
from backend.studio.project import BATCH_BYTES

FIRST_ROWS, LEAST_ROWS, MOST_ROWS = 1000, 200, 20_000
"""Tasks in one request."""
LONG = 20.0
"""Seconds that a request should not take: people wait for Label Studio's database meanwhile, and a
proxy before it may give up (nginx after 60)."""
MOST_BYTES = 8 * BATCH_BYTES
"""Of one request where each costs a recount of the whole project: twelve seconds at 10,000 tasks,
whether it brings 500 predictions or 10,000."""


class Pace:
    """Writes take at most PUBLISH_SHARE of the time after the first PUBLISH_BURST seconds, as the
    orders of a server do; without a limit where no server has people label."""

    def __init__(
        self,
        is_limited: bool,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._allowance = Allowance(PUBLISH_SHARE, PUBLISH_BURST, clock()) if is_limited else None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Wait until Label Studio may be asked something, and count how long that takes."""
        if self._allowance is not None:
            wait = self._allowance.ready_at() - self._clock()
            if wait > 0.0:
                self._sleep(wait)
        began = self._clock()
        yield
        if self._allowance is not None:
            now = self._clock()
            self._allowance.spend(now - began, now)


class Batches:
    """How many tasks go into one request: as many as keep it below LONG seconds, and as many as
    MOST_ROWS where not the tasks but the request itself takes the time."""

    def __init__(self) -> None:
        self.rows = FIRST_ROWS
        self.bytes = BATCH_BYTES
        self._seen: list[tuple[int, float]] = []
        self._may_grow = True

    def note(self, rows: int, seconds: float) -> None:
        """A request with so many tasks took so long."""
        others = [one for one in self._seen if one[0] != rows]
        self._seen = [*others[-1:], (rows, seconds)]
        wanted = 2.0 * self.rows  # to see what the tasks cost and what the request
        if len(self._seen) == 2:
            (fewer, short), (more, long) = sorted(self._seen)
            per_row = max(1e-6, (long - short) / (more - fewer))
            fixed = max(0.0, short - per_row * fewer)
            is_costly = fixed > LONG / 2.0
            wanted = MOST_ROWS if is_costly else (LONG - fixed) / per_row
            if self._may_grow:
                self.bytes = MOST_BYTES if is_costly else BATCH_BYTES
        self.rows = int(min(max(wanted, LEAST_ROWS), MOST_ROWS, 4 * self.rows))

    def note_too_large(self) -> None:
        """Something before Label Studio refused a request for its size."""
        self.bytes, self._may_grow = BATCH_BYTES, False
