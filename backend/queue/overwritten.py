"""Finds settings that people saved, and lost because we wrote at the same moment."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

from backend.queue.inbox import ProjectState
from backend.types import Json

log = logging.getLogger(__name__)

PEOPLES_SETTINGS = (
    "label_config",
    "title",
    "description",
    "color",
    "expert_instruction",
    "show_instruction",
    "show_skip_button",
    "skip_queue",
    "enable_empty_annotation",
    "show_annotation_history",
    "show_collab_predictions",
    "reveal_preannotations_interactively",
    "evaluate_predictions_automatically",
    "maximum_annotations",
    "pinned_at",
)
"""What people save on a project's pages, except what we maintain ourselves."""

NEAR = 10.0
"""Seconds: a webhook that arrives within this time of our write may report a change made at the
same moment. Label Studio retries a request after a second or more if the database was locked, and
a request takes several seconds when it is busy."""


@dataclass(frozen=True)
class Write:
    """A change of the project that we made, between these times (time.monotonic).

    changes: the values that we sent; row: the whole project as Label Studio wrote and returned it;
    seen: the project when we last looked at it before.
    """

    changes: Json
    row: Json
    began: float
    ended: float
    seen: ProjectState


class Overwritten:
    """Finds what people saved at the very moment of our write, and lost.

    Label Studio saves a project as a whole row, even if only one value changes, so of two
    simultaneous changes the first is silently lost (measured: 11 ms apart, both answered 200).
    Each change then sends a webhook with the row as it is at that time. If that of the lost change
    was sent early enough, it says what to save again; usually it shows our own row, and only the
    surplus of webhooks over changes shows that something was saved.
    """

    def __init__(self) -> None:
        self._seen = ProjectState({}, -math.inf)
        """The project as the last call of `to_restore` left it."""
        self._heard = -math.inf
        """When the newest change arrived that `to_restore` has seen."""
        self._write: Write | None = None
        self._missed = 0
        """How many lost changes since our last write have been reported."""

    def record_write(self, changes: Json, row: Json, began: float, ended: float) -> None:
        """We changed the project, see Write. Forgets what the previous write missed."""
        self._write, self._missed = Write(changes, row, began, ended, self._seen), 0

    def to_restore(self, reports: Sequence[ProjectState], now: ProjectState) -> Json:
        """The settings to save again. `reports`: the last changes, each of which is considered
        once: whoever reverts one afterwards does so on purpose; `now`: the project as Label Studio
        describes it, and the time of the request."""
        news = [one for one in reports if one.at > self._heard]
        lost = {} if self._write is None else lost_settings(self._write, self._seen, news, now)
        if lost:
            log.warning(
                "project %s: %s was saved while the backend saved a change, and was lost; it is "
                "saved again",
                now.project["id"],
                " and ".join(lost),
            )
        self._heard = max((one.at for one in news), default=self._heard)
        self._seen = ProjectState({**now.project, **lost}, now.at)
        return lost

    def missed(self, reports: Sequence[ProjectState]) -> bool:
        """Whether somebody saved something at our last write and lost it, and no webhook says
        what it was. True once for each loss; also if a save changed nothing."""
        if self._write is None:
            return False
        missing = missing_changes(self._write, reports)
        known, self._missed = self._missed, max(self._missed, missing)
        return missing > known


def _has(one: ProjectState, changes: Json) -> bool:
    return all(one.project.get(name) == changes[name] for name in changes)


def lost_settings(
    write: Write, seen: ProjectState, reports: Sequence[ProjectState], now: ProjectState
) -> Json:
    """What a person saved around the time of our write, and what now is as we wrote it.

    seen: the project at the previous look; reports: the changes since then, oldest first. Of those
    that do not show our write only the newest counts, as it includes what was kept of the others;
    and the value that we wrote must have been there before it: otherwise it was saved later, and
    is not ours.
    """
    near = [
        one
        for one in reports
        if write.began - NEAR <= one.at <= write.ended + NEAR and not _has(one, write.changes)
    ]
    if not near:
        return {}
    saved = near[-1]
    earlier = [seen, *(one for one in reports if one.at < saved.at)]
    lost = {}
    for name in filter(saved.project.__contains__, PEOPLES_SETTINGS):
        ours, theirs = write.row.get(name), saved.project[name]
        was_there = any(one.project.get(name) == ours for one in earlier)
        if theirs != ours == now.project.get(name) and was_there:
            lost[name] = theirs
    return lost


def missing_changes(write: Write, reports: Sequence[ProjectState]) -> int:
    """How many changes of the project at the time of our write left no trace except a webhook.

    Of the webhooks that show our write, one is our own. Each of the others should show something
    that was not there before.
    """
    earlier = [write.seen, *(one for one in reports if one.at < write.began)]
    around = [one for one in reports if write.began <= one.at <= write.ended + NEAR]
    echoes = [one for one in around if _has(one, write.changes)]
    before = [max(earlier, key=lambda one: one.at)]
    before += [one for one in around if not _has(one, write.changes)]
    names = [
        name
        for name in (*PEOPLES_SETTINGS, "sampling", "model_version")
        if name not in write.changes
    ]
    news = _states(echoes, names) - _states(before, names)
    return max(0, len(echoes) - 1 - len(news))


def _states(reports: Sequence[ProjectState], names: Sequence[str]) -> set[tuple[str, ...]]:
    """The distinct values of these settings, as strings, because those are always hashable."""
    return {tuple(repr(one.project.get(name)) for name in names) for one in reports}
