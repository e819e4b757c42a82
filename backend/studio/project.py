"""The project in Label Studio itself: whether it is the one that we know, and people's settings."""

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

from backend.errors import ProjectReplaced, StudioError
from backend.loop.loop import Told
from backend.pool import Pool
from backend.studio.annotations import Json
from backend.studio.api import Studio

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
)
"""What settings pages save, apart from what we look after ourselves."""

BEFORE, AFTER = 10.0, 1.0
"""Seconds: a webhook that comes so long before our switch or after it may tell of a change at the
same time. Label Studio repeats a request that met a locked database, a second later and more."""


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


class Overwritten:
    """Finds what people saved in the very moment of our switch, and lost.

    Label Studio saves a project as a whole row, even when one value is changed, so of two changes
    at once the first is lost without a word to anybody (measured: 11 ms apart, both answered 200).
    Each sends a webhook afterwards, with the row as it is then. When that of the lost one came in
    time it tells what to save once more; mostly it shows our own row, and only that there are two
    of them tells that something was saved.
    """

    def __init__(self) -> None:
        self._began = self._ended = -math.inf
        self._written: Json = {}
        self._before: Json = {}
        self._seen: Json = {}
        """The project as `found` saw and left it."""
        self._heard = -math.inf
        """When the newest change came of which `found` was told."""

    def switched(self, written: Json, began: float, ended: float) -> None:
        """Our own change of the project was made between these times (time.monotonic); `written`
        is the whole row, as Label Studio answered."""
        self._written, self._began, self._ended = written, began, ended
        self._before = self._seen

    def settled(self) -> None:
        """Look no more for what was lost to the last switch: it is known, or we wrote again."""
        self._began = self._ended = -math.inf

    def found(self, told: Sequence[Told], now: Json) -> Json:
        """The settings to save once more. `told`: the changes of late, of which each is looked at
        once: who turns one back afterwards means it; `now`: the project as Label Studio describes
        it."""
        lost: Json = {}
        heard, self._heard = self._heard, max((one.at for one in told), default=self._heard)
        for one in told:
            is_near = self._began - BEFORE <= one.at <= self._ended + AFTER
            if one.is_before and one.at > heard and is_near:
                lost |= lost_settings(one.project, self._written, now)
        if lost:
            self.settled()
            log.warning(
                "project %s: %s was saved while the version was switched, and lost; it is saved "
                "once more",
                now["id"],
                " and ".join(lost),
            )
        self._seen = {**now, **lost}
        return lost

    def missed(self, told: Sequence[Told]) -> str | None:
        """A sentence when somebody saved something at the last switch, lost it, and no webhook
        tells what it was; once a switch."""
        echoes = [
            one.project
            for one in told
            if not one.is_before and self._began <= one.at <= self._ended + AFTER
        ]
        before, *after = map(peoples_settings, (self._before, self._written, *echoes))
        if len(echoes) < 2 or any(settings != before for settings in after):
            return None
        self.settled()
        return (
            f"Somebody saved settings in the very moment in which version "
            f"{self._written['model_version']} was switched, and Label Studio kept only one of the "
            "two. Look in the project's settings whether the last change is there; if it is not, "
            "save it once more"
        )


def peoples_settings(row: Json) -> Json:
    """Of a described project, what people set."""
    return {name: row.get(name) for name in PEOPLES_SETTINGS}


def lost_settings(told: Json, written: Json, now: Json) -> Json:
    """Of the settings that a person saved (`told`), those that are what our switch wrote."""
    return {
        name: told[name]
        for name in PEOPLES_SETTINGS
        if name in told and told[name] != now.get(name) and now.get(name) == written.get(name)
    }
