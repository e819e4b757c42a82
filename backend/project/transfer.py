"""What a project takes over from an earlier one, before it has an encoder of its own."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backend.errors import ENCODER_SETTINGS, CannotTransfer, UnknownVersion
from backend.interface.parse import parse
from backend.project.encoder_spec import ignored_by, spec_of
from backend.project.versions import store_of, version_of
from backend.settings import Settings
from model.exported import exported_of, is_exported, write_encoder
from model.heads.head import Head
from model.storage.damage import Damaged, WrittenLater
from model.storage.earlier import META, Earlier, copy_folder, drop_earlier, keep_earlier
from model.storage.store import Store, version_key
from model.types import EncoderSpec, Layout, Medium, compared, has_context, is_of_lists, is_of_pairs

log = logging.getLogger(__name__)

READS: dict[Medium, str] = {
    "text": "texts as wholes",
    "tokens": "texts in which spans are marked",
    "beside": "a text beside them",
    "document": "the texts of files",
    "image": "pictures",
    "images": "several pictures a task",
    "proposals": "pictures in which boxes are drawn",
    "video": "clips",
    "footage": "clips, by a network of videos",
    "audio": "sounds",
    "track": "the sound of clips",
    "steps": "sounds in which pieces are marked",
}


@dataclass(frozen=True)
class Found:
    """What there is to take over. write: writes the tuned weights into a new folder; None: there
    are none."""

    earlier: Earlier
    write: Callable[[Path], object] | None = None


def take_over(source: str, settings: Settings, project: int, spec: EncoderSpec) -> Earlier:
    """Keep a copy of what `source` learnt as the beginning of a project that has no encoder yet.

    source: the number of an earlier project in MODEL_DIR, or a folder that `export` wrote; spec:
    the encoder that the settings name for the project. Until the project has an encoder, another
    source takes the place of the one before.

    Raises CannotTransfer and other BackendErrors, with what is wrong and what to do, and OSError
    when the disk is full; nothing is written then.
    """
    folder = settings.model_dir / str(project)
    if source == str(project):
        raise CannotTransfer(f"Project {project} cannot begin with itself: name an earlier project")
    if any((folder / "encoders").glob("[0-9]*")):
        raise CannotTransfer(
            f"Project {project} has an encoder already, so that its labels are learnt on that one. "
            f"To begin again, stop the backend, delete {folder} (all labels are in Label Studio), "
            "and connect the project again"
        )
    if spec.layout == ("proposals",):
        raise CannotTransfer(
            "Of boxes nothing is taken over in this way. To begin with the detector that an "
            "earlier project tuned, copy its folder, the one with the highest number in "
            f"{settings.model_dir}/3/encoders for project 3, to another place, and set DETECTOR "
            "to the copy. Projects delete detectors that they need no more"
        )
    found = found_in(source, settings.model_dir)
    check_alike(found.earlier, spec, project)
    store = Store(folder)
    try:
        drop_earlier(store)
        keep_earlier(store, found.earlier, found.write)
    except FileNotFoundError as error:
        raise CannotTransfer(
            f"{_named(source)} changed while it was copied ({error.filename} is gone). Nothing was "
            "taken over; try again"
        ) from error
    except PermissionError as error:
        raise CannotTransfer(
            f"{_named(source)} could not be copied: {error.filename} cannot be opened "
            f"({error.strerror})"
        ) from error
    except Damaged as error:
        raise CannotTransfer(f"{source} cannot be read: {error}. Export it again") from error
    return found.earlier


def take_over_for(source: str, settings: Settings, project: int, xml: str) -> Earlier:
    """`take_over` by a project with this labelling interface. Also raises UnsupportedConfig."""
    config = parse(xml, ignored_by(settings), settings.aliases)
    return take_over(source, settings, project, spec_of(config.layout, settings))


def found_in(source: str, model_dir: Path) -> Found:
    """What an earlier project, or a folder that `export` wrote, has learnt. Raises BackendError."""
    if _is_number(source):
        return _found_in_project(store_of(model_dir, int(source)))
    try:
        return _found_in_folder(Path(source))
    except PermissionError as error:
        raise CannotTransfer(f"{error.filename} cannot be read ({error.strerror})") from error


def _is_number(source: str) -> bool:
    return source.isascii() and source.isdigit()


def _named(source: str) -> str:
    """What was named, at the beginning of a sentence."""
    return f"Project {int(source)}" if _is_number(source) else source


def check_alike(earlier: Earlier, spec: EncoderSpec, project: int) -> None:
    """Raises CannotTransfer when the encoder of an earlier project cannot read what this one shows,
    or is not made from the networks that the settings name. Texts may be cut elsewhere."""
    before, origin = earlier.spec, earlier.origin
    if before.layout != spec.layout:
        raise CannotTransfer(
            f"The encoder of {origin} reads {_words(before.layout)}, and project {project} shows "
            f"{_words(spec.layout)}: it could not read them. Choose an earlier project that shows "
            "the same"
        )
    for medium in compared(spec.layout):
        theirs, ours = before.network_of(medium), spec.network_of(medium)
        if theirs != ours:
            name = ENCODER_SETTINGS[medium]
            raise CannotTransfer(
                f"The encoder of {origin} was made from {name}={theirs}, and this backend has "
                f"{name}={ours}: deep rounds and vectors of the two do not mix. Set "
                f"{name}={theirs}, or choose another project"
            )


def _found_in_project(store: Store) -> Found:
    """The newest encoder that was tuned there, if possible one with a head on it; without any, the
    newest one with a head."""
    origin, encoders = f"project {store.folder.name}", store.encoders()
    there = [number for number in reversed(encoders) if _is_whole(store, number)]
    tuned = [number for number in there if encoders[number].labels]
    chosen = _first_with_head(store, tuned) or next(((one, None) for one in tuned), None)
    chosen = chosen or _first_with_head(store, there)
    if chosen is None:
        raise CannotTransfer(
            f"{origin.capitalize()} has learnt nothing yet: it has neither labels nor a tuned "
            "encoder. Label some of its tasks first, or choose another project"
        )
    number, head = chosen
    meta, folder = encoders[number], store.tuned_folder(number)
    encoder = None if folder is None else number
    earlier = Earlier(origin, meta.spec, encoder, meta.labels, head)
    if folder is None:
        return Found(earlier)
    return Found(earlier, partial(copy_folder, folder, ignored=(META,)))


def _first_with_head(store: Store, encoders: list[int]) -> tuple[int, Head | None] | None:
    """The first of the encoders that has a head, and this head."""
    for number in encoders:
        head = _last_head(store, number)
        if head is not None:
            return number, head
    return None


def _is_whole(store: Store, number: int) -> bool:
    try:
        store.check_encoder(number)
    except Damaged as error:
        log.warning("project %s: encoder %d is damaged: %s", store.folder.name, number, error)
        return False
    return True


def _last_head(store: Store, encoder: int) -> Head | None:
    """The head of the newest version on this encoder that has learnt from labels."""
    for name in reversed(store.version_names()):
        if version_key(name)[0] != encoder:
            continue
        try:
            version = version_of(store, name)
        except UnknownVersion as error:
            log.warning("%s", error)
            continue
        if version.head is not None and len(version.training):
            return version.head
    return None


def _found_in_folder(folder: Path) -> Found:
    if not folder.is_dir():
        raise CannotTransfer(
            f"There is no folder {folder}. Give the number of an earlier project, or a folder that "
            "`python -m backend export` wrote, as the backend reaches it"
        )
    if not is_exported(folder):
        raise CannotTransfer(
            f"{folder} is no folder that this release exported. Give one that `python -m backend "
            "export` wrote; one of an earlier release lacks what is needed: export it again"
        )
    try:
        earlier = exported_of(folder)
    except (Damaged, WrittenLater) as error:
        raise CannotTransfer(f"{folder} cannot be read: {error}. Export it again") from error
    return Found(earlier, None if earlier.encoder is None else partial(write_encoder, folder))


def _words(layout: Layout) -> str:
    words = " and ".join(READS[medium] for medium in compared(layout))
    if is_of_lists(layout):
        return f"lists of {words}"
    beside = " with a text beside them" if has_context(layout) else ""
    return f"pairs of {words}{beside}" if is_of_pairs(layout) else words
