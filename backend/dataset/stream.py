"""The items that arrive at a dataset, where people have time for so many labels a day: how many
came and were kept for people, and which of these are still to be imported.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from backend.dataset.record import folder_of, write_whole
from backend.dataset.shortlist import ShortlistItem
from backend.types import Json
from model.storage.damage import Damaged, json_of

log = logging.getLogger(__name__)

FILE = "stream.json"

DAY, HOUR = 86_400.0, 3_600.0
WEEK = 7
"""Days. How many items a day will come is taken from the last ones."""


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
        grown = self.budget + labels_a_day * max(0.0, now - self.seen_at) / DAY
        return replace(self, seen_at=now, budget=min(float(labels_a_day), max(0.0, grown)))

    def rate(self, now: float, arriving: int, labels_a_day: int) -> float:
        """The share, in [0, 1], of `arriving` items, all that wait, to keep: as many as a day's
        labels are of a usual day's items, and no more than the budget."""
        usual = max(1.0, self._usual_day(now, arriving))
        return max(0.0, min(1.0, labels_a_day / usual, self.budget / arriving))

    def _usual_day(self, now: float, arriving: int) -> float:
        """How many items come a day: the median of the last days, at most a week of them, so that a
        file of a year's items changes nothing; of the first day from its hours."""
        age = max(now - self.since, HOUR)
        if age < DAY:
            return (self._came(now, 0) + arriving) * DAY / age
        days = range(min(WEEK, int(age // DAY)))
        return float(median(self._came(now, day) + arriving * (day == 0) for day in days))

    def _came(self, now: float, day: int) -> int:
        """How many items came in a day, 0 for the last 24 hours."""
        return sum(came for _, came, _ in self._last(now - day * DAY, 24))

    def with_part(
        self, now: float, part: int, arrived: int, kept: Sequence[ShortlistItem]
    ) -> "Stream":
        """After a part was judged."""
        last = self._last(now, 24 * WEEK)
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
        return self._came(now, 0), sum(kept for _, _, kept in self._last(now, 24))

    def _last(self, now: float, hours: int) -> list[tuple[int, int, int]]:
        """The last so many hours before a time."""
        return [one for one in self.hours if now // HOUR - hours < one[0] <= now // HOUR]


def begun(now: float, parts: int, labels_a_day: int) -> Stream:
    """One that begins after this many parts, with an hour's labels to give away."""
    return Stream(now, now, parts, labels_a_day * HOUR / DAY)


def write_stream(project: Path, stream: Stream) -> None:
    write_whole(folder_of(project) / FILE, asdict(stream))


def end_stream(project: Path) -> None:
    """What is kept and is no task yet is passed by."""
    (folder_of(project) / FILE).unlink(missing_ok=True)


def read_stream(project: Path) -> Stream | None:
    """None before there is one, and where it is damaged: then it begins again."""
    path = folder_of(project) / FILE
    try:
        return _parsed(json_of(path)) if path.exists() else None
    except Damaged as error:
        log.warning("%s: %s", path, error)
        return None


def damage_of(project: Path) -> str:
    """What a damaged file costs, in a sentence without a full stop; "" where it is whole."""
    path = folder_of(project) / FILE
    if not path.exists() or read_stream(project) is not None:
        return ""
    return (
        f"{path} was damaged. The items that were kept for people and were no tasks yet are passed "
        "by; they stay in the dataset"
    )


def _parsed(values: Json) -> Stream:
    try:
        return Stream(
            since=float(values["since"]),
            seen_at=float(values["seen_at"]),
            judged=int(values["judged"]),
            budget=float(values["budget"]),
            hours=tuple((int(hour), int(came), int(kept)) for hour, came, kept in values["hours"]),
            kept=tuple(ShortlistItem(**one) for one in values["kept"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged("it is not what was written") from error
