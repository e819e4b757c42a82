"""What happened in a soak, as those saw it who took part; the proofs are made from it.

All times are seconds of `time.monotonic`.
"""

import math
import threading
from collections import Counter
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Failure:
    """A call to Label Studio that failed; `status` is None when no answer came."""

    what: str
    began: float
    ended: float
    status: int | None
    message: str


@dataclass(frozen=True)
class Serving:
    """A task that Label Studio served between `began` and `ended`.

    versions: what the project named as its version before, in and after the answer; shown: the
    version and the score of the prediction in the answer; resumed: an earlier answer was lost, and
    Label Studio then serves what it has locked for the annotator.
    """

    task: int
    began: float
    ended: float
    versions: frozenset[str]
    shown: tuple[str, float] | None
    resumed: bool


@dataclass(frozen=True)
class Saved:
    """An annotation whose saving was confirmed to its annotator.

    The task was not to be had for others from `held` until `gone`: the first request that may have
    locked it, and the end of the annotation's deletion (infinity while it is there).
    sure: it was saved at the first attempt.
    """

    task: int
    choice: str
    held: float
    gone: float = math.inf
    sure: bool = True


@dataclass
class Ledger:
    """Annotators and the chaos monkey write into it from their threads."""

    servings: list[Serving] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    saved: dict[int, Saved] = field(default_factory=dict)
    outages: list[tuple[float, float]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def there(self) -> dict[int, Saved]:
        """The annotations that must be in Label Studio now, by their ids."""
        with self._lock:
            return {number: row for number, row in self.saved.items() if row.gone == math.inf}

    def keep(self, annotation: int, saved: Saved) -> None:
        with self._lock:
            self.saved[annotation] = saved

    def change(self, annotation: int, choice: str) -> None:
        with self._lock:
            self.saved[annotation] = replace(self.saved[annotation], choice=choice)

    def drop(self, annotation: int, now: float) -> None:
        with self._lock:
            self.saved[annotation] = replace(self.saved[annotation], gone=now)
