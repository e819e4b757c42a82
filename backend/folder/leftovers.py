"""What is kept in case somebody wants it, and would grow for ever: bounded by number and age."""

import logging
import re
import shutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

log = logging.getLogger(__name__)

KEPT, KEPT_SECONDS = 5, 30 * 24 * 3600.0
"""So many of what was set aside are kept, for a month at most."""

KEPT_LOGS = 20
"""TensorBoard logs of deep rounds that are kept, and of starts with their fast rounds."""

SET_ASIDE = re.compile(r".*\.(?:damaged|replaced)-(\d+)")


def delete_leftovers(folder: Path, now: float) -> None:
    """Delete the oldest of what was set aside in a project's folder or instead of it, and of its
    TensorBoard logs. `now`: Unix time."""
    places = [*folder.glob("*.damaged-*"), *folder.glob("*/*.damaged-*")]
    _delete(outdated(places, now))
    _delete(outdated(folder.parent.glob(f"{folder.name}.replaced-*"), now))
    logs = folder / "tensorboard"
    _delete(_oldest(logs.glob("encoder-*")))
    _delete(_oldest((logs / "rounds").glob("events*")))


def outdated(paths: Iterable[Path], now: float) -> list[Path]:
    """Of what was set aside, all but the newest KEPT, and what is older than KEPT_SECONDS. Other
    paths are left out."""
    times = {path: float(match[1]) for path in paths if (match := SET_ASIDE.fullmatch(path.name))}
    newest_first = sorted(times, key=lambda path: -times[path])
    return [
        path
        for place, path in enumerate(newest_first)
        if place >= KEPT or times[path] < now - KEPT_SECONDS
    ]


def _oldest(paths: Iterable[Path]) -> list[Path]:
    """All but the KEPT_LOGS that were written to last."""
    return sorted(paths, key=lambda path: -path.stat().st_mtime)[KEPT_LOGS:]


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            log.info("%s was deleted: newer ones are kept", path)
        except OSError as error:
            _warn_once(path, error.strerror or str(error))


@lru_cache(maxsize=1000)
def _warn_once(path: Path, reason: str) -> None:
    """This is tried again every few seconds."""
    log.warning("%s cannot be deleted (%s) and takes up room: delete it yourself", path, reason)
