"""Sounds with pieces to find, and a network that hears them: made, not recorded and not trained."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from model.spans.tags import Span
from model.types import Floats

BANDS = 80

EVENTS = ("tone", "noise", "chirp")
SHARES = (0.45, 0.3, 0.1, 0.15)
"""Of EVENTS and of deep tones, which nobody marks."""
PRECISION = 30.0
"""Milliseconds, the standard deviation of where people see an event begin and end."""


@dataclass(frozen=True)
class Made:
    """A sound of `rate` samples a second, and what people mark in it."""

    samples: Floats
    pieces: tuple[Span, ...]


def made_sound(rng: np.random.Generator, rate: int = 16_000) -> Made:
    """Four to eight seconds of noise and hum in which a few events follow each other, of 0.3 to 1.5
    seconds; chirps are rare."""
    seconds = rng.uniform(4.0, 8.0)
    times = np.arange(int(seconds * rate)) / rate
    samples = rng.uniform(0.005, 0.03) * rng.normal(size=len(times))
    samples += rng.uniform(0.0, 0.05) * np.sin(2 * np.pi * rng.uniform(80.0, 400.0) * times)
    pieces, at = [], rng.uniform(0.1, 1.0)
    while at < seconds - 0.6:
        end = min(at + rng.uniform(0.3, 1.5), seconds - 0.1)
        kind, heard = int(rng.choice(len(SHARES), p=SHARES)), (times >= at) & (times < end)
        samples[heard] += rng.uniform(0.03, 0.3) * _event(kind, times[heard] - at, rng)
        if kind < len(EVENTS):
            places = 1000 * np.array([at, end]) + rng.normal(0.0, PRECISION, 2)
            start, stop = (int(place) for place in places.round().clip(0))
            pieces.append(Span(start, stop, EVENTS[kind]))
        at = end + 0.15 + rng.exponential(1.2)
    return Made(samples.clip(-1, 1).astype(np.float32), tuple(pieces))


def _event(kind: int, times: Floats, rng: np.random.Generator) -> Floats:
    if kind == 1:
        width = int(rng.integers(1, 8))
        noise: Floats = np.convolve(rng.normal(size=len(times)), np.ones(width) / width, "same")
        return noise
    low, high = {
        0: [rng.uniform(400.0, 3000.0)] * 2,
        2: [rng.uniform(300.0, 1000.0), rng.uniform(1500.0, 4000.0)],
        3: [rng.uniform(150.0, 350.0)] * 2,
    }[kind]
    sweep = (high - low) / max(0.1, float(times[-1]))
    found: Floats = np.sin(2 * np.pi * (low * times + sweep * times**2 / 2))
    return found


def log_mel_network(folder: Path) -> Path:
    """A Whisper whose encoder passes the log-mel spectrogram on, a state each 20 ms: BANDS numbers
    that say how loud each band is. It stands for a trained network, for one of random weights hears
    next to nothing."""
    config = WhisperConfig(
        vocab_size=100,
        d_model=BANDS,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=1,
        decoder_attention_heads=1,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    model = WhisperForConditionalGeneration(config)
    encoder = model.get_encoder()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
        for convolution in (encoder.conv1, encoder.conv2):
            convolution.weight[:, :, 1] = torch.eye(BANDS)
        encoder.conv1.bias.fill_(1.0)  # what is silent is -1, of which GELU would leave nothing
        encoder.layer_norm.weight.fill_(1.0)
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder
