"""What is damaged in a project's folder is set aside, and people are told."""

from pathlib import Path

from backend.folder.past import COMPARED
from backend.mirror.review import FILE as REVIEW
from model.storage.damage import Damaged, check_arrays, json_of, set_aside
from model.storage.mend import mend
from model.storage.store import Store, Version


def mended(store: Store, now: float) -> list[str]:
    """Set aside what cannot be used. Returns a sentence for each; `now`: Unix time."""
    return [*mend(store, now), *_mend_files(store.folder, now)]


def _mend_files(folder: Path, now: float) -> list[str]:
    said = []
    for name, check in ((REVIEW, json_of), (COMPARED, check_arrays)):
        path = folder / name
        try:
            if path.exists():
                check(path)
        except Damaged:
            aside = set_aside(path, now)
            said.append(
                f"The file {name} was damaged and is kept as {aside}, which may be deleted. It is "
                "made again after the next deep round"
            )
    return said


def opened(store: Store, name: str, now: float) -> Version | str:
    """The version of this name. A damaged one is set aside; then the sentence that says so.
    Raises WrittenLater when a later release made it."""
    try:
        return store.load_version(name)
    except Damaged as error:
        aside = set_aside(store.version_folder(name), now)
        return (
            f"Version {name} was damaged ({error}) and is kept as {aside}, which may be deleted. "
            "The version before it, or a new one, is served"
        )
