"""The encoders that jobs load, and the one that a project begins with."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from backend.trainer.messages import AddBase, Subject
from backend.trainer.report import Report
from backend.types import Json
from model.encoders.blending import blended
from model.encoders.errors import NotAnEncoder
from model.encoders.joint import Example, JointEncoder
from model.storage.damage import WrittenLater, set_aside
from model.storage.earlier import earlier_of, folder_of, verdict_of, weights_of
from model.storage.store import HERE, EncoderMeta, Store, write_encoder_meta
from model.types import EncoderSpec, Floats, Layout, is_of_text

TEXT_CHUNKS, MEDIA_CHUNKS, DETECTED_CHUNKS = (64, 512), (16, 64), (4, 32)
"""Tasks encoded between two reports, the first time and at most. The first chunk is small, for
annotators wait for an order; pictures stand in memory meanwhile, larger ones for a detector, which
takes a second for each."""


LOADING = (NotAnEncoder, KeyError, TypeError, AttributeError, ValueError, RuntimeError)
"""What networks and tokenizers raise whose files can be read and do not fit together."""


def add_base_encoder(job: AddBase, report: Report) -> Json:
    """Make the encoder that a project begins with known to the store: half way to the one that an
    earlier project tuned, if it has left one, else the pretrained one that the settings name.

    Where the one that was left cannot be loaded, it is set aside, and `trouble` says so.
    """
    subject, beginning = job.subject, beginning_of(job.subject)
    try:
        encoder = begun(subject.spec, beginning)
    except LOADING as error:
        if beginning.weights is None:
            raise
        return _without_earlier(subject, f"{beginning.whose} cannot be loaded ({error})")
    return add_encoder(subject, beginning, encoder)


def _without_earlier(subject: Subject, reason: str) -> Json:
    """Begin with the pretrained encoder, and set aside the one that an earlier project left."""
    pretrained = begun(subject.spec, Beginning())  # where memory is short, this fails first
    aside = set_aside(folder_of(Store(subject.folder)), time.time())
    trouble = (
        f"{reason}. The project begins with the pretrained encoder. What was there is kept as "
        f"{aside} and may be deleted"
    )
    return {**add_encoder(subject, Beginning(), pretrained), "trouble": trouble}


def add_encoder(subject: Subject, beginning: "Beginning", encoder: JointEncoder) -> Json:
    """Make an encoder with these weights known to the store. Returns its number, and whose the
    weights are."""
    spec, store = subject.spec, Store(subject.folder)
    meta = meta_of(spec, encoder)
    number = store.next_encoder()
    with store.new_encoder(number) as folder:
        if beginning.weights is not None:
            encoder.save(folder)
            meta = replace(meta, source=HERE, earlier=beginning.whose)
        write_encoder_meta(folder, meta)
    return {"encoder": number, "from": beginning.whose or meta.source}


def begun(spec: EncoderSpec, beginning: "Beginning") -> JointEncoder:
    """A fresh encoder to begin with, or to tune."""
    if beginning.weights is None:
        return JointEncoder(spec)
    return blended(spec, beginning.weights)


@dataclass(frozen=True)
class Beginning:
    """The weights that a project's encoders are made from. weights: None for the pretrained ones;
    whose: they are, in words, "" for the pretrained ones."""

    weights: Path | None = None
    whose: str = ""


def beginning_of(subject: Subject) -> Beginning:
    """What an earlier project left, where it is of the encoder that the settings name and the
    labels did not speak for the pretrained one; else the pretrained weights."""
    store, earlier = Store(subject.folder), None
    weights = weights_of(store)
    with suppress(WrittenLater):  # which is said when the project is opened
        earlier = earlier_of(store)
    verdict = verdict_of(store)
    stays = verdict is None or verdict.stays
    if stays and weights is not None and earlier is not None and earlier.fits(subject.spec):
        return Beginning(weights, earlier.whose)
    return Beginning()


def meta_of(spec: EncoderSpec, encoder: JointEncoder) -> EncoderMeta:
    """What is kept of a pretrained encoder."""
    return EncoderMeta(
        source=spec.text or spec.image or spec.audio or spec.video,
        base=spec.text,
        image_base=spec.image,
        audio_base=spec.audio,
        video_base=spec.video,
        max_tokens=spec.max_tokens,
        dimension=encoder.dimension,
        layout=spec.layout,
        windows=spec.windows,
        things=encoder.things,
    )


@lru_cache(maxsize=1)
def loaded(spec: EncoderSpec, tuned: Path | None) -> JointEncoder:
    """The encoder of the last job, which the next one mostly wants again. Not to be tuned."""
    return JointEncoder(spec, tuned)


def chunks_for(layout: Layout) -> tuple[int, int]:
    """How many tasks to encode at once: the first time, and at most."""
    if layout == ("proposals",):
        return DETECTED_CHUNKS
    return TEXT_CHUNKS if is_of_text(layout) else MEDIA_CHUNKS


def encoded(encoder: JointEncoder, examples: Sequence[Example], report: Report) -> Floats:
    """Vectors (n, d) of examples that are read when they are needed."""
    _, size = chunks_for(encoder.layout)
    chunks = [np.zeros((0, encoder.dimension), np.float32)]
    for start in range(0, len(examples), size):
        chunks.append(encoder.encode(examples[start : start + size]))
        report.advanced(min(1.0, (start + size) / len(examples)))
    return np.concatenate(chunks)
