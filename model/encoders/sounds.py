"""Audio encoder: a transformers model from a folder or hub name, sounds -> vectors."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoFeatureExtractor, AutoModel, SequenceFeatureExtractor

from model.encoders.errors import UNLOADABLE, NotAnEncoder
from model.encoders.precision import bf16_pays
from model.encoders.text import quiet_loader
from model.encoders.vectors import unit
from model.types import Floats

MIN_SECONDS = 0.1
"""Shorter sounds are padded with silence: some networks need several frames of 25 ms."""
NO_STATES = "its network gives no hidden states"


class SoundEncoder:
    """Sounds to unit-length vectors of `dimension`. Not for use by several threads at once.

    A sound is float32 samples (n,) in [-1, 1], `rate` a second, as `read_sound` gives them.
    Some networks read only its beginning: AST and CLAP ten seconds. The network is never tuned, so
    a sound's state (`read`) needs to be computed only once.
    """

    def __init__(self, name: str) -> None:
        """Load from `name`, a folder or a hub name. Raises NotAnEncoder."""
        quiet_loader()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.low_precision = bf16_pays(self.device)
        try:
            self.extractor = _extractor(name)
            self.rate = int(self.extractor.sampling_rate)
            network = _audio_half(AutoModel.from_pretrained(name, dtype=torch.float32))
            self.network: Any = network.to(self.device).eval()
            silence = np.zeros(self.rate, dtype=np.float32)
            self.dimension = len(self._pooled(silence, torch.float32))
        except UNLOADABLE as error:
            raise NotAnEncoder(
                name,
                "audio",
                "it must be a folder with a transformers model and its preprocessor_config.json, "
                f"or the name of one on the Hugging Face hub ({error})",
            ) from error

    @property
    def state_dimension(self) -> int:
        """The width of the network's state for a sound."""
        return self.dimension

    def read(self, sound: Floats) -> Floats:
        """A sound to one state (1, dimension), float16, of unit length."""
        kind = torch.bfloat16 if self.low_precision else torch.float32
        return unit(self._pooled(sound, kind)[None]).astype(np.float16)

    def encode(self, sounds: Sequence[Floats]) -> Floats:
        """The states of sounds to vectors (n, dimension), float32, unit length."""
        nothing = np.zeros((0, self.dimension), np.float32)
        return unit(np.concatenate([nothing, *sounds]).astype(np.float32))

    def states(self, sound: Floats) -> Tensor:
        """The network's own states for a sound, float32, of most networks (1, steps, dimension).
        Raises ValueError for a network without hidden states."""
        kind = torch.bfloat16 if self.low_precision else torch.float32
        output, _ = self._output(sound, kind)
        if "last_hidden_state" not in output:
            raise ValueError(NO_STATES)
        states: Tensor = output.last_hidden_state.float()
        return states

    def _pooled(self, sound: Floats, kind: torch.dtype) -> Floats:
        """The mean state (dimension,), float32, computed in this dtype."""
        output, mask = self._output(sound, kind)
        pooled = output.get("pooler_output")
        if pooled is None and "last_hidden_state" not in output:
            raise ValueError(NO_STATES)
        with torch.inference_mode():
            if pooled is None:
                pooled = _mean_over_time(output.last_hidden_state.float(), mask)
        result: Floats = pooled[0].flatten().float().cpu().numpy()
        return result

    def _output(self, sound: Floats, kind: torch.dtype) -> tuple[Any, Tensor | None]:
        """The network's output for a sound, and which of its input is no padding, if that is
        known."""
        features = {
            name: values.to(self.device, kind if values.is_floating_point() else None)
            for name, values in self._features(sound).items()
        }
        mask = features.pop("attention_mask", None)
        with torch.inference_mode():
            return self.network.to(kind)(**features), mask

    def _features(self, sound: Floats) -> dict[str, Tensor]:
        """What the network reads of one sound, each tensor of shape (1, ...)."""
        # CLAP's extractor would cut a random part out of longer sounds.
        most = getattr(self.extractor, "nb_max_samples", len(sound))
        silence = np.zeros(max(0, math.ceil(MIN_SECONDS * self.rate) - len(sound)), np.float32)
        read = self.extractor(
            np.concatenate([sound[:most], silence]),
            sampling_rate=self.rate,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return dict(read)


def _extractor(name: str) -> Any:
    with warnings.catch_warnings():
        # AST's own settings leave one of the 128 filters empty: it was trained that way.
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
        found = AutoFeatureExtractor.from_pretrained(name)  # type: ignore[no-untyped-call]
    if not isinstance(found, SequenceFeatureExtractor):
        raise ValueError("its preprocessor_config.json is not that of an audio model")
    return found


def _audio_half(whole: Any) -> Any:
    """The part of a model that reads sounds: CLAP also reads texts, and Whisper writes them."""
    if hasattr(whole, "audio_model"):
        return whole.audio_model
    return whole.get_encoder() if whole.config.is_encoder_decoder else whole


def _mean_over_time(states: Tensor, mask: Tensor | None) -> Tensor:
    """States (n, t, d) to their means (n, d) over the share of the time that the mask (n, any
    number of steps) calls sound and not padding; padding comes last."""
    if mask is None:
        return states.mean(dim=1)
    steps = states.shape[1]
    sounding = (mask.float().mean(dim=1) * steps).ceil().clamp(min=1).to(states.device)
    counts = torch.arange(steps, device=states.device) < sounding[:, None]
    weights = (counts / sounding[:, None]).unsqueeze(-1)
    return (states * weights).sum(dim=1)
