"""What the items of a part of a dataset show, as an encoder reads it. Media that cannot be read are
named; what ends the process is found out, and left out, as with tasks.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Protocol

from backend.dataset.record import reading_of
from backend.errors import BackendError
from backend.interface.content import Parts
from backend.media.places import Whose
from backend.media.reading import CannotRead, Reader
from backend.media.record import ReadingRecord
from backend.trainer.messages import Subject
from model.encoders.joint import Example, JointEncoder
from model.types import EncoderSpec, is_of_text

TEXTS_AT_ONCE, MEDIA_AT_ONCE = 1024, 8
"""Items that are encoded together: pictures stand in memory meanwhile, and people wait for other
work until all of them are fetched."""

ENDED_THE_PROCESS = (
    "reading it ended the process twice, or used up its memory: replace what it shows with "
    "something smaller"
)

Shown = Mapping[int, Parts]
"""Place in the part -> what the item there shows."""


class PartReading(Protocol):
    """Reads the items of one part. reasons: why items cannot be read, by their places."""

    reasons: dict[int, str]

    def examples(self) -> Iterator[dict[int, Example]]:
        """All that can be read, some items at a time, by their places."""

    def encoding(self, places: Sequence[int]) -> AbstractContextManager[None]:
        """Items that were read are encoded in the block."""


@contextmanager
def reading(
    subject: Subject, spec: EncoderSpec, encoder: JointEncoder, number: int, shown: Shown
) -> Iterator[PartReading]:
    """Of the part with this number, for an encoder that `spec` names."""
    if is_of_text(spec.layout):
        yield _Texts(shown)
        return
    folder = reading_of(subject.folder, number)
    folder.mkdir(parents=True, exist_ok=True)
    record = ReadingRecord(folder, lambda: None)
    with closing(Reader(encoder, spec, None, subject.access, record)) as reader:
        yield _Media(reader, record, f"projects/{subject.folder.name}", shown)
    shutil.rmtree(folder, ignore_errors=True)


class _Texts:
    """Texts are read as they are."""

    def __init__(self, shown: Shown) -> None:
        self.reasons: dict[int, str] = {}
        self._shown = shown

    def examples(self) -> Iterator[dict[int, Example]]:
        for places in _split(list(self._shown), TEXTS_AT_ONCE):
            yield {place: self._shown[place] for place in places}

    def encoding(self, places: Sequence[int]) -> AbstractContextManager[None]:
        return nullcontext()


class _Media:
    """What cannot be read for a reason that may pass is tried once more at the end of the part."""

    def __init__(self, reader: Reader, record: ReadingRecord, whose: Whose, shown: Shown) -> None:
        self._reader, self._record, self._whose, self._shown = reader, record, whose, shown
        self.reasons: dict[int, str] = dict.fromkeys(record.deadly(), ENDED_THE_PROCESS)
        self._passing: dict[int, str] = {}
        """Why items could not be read at the first attempt."""

    def examples(self) -> Iterator[dict[int, Example]]:
        """Raises BackendError where most could not be read for a reason that may pass."""
        suspects = set(self._record.suspects())
        together = [place for place in self._shown if place not in suspects]
        alone = [place for place in suspects & self._shown.keys() if place not in self.reasons]
        yield from self._read(together, MEDIA_AT_ONCE)
        yield from self._read(alone, 1)
        again, self._passing = list(self._passing), {}
        yield from self._read(again, MEDIA_AT_ONCE)
        self._check_server()
        self.reasons |= self._passing

    def encoding(self, places: Sequence[int]) -> AbstractContextManager[None]:
        return self._record.naming(places)

    def _read(self, places: Sequence[int], size: int) -> Iterator[dict[int, Example]]:
        for some in _split(places, size):
            found: dict[int, Example] = {}
            for place in some:
                try:
                    found[place] = self._reader.shown(place, self._shown[place], self._whose)
                except CannotRead as error:
                    reasons = self._passing if error.temporary else self.reasons
                    reasons[place] = str(error)
            yield found
            self._record.forget(some)

    def _check_server(self) -> None:
        if len(self._passing) * 2 <= len(self._shown):
            return
        reason = next(iter(self._passing.values()))
        raise BackendError(
            f"{len(self._passing)} of {len(self._shown)} items of a part of the dataset cannot be "
            f"read at the moment ({reason}). The dataset is encoded when they can; the tasks that "
            "are there stay in order"
        )


def _split(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
