"""From what a task shows to what an encoder reads: media are fetched, decoded and remembered."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL.Image import Image

from backend.errors import explained, is_disk_full, is_out_of_memory
from backend.interface.content import Parts
from backend.interface.objects import file_in
from backend.interface.objects.image import addresses
from backend.media.access import Access
from backend.media.media import Media, MediaLimits
from backend.media.places import Unreachable, Whose
from backend.media.record import ReadingRecord
from backend.studio.session import Session
from model.encoders.joint import Example, JointEncoder, Part
from model.encoders.read_once import ReadOnce
from model.encoders.text import CHARACTERS_PER_TOKEN
from model.media.clips import read_clip
from model.media.errors import UnreadableMedia
from model.media.limits import MAX_MARKED_SECONDS
from model.media.pictures import Page, read_page, read_picture
from model.media.sounds import read_sound
from model.storage.states import StateStore
from model.storage.store import Store
from model.storage.vectors import content_key
from model.types import EncoderSpec, Floats, Medium, is_of_text

Decoded = TypeVar("Decoded")


KEPT_DOCUMENTS = 2_000
"""Some 12,000 characters each, with the default MAX_TOKENS and MAX_WINDOWS."""


class CannotRead(Exception):
    """Why a task's media cannot be read; `temporary`: a later attempt may succeed."""

    def __init__(self, reason: str, temporary: bool) -> None:
        super().__init__(reason)
        self.temporary = temporary


class Reader:
    """For one thread; close it when done. A layout of texts alone makes no requests. Clips and
    sounds are read once, and from then on recognised by their address, where there is a store."""

    def __init__(
        self,
        encoder: JointEncoder,
        spec: EncoderSpec,
        store: Store | None,
        access: Access,
        record: ReadingRecord,
    ) -> None:
        """`encoder`: the one that `spec` names, pretrained or fine-tuned; `store`: None to keep
        nothing of clips and sounds; `record` names each task with media while it is read."""
        self._layout, self._rate, self._record = spec.layout, encoder.rate, record
        self._characters = spec.max_tokens * spec.windows * CHARACTERS_PER_TOKEN
        self._documents: dict[str, str] = {}
        """The texts of the files that were read last: a deep round reads each several times."""
        names: dict[Medium, str] = {
            "video": spec.image,
            "footage": spec.video,
            "images": spec.image,
            "audio": spec.audio,
            "track": spec.audio,
            "steps": spec.audio,
        }

        def states_of(medium: Medium, dimension: int) -> StateStore:
            assert store is not None
            return store.frozen(medium, names[medium], dimension)

        self._decoders: dict[Medium, Callable[[Path], Any]] = {
            "video": read_clip,
            "footage": partial(read_clip, frames=encoder.frames),
            "audio": self._sound,
            "track": self._track,
            "steps": self._marked_sound,
        }
        self._once = ReadOnce(encoder.frozen, None if store is None else states_of)
        self._session = Session(
            access.url, access.token, access.spare_token, repeats=0, headers=access.headers
        )
        limits = MediaLimits(
            max_bytes=access.max_bytes, hosts=tuple(access.hosts), cache_bytes=access.cache_bytes
        )
        self._media = Media(Path(access.folder), self._session, limits, access.address)

    def close(self) -> None:
        """Save what was read, and close the connections."""
        self._once.write()
        self._media.close()
        self._session.close()

    def read(self, task: int, parts: Parts) -> Example:
        """What the task shows, in the layout's order. Raises CannotRead."""
        return self.shown(task, parts, f"tasks/{task}")

    def shown(self, number: int, parts: Parts, whose: Whose) -> Example:
        """The same of whatever shows these parts. number: names it in the record."""
        if is_of_text(self._layout):
            return parts
        with self._record.naming([number]):
            return self._read(parts, whose)

    def _read(self, parts: Parts, whose: Whose) -> Example:
        try:
            return tuple(
                None if part is None else self._part(medium, part, whose)
                for medium, part in zip(self._layout, parts, strict=True)
            )
        except Unreachable as error:
            raise CannotRead(str(error), error.temporary) from error
        except UnreadableMedia as error:
            raise CannotRead(str(error), temporary=False) from error
        except Exception as error:  # any other error of a library concerns only this task
            if is_disk_full(error) or is_out_of_memory(error):
                raise
            raise CannotRead(explained(error), temporary=False) from error

    def _part(self, medium: Medium, part: str, whose: Whose) -> Part:
        if medium in ("text", "tokens", "beside"):
            return part
        if medium == "image":
            return self._decoded(part, whose, read_picture)
        if medium == "proposals":
            return self._pages(part, whose)
        if medium == "document":
            return self._document(part, whose)
        key = content_key(part)
        if medium == "images":
            return self._once.states(medium, key, lambda: self._pictures(part, whose))
        decode = self._decoders[medium]
        return self._once.states(medium, key, lambda: self._decoded(part, whose, decode))

    def _document(self, part: str, whose: Whose) -> str:
        if part not in self._documents:
            file = file_in(part)

            def text(path: Path) -> str:
                with path.open("rb") as opened:
                    return file.text(opened, self._characters)

            found = self._decoded(file.address, whose, text, may_be_a_page=file.may_be_a_page)
            if len(self._documents) >= KEPT_DOCUMENTS:
                self._documents.clear()
            self._documents[part] = found
        return self._documents[part]

    def _pictures(self, part: str, whose: Whose) -> list[Image]:
        found = []
        every = addresses(part)
        for number, address in enumerate(every, start=1):
            try:
                found.append(self._decoded(address, whose, read_picture))
            except UnreadableMedia as error:
                reason = f"picture {number} of the {len(every)} that are read: {error}"
                raise UnreadableMedia(reason) from error
        return found

    def _pages(self, part: str, whose: Whose) -> list[Page]:
        """The pictures in which things are to be found, with their places in the task's list."""
        every = addresses(part)
        found = []
        for number, address in enumerate(every):
            if not address:
                continue
            try:
                found.append(self._decoded(address, whose, partial(read_page, number=number)))
            except UnreadableMedia as error:
                which = f"picture {number + 1} of {len(every)}: " if len(every) > 1 else ""
                raise UnreadableMedia(f"{which}{error}") from error
        return found

    def _track(self, path: Path) -> Floats:
        """Of a clip. One that has no sound, or none that can be read, is as one that is silent."""
        try:
            return self._sound(path)
        except UnreadableMedia:
            return np.zeros(0, np.float32)

    def _sound(self, path: Path) -> Floats:
        return read_sound(path, self._rate)

    def _marked_sound(self, path: Path) -> Floats:
        return read_sound(path, self._rate, most=MAX_MARKED_SECONDS)

    def _decoded(
        self,
        address: str,
        whose: Whose,
        decode: Callable[[Path], Decoded],
        *,
        may_be_a_page: bool = False,
    ) -> Decoded:
        path = self._media.fetch(address, whose, may_be_a_page=may_be_a_page)
        try:
            return decode(path)
        except UnreadableMedia:
            self._media.forget(address)  # so that a repaired file is fetched again
            raise
