"""What a dataset of clips costs, from parts that are measured here on a core (and a GPU, if any).

    python -m tests.benchmarks.dataset_cost CLIPS --image-encoder FOLDER [--audio-encoder FOLDER]
        [--items 20000000]

CLIPS: a folder of video files. Each part is timed alone: clips decoded, read by the network and
written as vectors, and a ranking pass over vectors of that width with a random head; with
--audio-encoder also their sound, of those that have one. Prints the
rates, then a table of hours for 1, 8 and 64 workers and of bytes, which is arithmetic: items
divided by rate and workers.
"""

import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from model.dataset.parts import VectorParts
from model.dataset.ranking import Block, Ranking
from model.dataset.sizes import MEDIA_PART_ITEMS, PART_ITEMS
from model.encoders.joint import JointEncoder
from model.heads.head import Head
from model.media.clips import read_clip
from model.media.errors import UnreadableMedia
from model.media.limits import FRAMES
from model.media.sounds import read_sound
from model.snapshot import Policy
from model.types import EncoderSpec
from tests.benchmarks import dataset_ranking

DECODED, BATCH, WORKERS = 40, 8, (1, 8, 64)


def measured(arguments: Namespace, folder: Path) -> dict[str, tuple[float, int]]:
    """What is done -> items a second, and bytes an item that it leaves on disk."""
    files = sorted(path for path in arguments.clips.iterdir() if path.is_file())
    files = [files[place % len(files)] for place in range(DECODED)]
    encoder = JointEncoder(EncoderSpec(("video",), "", arguments.image_encoder, 32))
    clips: list[Any] = []
    decode = rate(DECODED, lambda: clips.extend(map(read_clip, files)))
    encode = rate(DECODED, lambda: encode_all(encoder, clips))
    width = encoder.dimension
    vectors = np.random.default_rng(0).normal(size=(PART_ITEMS, width)).astype(np.float32)
    parts = VectorParts(folder, width)
    some = vectors[:MEDIA_PART_ITEMS]
    write = rate(len(some), lambda: parts.write(0, some, [None] * len(some)))
    size = next(folder.glob("*.parquet")).stat().st_size // len(some)
    rank = rate(PART_ITEMS, ranking_of(vectors, arguments.labels))
    device = "GPU" if torch.cuda.is_available() else "core"
    heard = {} if not arguments.audio_encoder else hearing(files, arguments.audio_encoder, device)
    return {
        **heard,
        "decode, a core": (decode, 0),
        f"network, {FRAMES} frames a clip, a {device}": (encode, 0),
        "write, a core": (write, size),
        f"rank by {arguments.labels:,} labels, a core": (rank, 0),
    }


def hearing(files: list[Path], network: str, device: str) -> dict[str, tuple[float, int]]:
    """The same of the sound of these clips."""
    encoder = JointEncoder(EncoderSpec(("track",), "", "", 32, network))
    sounds: list[Any] = []

    def decode() -> None:
        for file in files:
            with suppress(UnreadableMedia):  # there is none in it
                sounds.append(read_sound(file, encoder.rate))

    decoded = rate(len(files), decode)
    read = rate(len(sounds), lambda: [encoder.frozen["track"].read(one) for one in sounds])
    seconds = np.mean([len(one) for one in sounds]) / encoder.rate
    return {
        "decode the sound, a core": (decoded, 0),
        f"network, {seconds:.1f} s of sound a clip, a {device}": (read, 0),
    }


def encode_all(encoder: JointEncoder, clips: list[Any]) -> None:
    for start in range(0, len(clips), BATCH):
        states = [encoder.frozen["video"].read(one) for one in clips[start : start + BATCH]]
        encoder.encode([(one,) for one in states])


def ranking_of(vectors: Any, labels: int) -> Callable[[], None]:
    rng, width = np.random.default_rng(0), vectors.shape[1]
    names = tuple(map(str, range(labels)))
    weights = rng.normal(size=(width, labels)).astype(np.float32)
    head = Head("single", names, weights, np.zeros(labels, np.float32), np.zeros(width, np.float32))
    known = dataset_ranking.learnt(names, rng, width)
    ranking = Ranking(known, head, Policy("variance", 500, 0.1, 0), dataset_ranking.no_tickets())
    return lambda: ranking.see(Block(0, np.arange(len(vectors)), vectors.astype(np.float16)))


def rate(items: int, work: Callable[[], object]) -> float:
    """Items a second: of the processor, if nothing else works on them."""
    clock = time.monotonic if torch.cuda.is_available() else time.process_time
    began = clock()
    work()
    return items / (clock() - began)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--image-encoder", required=True)
    parser.add_argument("--audio-encoder", default="")
    parser.add_argument("--items", type=int, default=20_000_000)
    parser.add_argument("--labels", type=int, default=10_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(limits=1):
        found = measured(arguments, Path(name))
    print("| | a second | " + " | ".join(f"hours on {one}" for one in WORKERS) + " | disk |")
    print(f"|---|---|{'---|' * len(WORKERS)}---|")
    for what, (speed, size) in found.items():
        hours = [f"{arguments.items / speed / workers / 3600:,.1f}" for workers in WORKERS]
        disk = f"{size * arguments.items / 1e12:.2f} TB" if size else ""
        print(f"| {what} | {speed:,.1f} | {' | '.join(hours)} | {disk} |")


if __name__ == "__main__":
    main()
