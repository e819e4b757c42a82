"""Small networks of videos with random weights, as folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    TimesformerConfig,
    TimesformerModel,
    VideoMAEConfig,
    VideoMAEImageProcessorPil,
    VideoMAEModel,
    VivitConfig,
    VivitModel,
)

SMALL: dict[str, Any] = {
    "initializer_range": 0.5,  # else positions hardly matter
    "image_size": 32,
    "num_frames": 4,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def video_network(folder: Path, kind: str = "videomae") -> Path:
    """Write one that reads four frames of 32 pixels."""
    torch.manual_seed(0)
    made: dict[str, Callable[[], Any]] = {
        "videomae": lambda: VideoMAEModel(VideoMAEConfig(**SMALL, patch_size=8)),
        "vivit": lambda: VivitModel(VivitConfig(**SMALL, tubelet_size=[2, 8, 8])),
        "timesformer": lambda: TimesformerModel(TimesformerConfig(**SMALL, patch_size=8)),
    }
    made[kind]().save_pretrained(folder)
    size = {"height": 32, "width": 32}
    processor: Any = VideoMAEImageProcessorPil
    processor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return folder
