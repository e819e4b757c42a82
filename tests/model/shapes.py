"""Made pictures of shapes on noise, with boxes around the shapes, and a small detector of them."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from transformers import (
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrImageProcessorPil,
    RTDetrResNetConfig,
)

from model.boxes.geometry import Box, overlaps, places_of

SIDE = 96
"""Pixels of a picture."""
KINDS = ("circle", "square", "triangle", "cross")
OTHERS = (
    *("ring", "frame", "pie", "half", "diamond", "corner", "arrow", "house", "hourglass", "tee"),
    *("wedge", "zigzag"),
)
"""What a detector can be taught that has never seen KINDS."""
ROUND = {"circle": 360, "pie": 270, "half": 180}
"""Round shapes, and the degrees that there are of each."""
HOLLOW = ("ring", "frame")
POLYGONS = {
    "square": [(0, 0), (6, 0), (6, 6), (0, 6)],
    "triangle": [(3, 0), (6, 6), (0, 6)],
    "cross": [
        *[(2, 0), (4, 0), (4, 2), (6, 2), (6, 4), (4, 4)],
        *[(4, 6), (2, 6), (2, 4), (0, 4), (0, 2), (2, 2)],
    ],
    "diamond": [(3, 0), (6, 3), (3, 6), (0, 3)],
    "corner": [(0, 0), (2, 0), (2, 4), (6, 4), (6, 6), (0, 6)],
    "arrow": [(3, 0), (6, 3), (4, 3), (4, 6), (2, 6), (2, 3), (0, 3)],
    "house": [(3, 0), (6, 3), (6, 6), (0, 6), (0, 3)],
    "hourglass": [(0, 0), (6, 0), (0, 6), (6, 6)],
    "tee": [(0, 0), (6, 0), (6, 2), (4, 2), (4, 6), (2, 6), (2, 2), (0, 2)],
    "wedge": [(0, 0), (6, 6), (0, 6)],
    "zigzag": [(0, 0), (2, 0), (3, 3), (4, 0), (6, 0), (4, 6), (2, 6)],
}
"""The corners of shapes, in sixths of their width and height."""


def picture(seed: int, kinds: Sequence[str] = KINDS) -> tuple[Image.Image, list[Box]]:
    """A picture of one to four shapes, and the boxes around them."""
    rng = np.random.default_rng([seed, len(kinds)])
    noise = rng.integers(0, 90, (SIDE, SIDE, 3)) + rng.integers(0, 80, 3)
    made = Image.fromarray(noise.astype(np.uint8))
    boxes: list[Box] = []
    for _ in range(int(rng.integers(1, 5))):
        width, height = (int(side) for side in rng.integers(18, 40, 2))
        x, y = (int(rng.integers(1, SIDE - side - 1)) for side in (width, height))
        kind = str(rng.choice(list(kinds)))
        box = Box(0, x / SIDE, y / SIDE, width / SIDE, height / SIDE, kind)
        if boxes and overlaps(places_of([box]), places_of(boxes)).max() > 0.02:
            continue
        colour = tuple(int(value) for value in rng.integers(120, 256, 3))
        _draw(ImageDraw.Draw(made), kind, (x, y, x + width, y + height), colour)
        boxes.append(box)
    return made, sorted(boxes)


def _draw(
    draw: ImageDraw.ImageDraw, kind: str, place: tuple[int, int, int, int], colour: tuple[int, ...]
) -> None:
    left, top, right, bottom = place
    if kind in ROUND:
        draw.pieslice(place, 0, ROUND[kind], fill=colour)
    elif kind in HOLLOW:
        outline = draw.ellipse if kind == "ring" else draw.rectangle
        outline(place, outline=colour, width=4)
    else:
        width, height = right - left, bottom - top
        points = [(left + x * width / 6, top + y * height / 6) for x, y in POLYGONS[kind]]
        draw.polygon(points, fill=colour)


def config_of(things: Sequence[str]) -> RTDetrConfig:
    """An RT-DETR of half a million weights for pictures of SIDE pixels."""
    return RTDetrConfig(
        id2label=dict(enumerate(things)),
        label2id={thing: number for number, thing in enumerate(things)},
        backbone_config=RTDetrResNetConfig(
            embedding_size=16,
            hidden_sizes=[16, 32, 48, 64],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],  # type: ignore[call-arg]
        ),
        encoder_hidden_dim=64,
        encoder_in_channels=[32, 48, 64],
        encoder_ffn_dim=96,
        encoder_attention_heads=4,
        d_model=64,
        decoder_ffn_dim=96,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_in_channels=[64, 64, 64],
        num_queries=30,
        num_denoising=20,
        hidden_expansion=0.5,
    )


def detector(folder: Path, things: Sequence[str], steps: int, seed: int = 0) -> Path:
    """Write a detector of these things into a folder, after so many steps of training on pictures
    of them; with 0 steps its weights are random."""
    torch.manual_seed(seed)
    network = RTDetrForObjectDetection(config_of(things))
    processor = RTDetrImageProcessorPil(size={"height": SIDE, "width": SIDE})
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, max(steps, 2))
    network.train()
    numbers = {thing: number for number, thing in enumerate(things)}
    for step in range(steps):
        made = [picture(10**6 * (seed + 1) + 16 * step + one, things) for one in range(16)]
        pixels = processor(images=[one for one, _ in made], return_tensors="pt")["pixel_values"]
        labels = [
            {
                "class_labels": torch.tensor([numbers[box.label] for box in boxes]),
                "boxes": torch.tensor(
                    [
                        [box.x + box.width / 2, box.y + box.height / 2, box.width, box.height]
                        for box in boxes
                    ],
                    dtype=torch.float32,
                ),
            }
            for _, boxes in made
        ]
        loss = network(pixel_values=pixels, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.1)
        optimizer.step()
        schedule.step()
        if not math.isfinite(loss.item()):
            raise FloatingPointError("the training of the detector diverged")
    network.eval()  # type: ignore[no-untyped-call]
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
