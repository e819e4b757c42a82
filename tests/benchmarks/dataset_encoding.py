"""Encoding a dataset, beside the encoder alone on the same texts.

    python -m tests.benchmarks.dataset_encoding [--items 16384] [--runs 3]

Short texts (see large_live) as JSON lines, the bundled encoder, one thread, no cluster. Prints a
JSON line a run: processor seconds of the trainer's jobs until all of the dataset is encoded, and of
the encoder alone, in turn; then the share of the encoder's own rate that is left, at the median.
"""

import json
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from backend.dataset.adding import add
from backend.dataset.record import vectors_of
from backend.interface.parse import parse
from backend.settings import Settings
from backend.trainer.encoders import add_base_encoder, loaded
from backend.trainer.items import encode_items
from backend.trainer.messages import AddBase, EncodeItems, Subject
from model.encoders.text import BUNDLED
from model.storage.store import Store
from model.types import EncoderSpec
from tests.backend.test_trainer import IGNORE, subject_of
from tests.benchmarks.large_live import texts
from tests.studio.bench import SINGLE


def dataset(folder: Path, items: int) -> tuple[Subject, list[str]]:
    """A project with a dataset of so many texts, and the texts."""
    rows = texts(items)
    lines = (json.dumps({"id": f"t{number}", **row}) for number, row in enumerate(rows))
    (folder / "texts.jsonl").write_text("\n".join(lines))
    project = folder / "7"
    project.mkdir()
    spec = EncoderSpec(("text",), BUNDLED, "", 128)
    add(project, str(folder / "texts.jsonl"), "id", parse(SINGLE))
    subject = subject_of(project, SINGLE, spec, Settings())
    add_base_encoder(AddBase(subject), IGNORE)
    return subject, [row["story"] for row in texts(items)]


def encoded(subject: Subject) -> None:
    """Encode all of the dataset again."""
    for path in vectors_of(subject.folder, 0).glob("*.parquet"):
        path.unlink()
    while encode_items(EncodeItems(subject, 0), IGNORE)["left"]:
        pass


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=16_384)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shares = []
    with tempfile.TemporaryDirectory() as name, threadpool_limits(limits=1):
        subject, shown = dataset(Path(name), arguments.items)
        encoder = loaded(Store(subject.folder).encoders()[0].spec, None)
        encoder.encode([(text,) for text in shown[:64]])
        for _ in range(arguments.runs):
            began = time.process_time()
            encoder.encode([(text,) for text in shown])
            between = time.process_time()
            encoded(subject)
            seconds = {"encoder_s": between - began, "dataset_s": time.process_time() - between}
            shares.append(seconds["encoder_s"] / seconds["dataset_s"])
            print(json.dumps({name: round(one, 1) for name, one in seconds.items()}), flush=True)
    print(json.dumps({"share": round(float(np.median(shares)), 3)}))


if __name__ == "__main__":
    main()
