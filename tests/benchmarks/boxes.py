"""What boxes are found after so many labelled pictures, in the order of the model and at random.

    python -m tests.benchmarks.boxes orders [--first 500000]
    python -m tests.benchmarks.boxes rounds
    python -m tests.benchmarks.boxes cost

Made pictures of shapes on noise (tests.model.shapes): 400 to choose from and 300 others to measure
on, of four kinds, the rarest a tenth of all. The detector, an RT-DETR of half a million weights,
was trained on twelve other kinds for STEPS steps before, and knows none of the four by name. Each
run has pictures of its own, numbered from `--first` on: settings of the learner were chosen on
those from 0 on.

orders: mAP at an overlap of .5 and F1 of what is drawn, after COUNTS pictures chosen five at a time
by the default strategy and at random, means of SEEDS runs with their standard errors. rounds: the
same with DEEP random pictures, with the detector as it is and after it was tuned on them. cost:
seconds of one core for a picture, of detectors of the usual sizes with random weights.
"""

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import (
    DetrConfig,
    DetrForObjectDetection,
    ResNetConfig,
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrResNetConfig,
    YolosConfig,
    YolosForObjectDetection,
)

from model.boxes.geometry import Box
from model.boxes.learner import (
    BoxSnapshot,
    box_round,
    fit,
    found_boxes,
    mean_precision,
    probs_of,
)
from model.boxes.measures import is_right
from model.boxes.proposals import Proposals
from model.encoders.detector_tuning import DrawnPictures, tune_detector
from model.encoders.proposals import ProposalEncoder
from model.heads.head import Head
from model.media.pictures import Page
from model.snapshot import Policy
from model.types import Ints
from tests.model.shapes import KINDS, OTHERS, SIDE, detector, picture

STEPS, POOL, TESTED, BATCH, SEEDS = 700, 400, 300, 5, 6
COUNTS = (5, 10, 20, 40, 80, 160)
DEEP = (40, 120)
SKEWED = ("circle",) * 8 + ("square",) * 6 + ("triangle",) * 4 + ("cross",) * 2


class Pictures:
    """All of them, read by a detector."""

    def __init__(self, encoder: ProposalEncoder, first: int) -> None:
        numbers = range(first, first + POOL + TESTED)
        made = [picture(number, SKEWED) for number in numbers]
        self.pages = [[Page(one, SIDE, SIDE)] for one, _ in made]
        self.boxes: list[list[Box]] = [boxes for _, boxes in made]
        self.encoder = encoder

    def read(self) -> None:
        self.proposals: Proposals = self.encoder.encode(self.pages)
        self.tested = self.proposals.take(np.arange(POOL, POOL + TESTED))

    def snapshot(self, labelled: list[int], seed: int = 0) -> BoxSnapshot:
        is_open = np.ones(POOL, dtype=np.bool_)
        is_open[labelled] = False
        return BoxSnapshot(
            np.arange(POOL) + 1000 * seed,
            self.proposals.take,
            is_open,
            np.array(labelled, dtype=np.int64),
            [self.boxes[row] for row in labelled],
            KINDS,
            self.encoder.things,
        )

    def scores(self, head: Head) -> tuple[float, float]:
        """mAP and F1 on the pictures that measure."""
        truth, things = self.boxes[POOL:], self.encoder.things
        found = found_boxes(probs_of(head, self.tested, things), self.tested, KINDS)
        hits = sum(
            int(is_right(mine, boxes).sum()) for mine, boxes in zip(found, truth, strict=True)
        )
        both = sum(map(len, found)) + sum(map(len, truth))
        return mean_precision(head, self.tested, truth, things) or 0.0, 2 * hits / both

    def drawn(self, rows: list[int]) -> DrawnPictures:
        return DrawnPictures(lambda row: self.pages[rows[row]], [self.boxes[row] for row in rows])


def orders(folder: Path, first: int) -> None:
    encoder = ProposalEncoder(str(folder))
    runs: dict[str, list[list[tuple[float, float]]]] = {"variance": [], "random": []}
    for seed in range(SEEDS):
        pictures = Pictures(encoder, first + seed * (POOL + TESTED))
        pictures.read()
        for strategy, found in runs.items():
            found.append(_run(pictures, strategy, seed))
    for strategy, found in runs.items():
        for place, count in enumerate(COUNTS):
            _tell({"strategy": strategy, "pictures": count}, [run[place] for run in found])


