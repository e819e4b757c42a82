"""The project in Label Studio itself: whether it is the one that we know, and people's settings."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import ProjectReplaced, StudioError
from backend.mirror.pool import Pool
from backend.project.loop import Told
from backend.studio.api import Studio
from backend.types import Json

log = logging.getLogger(__name__)

BORN = "born"
"""The fact that tells which project the mirror is about: when Label Studio made it."""

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


def read_project(studio: Studio, project: int) -> Json:
    """The project as Label Studio describes it. Raises StudioError."""
    try:
        return studio.project(project)
    except StudioError as error:
        if error.status != 404:
            raise
        raise StudioError(
            f"Label Studio has no project {project}, or the token's user may not see it. If it was "
            f"deleted, delete MODEL_DIR/{project}, too, and restart the backend; otherwise give "
            "LABEL_STUDIO_API_KEY the token of a user who may edit it",
            404,
        ) from error


def is_of(pool: Pool, described: Json) -> bool:
    """Whether the mirror is one of this very project; a new mirror becomes one.

    Label Studio counts its projects from 1 again when it is begun anew on an empty database.
    """
    born = described["created_at"]
    if pool.fact(BORN) is None:
        pool.remember(BORN, born)
    return bool(pool.fact(BORN) == born)


def set_aside(folder: Path) -> ProjectReplaced:
    """Move away what was learnt about another project of the same number. Returns the error to
    raise, so that the work begins anew."""
    aside = folder.with_name(f"{folder.name}.replaced-{time.time():.0f}")
    folder.rename(aside)
    return ProjectReplaced(
        f"Label Studio has another project {folder.name} than before. What was learnt about the "
        f"old one is kept in {aside} and may be deleted"
    )


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
    seen: Told


class Overwritten:
    """Finds what people saved in the very moment of a write of ours, and lost.

    Label Studio saves a project as a whole row, even when one value is changed, so of two changes
    at once the first is lost without a word to anybody (measured: 11 ms apart, both answered 200).
    Each sends a webhook afterwards, with the row as it is then. When that of the lost one came in
    time it tells what to save once more; mostly it shows our own row, and only that there is one
    webhook more than there are changes tells that something was saved.
    """

    def __init__(self) -> None:
        self._seen = Told({}, -math.inf)
        """The project as `found` saw and left it."""
        self._heard = -math.inf
        """When the newest change came of which `found` was told."""
        self._write: Write | None = None
        self._missed = 0
        """How many changes are missing since our last write, as told already."""

    def wrote(self, changes: Json, row: Json, began: float, ended: float) -> None:
        """We changed the project, see Write. What was missed at the write before is forgotten."""
        self._write, self._missed = Write(changes, row, began, ended, self._seen), 0

    def found(self, told: Sequence[Told], now: Told) -> Json:
        """The settings to save once more. `told`: the changes of late, of which each is looked at
        once: who turns one back afterwards means it; `now`: the project as Label Studio describes
        it, and when it was asked."""
        news = [one for one in told if one.at > self._heard]
        lost = {} if self._write is None else lost_settings(self._write, self._seen, news, now)
        if lost:
            log.warning(
                "project %s: %s was saved while the backend wrote, too, and lost; it is saved once "
                "more",
                now.project["id"],
                " and ".join(lost),
            )
        self._heard = max((one.at for one in news), default=self._heard)
        self._seen = Told({**now.project, **lost}, now.at)
        return lost

    def missed(self, told: Sequence[Told]) -> bool:
        """Whether somebody saved something at our last write, lost it, and no webhook tells what it
        was. True once for each that is lost; also when a save changed nothing."""
        if self._write is None:
            return False
        missing = missing_changes(self._write, told)
        known, self._missed = self._missed, max(self._missed, missing)
        return missing > known


def _has(one: Told, changes: Json) -> bool:
    return all(one.project.get(name) == changes[name] for name in changes)


def lost_settings(write: Write, seen: Told, told: Sequence[Told], now: Told) -> Json:
    """What a person saved around our write and what is now as we wrote it.

    seen: the project at the look before; told: the changes since then, oldest first. Of those that
    do not show our write only the newest counts, for it has what was kept of the others; and what
    we wrote must have been there before it: otherwise it was saved later, and is none of ours.
    """
    near = [
        one
        for one in told
        if write.began - NEAR <= one.at <= write.ended + NEAR and not _has(one, write.changes)
    ]
    if not near:
        return {}
    saved = near[-1]
    earlier = [seen, *(one for one in told if one.at < saved.at)]
    lost = {}
    for name in filter(saved.project.__contains__, PEOPLES_SETTINGS):
        ours, theirs = write.row.get(name), saved.project[name]
        was_there = any(one.project.get(name) == ours for one in earlier)
        if theirs != ours == now.project.get(name) and was_there:
            lost[name] = theirs
    return lost


def missing_changes(write: Write, told: Sequence[Told]) -> int:
    """How many changes of the project at our write left nothing but a webhook.

    Of the webhooks that show our write one is our own. Each of the others should show something
    that was not there before.
    """
    earlier = [write.seen, *(one for one in told if one.at < write.began)]
    around = [one for one in told if write.began <= one.at <= write.ended + NEAR]
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


def _states(told: Sequence[Told], names: Sequence[str]) -> set[tuple[str, ...]]:
    """The different values of these settings, as texts: whatever they are, these fit into a set."""
    return {tuple(repr(one.project.get(name)) for name in names) for one in told}
