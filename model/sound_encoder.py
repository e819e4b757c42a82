"""Audio encoder: a transformers model from a folder or hub name, sounds -> vectors."""

import math
import warnings
from collections.abc import Sequence
from copy import deepcopy
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoFeatureExtractor, AutoModel, SequenceFeatureExtractor

from model.encoder import batches_of_similar_length, bf16_pays, quiet_loader
from model.image_encoder import unit
from model.types import Floats, Ints

BATCH_SECONDS = 30
"""Seconds of sound encoded at once: one long sound or many short ones."""
MIN_SECONDS = 0.1
"""Shorter sounds are followed by silence: some networks need several frames of 25 ms."""

Features = dict[str, Tensor]
"""What a network reads of one sound, each tensor of shape (1, ...)."""


class SoundEncoder:
    """Sounds to unit-length vectors of `dimension`. Not for use by several threads at once.

    A sound is float32 samples (n,) in [-1, 1], `rate` a second, as `model.sounds.read_sound` gives
    them. Some networks read its beginning alone: AST and CLAP ten seconds.
    """

    def __init__(self, name: str) -> None:
        """Load from `name`, a folder or a hub name. Raises OSError if it is no audio encoder."""
        quiet_loader()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.low_precision = bf16_pays(self.device)
        self._copy: nn.Module | None = None
        try:
            self.extractor = _extractor(name)
            self.rate = int(self.extractor.sampling_rate)
            whole = AutoModel.from_pretrained(name, dtype=torch.float32)
            self._path, network = _audio_half(whole)
            self._config = whole.config
            _settle_for_tuning(network)
            self.network: Any = network.to(self.device).eval()
            with torch.inference_mode():
                silence = np.zeros(self.rate, dtype=np.float32)
                self.dimension = self._pooled(self.network, [silence]).shape[1]
        except (OSError, ValueError, ImportError) as error:
            raise OSError(
                f"AUDIO_ENCODER={name} is no audio encoder: it must be a folder with a "
                "transformers model and its preprocessor_config.json, or the name of one on the "
                f"Hugging Face hub ({error})"
            ) from error

    def encode(self, sounds: Sequence[Floats]) -> Floats:
        """Sounds to vectors (n, dimension), float32, unit length."""
        return unit(self.pool(sounds))

    def pool(self, sounds: Sequence[Floats]) -> Floats:
        """Sounds to pooled states (n, dimension), float32: vectors before normalisation."""
        pooled = np.zeros((len(sounds), self.dimension), dtype=np.float32)
        lengths = [len(sound) for sound in sounds]
        with torch.inference_mode():
            for rows in batches_of_similar_length(lengths, BATCH_SECONDS * self.rate):
                batch = [sounds[row] for row in rows]
                pooled[rows] = self._pooled(self._reader(), batch).cpu().numpy()
        return pooled

    def forward(self, sounds: Sequence[Floats]) -> Tensor:
        """One batch of sounds to pooled states (n, dimension), float32, with gradients if on."""
        self._copy = None  # whoever calls this is about to change the weights
        return self._pooled(self.network, sounds)

    def _reader(self) -> nn.Module:
        """The network to encode with: where 16 bits pay, a copy in 16 bits."""
        if self.low_precision and self._copy is None:
            self._copy = deepcopy(self.network).to(torch.bfloat16).eval()
        reader: nn.Module = self._copy or self.network
        return reader

    def _pooled(self, network: nn.Module, sounds: Sequence[Floats]) -> Tensor:
        # Only what is of the same shape is read together: not all networks are told what is
        # padding, and a sound's vector must not hang on the sounds beside it.
        features = [self._features(sound) for sound in sounds]
        groups = _rows_by_shape(features)
        states = [self._states(network, [features[row] for row in rows]) for rows in groups]
        return torch.cat(states)[np.argsort(np.concatenate(groups))]

    def _features(self, sound: Floats) -> Features:
        # From longer sounds CLAP's extractor would cut a part at random.
        most = getattr(self.extractor, "nb_max_samples", len(sound))
        silence = np.zeros(max(0, math.ceil(MIN_SECONDS * self.rate) - len(sound)), np.float32)
        read = self.extractor(
            np.concatenate([sound[:most], silence]),
            sampling_rate=self.rate,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return dict(read)

    def _states(self, network: Any, features: list[Features]) -> Tensor:
        """Pooled states (n, dimension), float32, of features of the same shapes."""
        batch = _stacked(features, self.device, next(network.parameters()).dtype)
        mask = batch.pop("attention_mask", None)
        casts = self.low_precision and network is self.network
        with torch.autocast(self.device.type, torch.bfloat16, enabled=casts):
            output = network(**batch)
        pooled = output.get("pooler_output")
        if pooled is not None:
            flat: Tensor = pooled.flatten(1).float()
            return flat
        if "last_hidden_state" not in output:
            raise ValueError("its network gives no hidden states")
        return _mean_over_time(output.last_hidden_state.float(), mask)

    def save(self, folder: Path) -> None:
        """Write a plain transformers folder (safetensors) with the extractor's settings.

        Of a model of several halves it has the audio half alone, under its name in the whole.
        """
        weights = {self._path + name: value for name, value in self.network.state_dict().items()}
        self.network.save_pretrained(folder, state_dict=weights)
        self._config.save_pretrained(folder)
        self.extractor.save_pretrained(folder)


def _extractor(name: str) -> Any:
    with warnings.catch_warnings():
        # AST's own settings leave one of the 128 filters empty: so it was trained.
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
        found = AutoFeatureExtractor.from_pretrained(name)  # type: ignore[no-untyped-call]
    if not isinstance(found, SequenceFeatureExtractor):
        raise ValueError("its preprocessor_config.json is not that of an audio model")
    return found


def _audio_half(whole: Any) -> tuple[str, Any]:
    """What reads sounds in a network, and the beginning of its weights' names there: CLAP reads
    texts, too, and Whisper writes them."""
    if hasattr(whole, "audio_model"):
        return "audio_model.", whole.audio_model
    if whole.config.is_encoder_decoder:
        return "encoder.", whole.get_encoder()
    return "", whole


def _settle_for_tuning(network: Any) -> None:
    """Turn off what Wav2Vec2 and its like do in training beyond dropout."""
    if hasattr(network.config, "apply_spec_augment"):
        # Hides parts of a sound by numpy's global randomness, and fails with sounds under 0.2 s.
        network.config.apply_spec_augment = False
    # Their convolutions ask for gradients even where their weights are frozen: a third of a step.
    convolutions: Any = getattr(network, "feature_extractor", None)
    if hasattr(convolutions, "_freeze_parameters"):
        convolutions._freeze_parameters()


def _rows_by_shape(features: Sequence[Features]) -> list[Ints]:
    """Row numbers, those of features of the same shapes together."""
    shapes = [tuple(values.shape for values in one.values()) for one in features]
    order = sorted(range(len(shapes)), key=shapes.__getitem__)
    return [np.array(list(rows)) for _, rows in groupby(order, key=shapes.__getitem__)]


def _stacked(features: list[Features], device: torch.device, kind: torch.dtype) -> Features:
    """Features of the same shapes as one batch on the device, floats as `kind`."""
    stacked = {name: torch.cat([one[name] for one in features]) for name in features[0]}
    return {
        name: values.to(device, kind if values.is_floating_point() else None)
        for name, values in stacked.items()
    }


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
