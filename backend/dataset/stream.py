"""The items that arrive at a dataset, where people have time for so many labels a day: how many
came and were kept for people, and which of these are still to be imported.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backend.dataset.record import folder_of, write_whole
from backend.dataset.shortlist import ShortlistItem
from model.storage.damage import Damaged, json_of

FILE = "stream.json"

DAY, HOUR = 86_400.0, 3_600.0
WEEK_HOURS = 7 * 24
"""How many items a day will come is taken from the last week."""


@dataclass(frozen=True)
class Stream:
    """since, seen_at: Unix times at which it began and was looked at last.

    judged: parts with lower numbers are judged, or were there before; hours: by the number of the
    hour since 1970 how many items arrived and how many of them were kept; budget: how many more may
    be kept now; kept: items that are no tasks yet, the oldest first.
    """

    since: float
    seen_at: float
    judged: int
    budget: float
    hours: tuple[tuple[int, int, int], ...] = ()
    kept: tuple[ShortlistItem, ...] = ()

    def accrued(self, now: float, labels_a_day: int) -> "Stream":
        """At a later time: the budget grows by `labels_a_day` each day, and a day's is kept at
        most, so that a weekend brings no flood on Monday."""
        grown = self.budget + labels_a_day * (now - self.seen_at) / DAY
        return replace(self, seen_at=now, budget=min(float(labels_a_day), grown))

    def rate(self, now: float, arriving: int, labels_a_day: int) -> float:
        """The share, in [0, 1], of `arriving` items to keep: as many as a day's labels are of a
        day's items, and no more than the budget."""
        days = min(max(now - self.since, HOUR), WEEK_HOURS * HOUR) / DAY
        came = sum(arrived for _, arrived, _ in self._last(now, WEEK_HOURS)) + arriving
        return max(0.0, min(1.0, labels_a_day * days / came, self.budget / arriving))

    def with_part(
        self, now: float, part: int, arrived: int, kept: Sequence[ShortlistItem]
    ) -> "Stream":
        """After a part was judged."""
        last = self._last(now, WEEK_HOURS)
        hour = int(now // HOUR)
        before = next((one for one in last if one[0] == hour), (hour, 0, 0))
        counted = hour, before[1] + arrived, before[2] + len(kept)
        return replace(
            self,
            judged=part + 1,
            budget=self.budget - len(kept),
            hours=(*(one for one in last if one[0] != hour), counted),
            kept=(*self.kept, *kept),
        )

    def in_a_day(self, now: float) -> tuple[int, int]:
        """How many items arrived in the last 24 hours, and how many of them were kept."""
        last = self._last(now, 24)
        return sum(one[1] for one in last), sum(one[2] for one in last)

    def _last(self, now: float, hours: int) -> list[tuple[int, int, int]]:
        return [one for one in self.hours if one[0] > now // HOUR - hours]


def begun(now: float, parts: int, labels_a_day: int) -> Stream:
    """One that begins after this many parts, with an hour's labels to give away."""
    return Stream(now, now, parts, labels_a_day * HOUR / DAY)


def write_stream(project: Path, stream: Stream) -> None:
    write_whole(folder_of(project) / FILE, asdict(stream))


def read_stream(project: Path) -> Stream | None:
    """None before there is one, and where it is damaged: it then begins again."""
    try:
        values = json_of(folder_of(project) / FILE)
        values["kept"] = tuple(ShortlistItem(**one) for one in values["kept"])
        values["hours"] = tuple((hour, came, kept) for hour, came, kept in values["hours"])
        return Stream(**values)
    except (Damaged, KeyError, TypeError, ValueError):
        return None
