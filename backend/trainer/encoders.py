"""The encoders that jobs load, and the pretrained one that a project begins with."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from backend.trainer.messages import AddBase
from backend.trainer.report import Report
from backend.types import Json
from model.encoders.joint import Example, JointEncoder
from model.storage.store import EncoderMeta, Store, write_encoder_meta
from model.types import EncoderSpec, Floats, Layout, is_of_text

TEXT_CHUNKS, MEDIA_CHUNKS = (64, 512), (16, 64)
"""Tasks encoded between two reports, the first time and at most. The first chunk is small, for
annotators wait for an order; pictures stand in memory meanwhile."""


def add_base_encoder(job: AddBase, report: Report) -> Json:
    """Make the encoder that the settings name known to the store, pretrained."""
    spec = job.subject.spec
    store, meta = Store(job.subject.folder), meta_of(spec, loaded(spec, None))
    number = store.next_encoder()
    with store.new_encoder(number) as folder:
        write_encoder_meta(folder, meta)
    return {"encoder": number}


def meta_of(spec: EncoderSpec, encoder: JointEncoder) -> EncoderMeta:
    """What is kept of a pretrained encoder."""
    return EncoderMeta(
        source=spec.text or spec.image or spec.audio,
        base=spec.text,
        image_base=spec.image,
        audio_base=spec.audio,
        max_tokens=spec.max_tokens,
        dimension=encoder.dimension,
        layout=spec.layout,
    )


@lru_cache(maxsize=1)
def loaded(spec: EncoderSpec, tuned: Path | None) -> JointEncoder:
    """The encoder of the last job, which the next one mostly wants again. Not to be tuned."""
    return JointEncoder(spec, tuned)


def chunks_for(layout: Layout) -> tuple[int, int]:
    """How many tasks to encode at once: the first time, and at most."""
    return TEXT_CHUNKS if is_of_text(layout) else MEDIA_CHUNKS


def encoded(encoder: JointEncoder, examples: Sequence[Example], report: Report) -> Floats:
    """Vectors (n, d) of examples that are read when they are needed."""
    _, size = chunks_for(encoder.layout)
    chunks = [np.zeros((0, encoder.dimension), np.float32)]
    for start in range(0, len(examples), size):
        chunks.append(encoder.encode(examples[start : start + size]))
        report.advanced(min(1.0, (start + size) / len(examples)))
    return np.concatenate(chunks)