def _run(pictures: Pictures, strategy: str, seed: int) -> list[tuple[float, float]]:
    labelled: list[int] = []
    start: Head | None = None
    found = []
    while len(labelled) < COUNTS[-1]:
        policy = Policy(strategy, BATCH, 0.0, seed)
        outcome = box_round(pictures.snapshot(labelled, seed), policy, start)
        start = outcome.fitted
        labelled += outcome.rows[:BATCH].tolist()
        if len(labelled) in COUNTS:
            known = pictures.snapshot(labelled, seed)
            found.append(pictures.scores(fit(known, np.ones(len(labelled), dtype=np.bool_))))
    return found


def rounds(folder: Path, first: int) -> None:
    for count in DEEP:
        before, after, seconds = [], [], []
        for seed in range(3):
            rows: Ints = np.random.default_rng(seed).permutation(POOL)[:count]
            pictures = Pictures(ProposalEncoder(str(folder)), first)
            held_out = max(4, count // 10)
            pictures.read()
            is_learnt = np.arange(count) >= held_out
            labelled = rows.tolist()
            before.append(pictures.scores(fit(pictures.snapshot(labelled), is_learnt)))
            report = tune_detector(
                pictures.encoder,
                pictures.drawn(labelled[held_out:]),
                pictures.drawn(labelled[:held_out]),
                KINDS,
                seed=seed,
            )
            seconds.append(report.seconds)
            pictures.read()
            after.append(pictures.scores(fit(pictures.snapshot(labelled), is_learnt)))
        _tell({"pictures": count, "detector": "as it was"}, before)
        _tell({"pictures": count, "detector": "tuned", "seconds": np.mean(seconds).round()}, after)


def _tell(what: dict[str, object], rows: list[tuple[float, float]]) -> None:
    means = np.mean(rows, axis=0).round(3).tolist()
    errors = (np.std(rows, axis=0, ddof=1) / np.sqrt(len(rows))).round(3).tolist()
    figures = dict(zip(("mAP", "F1"), zip(means, errors, strict=True), strict=True))
    print(json.dumps({**what, **figures}), flush=True)


def cost(folder: Path, first: int) -> None:
    """Of random weights, which cost as much as others."""
    stages: Any = {"out_features": ["stage2", "stage3", "stage4"]}
    made: dict[str, tuple[Callable[[], torch.nn.Module], tuple[int, int]]] = {
        "YOLOS-tiny, 512 x 688": (
            lambda: YolosForObjectDetection(
                YolosConfig(
                    hidden_size=192,
                    num_attention_heads=3,
                    intermediate_size=768,
                    image_size=[512, 688],
                )
            ),
            (512, 688),
        ),
        "RT-DETR with ResNet-18, 640 x 640": (
            lambda: RTDetrForObjectDetection(
                RTDetrConfig(
                    backbone_config=RTDetrResNetConfig(
                        hidden_sizes=[64, 128, 256, 512],
                        depths=[2, 2, 2, 2],
                        layer_type="basic",
                        **stages,
                    ),
                    encoder_in_channels=[128, 256, 512],
                    decoder_layers=3,
                    hidden_expansion=0.5,
                )
            ),
            (640, 640),
        ),
        "DETR with ResNet-50, 800 x 1,066": (
            lambda: DetrForObjectDetection(DetrConfig(backbone_config=ResNetConfig(**stages))),
            (800, 1066),
        ),
    }
    for name, (make, size) in made.items():
        print(json.dumps({"detector": name, **_cost_of(make(), size)}), flush=True)


def _cost_of(network: torch.nn.Module, size: tuple[int, int]) -> dict[str, float]:
    pixels = torch.rand(1, 3, *size)
    boxes = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.2, 0.3, 0.1, 0.2]])
    labels = [{"class_labels": torch.tensor([0, 1]), "boxes": boxes}]

    def read() -> None:
        with torch.inference_mode():
            network(pixel_values=pixels)

    def learn() -> None:
        network(pixel_values=pixels, labels=labels).loss.backward()

    network.eval()
    reading = _seconds(read)
    network.train()
    weights = sum(one.numel() for one in network.parameters())
    return {"read": round(reading, 2), "learn": round(_seconds(learn), 2), "weights": weights}


def _seconds(do: Callable[[], object]) -> float:
    """Processor seconds, the least of three times."""
    found = []
    for _ in range(3):
        began = time.process_time()
        do()
        found.append(time.process_time() - began)
    return min(found)


PARTS: dict[str, Callable[[Path, int], None]] = {"orders": orders, "rounds": rounds, "cost": cost}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    part = asked.part
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        if part != "cost":
            detector(Path(folder), OTHERS, STEPS)
        PARTS[part](Path(folder), asked.first)


if __name__ == "__main__":
    main()
