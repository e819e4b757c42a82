"""What clips gain whose label is a movement, and what others lose.

    python -m tests.benchmarks.motion PICTURES.tar --encoder FOLDER

CLIPS made clips of eight frames: a picture that goes to the right, goes to the left, grows, shrinks
or stands still before a picture that is scaled up. The labels are that movement, of which a single
frame says nothing, or the class of the picture. For each, with the labels that a deep round would
have: how often it finds them to be about motion, and the micro-F1 on other clips with the mean and
the maximum of the frames alone, with what moves beside them, and with what the deep round chooses;
means of SEEDS draws with their standard errors. Prints a JSON line for each number of labels.
"""

import json
import tarfile
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from PIL import Image

from model.encoders.clips import clip_vectors
from model.encoders.images import ImageEncoder
from model.encoders.motion import WEIGHT, is_about_motion, trends
from model.encoders.vectors import unit
from model.heads.head import fit_head
from model.measuring.fit import f1_of
from model.snapshot import pool_centre
from model.types import Floats

CLIPS, FRAMES, SIDE, SEEDS, TESTED = 400, 8, 224, 10, 200
COUNTS = (20, 30, 50, 100, 200)
MOVEMENTS = ("right", "left", "grows", "shrinks", "still")


def frames_of(
    picture: Image.Image, behind: Image.Image, movement: str, rng: np.random.Generator
) -> list[Image.Image]:
    size, x, y = (int(one) for one in rng.integers([50, 20, 20], [110, 90, 90]))
    found = []
    for share in np.linspace(0.0, 1.0, FRAMES):
        frame = behind.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        if movement in ("right", "left"):
            x = int(5 + 120 * (share if movement == "right" else 1 - share))
        if movement in ("grows", "shrinks"):
            size = int(40 + 90 * (share if movement == "grows" else 1 - share))
        frame.paste(picture.resize((size, size)), (x, y))
        found.append(frame)
    return found


def states_of(path: Path, encoder: str) -> tuple[Floats, Floats, Floats]:
    """The states of all frames (CLIPS, FRAMES, d), the movements and the classes of pictures, as
    targets of 0 and 1."""
    rng, images = np.random.default_rng(0), ImageEncoder(encoder)
    with tarfile.open(path) as archive:
        members = sorted((one for one in archive if one.isfile()), key=lambda one: one.name)
        order = rng.permutation(len(members))
        names, pictures = [], []
        for row in order[:CLIPS].tolist():
            file = archive.extractfile(members[row])
            assert file is not None
            pictures.append(Image.open(file).convert("RGB"))
            names.append(Path(members[row].name).parent.name)
    states = []
    for place, picture in enumerate(pictures):
        behind, movement = pictures[place - 1], MOVEMENTS[place % len(MOVEMENTS)]
        states.append(images.encode(frames_of(picture, behind, movement, rng)))
    known = sorted(set(names))
    moves = np.eye(len(MOVEMENTS), dtype=np.float32)[np.arange(CLIPS) % len(MOVEMENTS)]
    classes = np.eye(len(known), dtype=np.float32)[[known.index(name) for name in names]]
    return np.array(states, np.float32), moves, classes


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--encoder", required=True)
    arguments = parser.parse_args()
    states, moves, classes = states_of(arguments.pictures, arguments.encoder)
    frames, lengths = states.reshape(-1, states.shape[2]), [FRAMES] * CLIPS
    still = clip_vectors(frames, lengths)
    moving = unit(np.hstack([still, WEIGHT * trends(frames, lengths)]))
    for about, targets in (("movement", moves), ("class", classes)):
        labels = tuple(map(str, range(targets.shape[1])))
        for count in COUNTS:
            rows = []
            for seed in range(SEEDS):
                order = np.random.default_rng(seed).permutation(CLIPS)
                known, tested = order[:count], order[-TESTED:]
                chosen = is_about_motion(still[known], moving[known], targets[known])
                scores = []
                for vectors in (still, moving):
                    centre = pool_centre(vectors, 0)
                    head = fit_head(vectors[known], targets[known], "single", labels, centre)
                    scores.append(f1_of(head, vectors[tested], targets[tested]))
                rows.append([float(chosen), *scores, scores[int(chosen)]])
            means = np.mean(rows, axis=0).round(3).tolist()
            errors = (np.std(rows, axis=0, ddof=1) / np.sqrt(SEEDS)).round(3).tolist()
            names = ("chosen", "still", "moving", "by the deep round")
            figures = dict(zip(names, zip(means, errors, strict=True), strict=True))
            print(json.dumps({"labels are": about, "count": count, **figures}), flush=True)


if __name__ == "__main__":
    main()
