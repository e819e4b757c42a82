"""From what a task shows to what an encoder reads: media are fetched, decoded and remembered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from backend.errors import explained, is_disk_full, is_out_of_memory
from backend.interface.content import Parts
from backend.media.access import Access
from backend.media.media import Media, MediaLimits
from backend.media.places import Unreachable, Whose
from backend.media.record import ReadingRecord
from backend.studio.session import Session
from model.encoders.joint import Example, JointEncoder, Part
from model.encoders.read_once import ReadOnce
from model.media.clips import read_clip
from model.media.files import UnreadableMedia
from model.media.pictures import read_picture
from model.media.sounds import read_sound
from model.storage.states import StateStore
from model.storage.store import Store
from model.storage.vectors import content_key
from model.types import EncoderSpec, Floats, Medium, is_of_text

Decoded = TypeVar("Decoded")


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
        names: dict[Medium, str] = {
            "video": spec.image,
            "audio": spec.audio,
            "track": spec.audio,
        }

        def states_of(medium: Medium, dimension: int) -> StateStore:
            assert store is not None
            return store.frozen(medium, names[medium], dimension)

        self._decoders: dict[Medium, Callable[[Path], Any]] = {
            "video": read_clip,
            "audio": self._sound,
            "track": self._track,
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
        if medium in ("text", "tokens"):
            return part
        if medium == "image":
            return self._decoded(part, whose, read_picture)
        key, decode = content_key(part), self._decoders[medium]
        return self._once.states(medium, key, lambda: self._decoded(part, whose, decode))

    def _track(self, path: Path) -> Floats:
        """Of a clip. One that has no sound, or none that can be read, is as one that is silent."""
        try:
            return self._sound(path)
        except UnreadableMedia:
            return np.zeros(0, np.float32)

    def _sound(self, path: Path) -> Floats:
        return read_sound(path, self._rate)

    def _decoded(self, part: str, whose: Whose, decode: Callable[[Path], Decoded]) -> Decoded:
        path = self._media.fetch(part, whose)
        try:
            return decode(path)
        except UnreadableMedia:
            self._media.forget(part)  # so that a repaired file is fetched again
            raise
