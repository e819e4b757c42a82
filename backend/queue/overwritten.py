"""Finds the settings that people saved at the moment of a write of ours, and lost."""

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
"""What people save in a project's pages, apart from what we look after ourselves."""

NEAR = 10.0
"""Seconds: a webhook that comes so long before our write or after it may tell of a change at the
same time. Label Studio repeats a request that met a locked database, a second later and more, and
where it is busy a request takes several."""


@dataclass(frozen=True)
class Write:
    """A change of the project that we made, between these times (time.monotonic).

    changes: the values that we sent; row: the whole project as Label Studio wrote it and answered;
    seen: the project as it was when we looked last before.
    """

    changes: Json
    row: Json
    began: float
    ended: float
    seen: ProjectState


class Overwritten:
    """Finds what people saved in the very moment of a write of ours, and lost.

    Label Studio saves a project as a whole row, even when one value is changed, so of two changes
    at once the first is lost without a word to anybody (measured: 11 ms apart, both answered 200).
    Each sends a webhook afterwards, with the row as it is then. When that of the lost one came in
    time it tells what to save once more; mostly it shows our own row, and only that there is one
    webhook more than there are changes tells that something was saved.
    """

    def __init__(self) -> None:
        self._seen = ProjectState({}, -math.inf)
        """The project as `to_restore` saw and left it."""
        self._heard = -math.inf
        """When the newest change came that `to_restore` has seen."""
        self._write: Write | None = None
        self._missed = 0
        """How many changes are missing since our last write, as reported already."""

    def record_write(self, changes: Json, row: Json, began: float, ended: float) -> None:
        """We changed the project, see Write. What was missed at the write before is forgotten."""
        self._write, self._missed = Write(changes, row, began, ended, self._seen), 0

    def to_restore(self, reports: Sequence[ProjectState], now: ProjectState) -> Json:
        """The settings to save once more. `reports`: the last changes, each of which is looked at
        once: who turns one back afterwards means it; `now`: the project as Label Studio describes
        it, and when it was asked."""
        news = [one for one in reports if one.at > self._heard]
        lost = {} if self._write is None else lost_settings(self._write, self._seen, news, now)
        if lost:
            log.warning(
                "project %s: %s was saved while the backend wrote, too, and lost; it is saved once "
                "more",
                now.project["id"],
                " and ".join(lost),
            )
        self._heard = max((one.at for one in news), default=self._heard)
        self._seen = ProjectState({**now.project, **lost}, now.at)
        return lost

    def missed(self, reports: Sequence[ProjectState]) -> bool:
        """Whether somebody saved something at our last write, lost it, and no webhook tells what it
        was. True once for each that is lost; also when a save changed nothing."""
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
    """What a person saved around our write and what is now as we wrote it.

    seen: the project at the look before; reports: the changes since then, oldest first. Of those
    that do not show our write only the newest counts, for it has what was kept of the others; and
    what we wrote must have been there before it: otherwise it was saved later, and is none of
    ours.
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
    """How many changes of the project at our write left nothing but a webhook.

    Of the webhooks that show our write one is our own. Each of the others should show something
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
    """The different values of these settings, as texts: whatever they are, these fit into a set."""
    return {tuple(repr(one.project.get(name)) for name in names) for one in reports}
