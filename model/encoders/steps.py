"""Sounds to the states of their steps in time, for labelled pieces of sounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from model.encoders.errors import NotAnEncoder
from model.encoders.sounds import SoundEncoder
from model.encoders.vectors import unit
from model.media.limits import STEP
from model.spans.tags import Tokens
from model.types import Floats, Ints

NO_STEPS = (
    "it does not say when what is heard in a sound, which finding pieces of sounds needs; set it "
    "to a network of the type of Wav2Vec2, HuBERT, WavLM, Whisper or AST"
)


@dataclass(frozen=True)
class Family:
    """How networks of one type are read in time.

    seconds: of a sound that are read at once; in_time: from the states of so many seconds and the
    network's config to those (s, d) that lie evenly over these seconds.
    """

    seconds: float
    in_time: Callable[[Tensor, Any, float], Tensor]


def _evenly(states: Tensor, config: Any, seconds: float) -> Tensor:
    return states[0]


def _without_padding(states: Tensor, config: Any, seconds: float) -> Tensor:
    """Of Whisper, which pads what it reads to 30 seconds."""
    return states[0, : max(1, round(len(states[0]) * seconds / WHISPER.seconds))]


def _over_frequencies(states: Tensor, config: Any, seconds: float) -> Tensor:
    """Of AST, whose patches are ordered by frequency, then by time, after two special tokens; a
    frame of its spectrogram is 10 ms long."""
    bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    patches = states[0, 2:].reshape(bands, -1, states.shape[-1]).mean(dim=0)
    return patches[: max(1, round(len(patches) * seconds / (0.01 * config.max_length)))]


WAVES, WHISPER, AST = (
    Family(10.0, _evenly),
    Family(30.0, _without_padding),
    Family(10.0, _over_frequencies),
)
"""Ten seconds at once: attention takes the square of the time, and AST reads no more."""
FAMILIES: dict[str, Family] = {
    "audio-spectrogram-transformer": AST,
    "data2vec-audio": WAVES,
    "hubert": WAVES,
    "sew": WAVES,
    "sew-d": WAVES,
    "unispeech": WAVES,
    "unispeech-sat": WAVES,
    "wav2vec2": WAVES,
    "wav2vec2-conformer": WAVES,
    "wavlm": WAVES,
    "whisper": WHISPER,
}
"""The type of a network -> how it is read."""


class StepEncoder:
    """Sounds to Tokens: one for each whole STEP, with its place in milliseconds, and a state of
    `dimension` and of unit length. Not for use by several threads at once.

    Sounds are as for SoundEncoder, and the network is never tuned either.
    """

    def __init__(self, name: str) -> None:
        """Load from a folder or hub name. Raises NotAnEncoder, also for networks of a type that is
        not in FAMILIES."""
        self._sounds = SoundEncoder(name)
        self.rate = self._sounds.rate
        """Samples a second that sounds must have."""
        config = self._sounds.network.config
        if config.model_type not in FAMILIES:
            raise NotAnEncoder(name, "steps", NO_STEPS)
        self._family = FAMILIES[config.model_type]
        self.dimension = int(self.read(np.zeros(self.rate, np.float32)).shape[1])

    @property
    def state_dimension(self) -> int:
        """The width of a step's state."""
        return self.dimension

    def read(self, sound: Floats) -> Floats:
        """A sound to the states (m, dimension) of its steps, float16, of unit length; of a sound
        that is shorter than a step, to one state."""
        size, least = round(self._family.seconds * self.rate), STEP * self.rate // 1000
        pieces = [sound[start : start + size] for start in range(0, len(sound), size)]
        whole = [piece for piece in pieces if len(piece) >= least] or pieces[:1] or [sound]
        return unit(np.concatenate([self._steps(piece) for piece in whole])).astype(np.float16)

    def encode(self, sounds: Sequence[Floats]) -> Tokens:
        """The states of sounds, (m, dimension) each, to Tokens."""
        nothing = np.zeros((0, self.dimension), np.float16)
        states = np.concatenate([nothing, *sounds])
        places = [np.zeros((0, 2), np.int64), *(places_of(len(sound)) for sound in sounds)]
        return Tokens(states, np.concatenate(places), np.cumsum([0, *map(len, sounds)]))

    def _steps(self, piece: Floats) -> Floats:
        seconds = len(piece) / self.rate
        states = self._family.in_time(
            self._sounds.states(piece), self._sounds.network.config, seconds
        )
        return means_by_step(states.cpu().numpy(), 1000 * seconds)


def places_of(steps: int) -> Ints:
    """Where the steps of a sound begin and end, (steps, 2), in milliseconds."""
    begin = STEP * np.arange(steps, dtype=np.int64)
    return np.stack([begin, begin + STEP], axis=1)


def means_by_step(states: Floats, duration: float) -> Floats:
    """States (s, d) that lie evenly over a sound of this duration, in milliseconds, to the means
    (m, d) of those within each of its whole steps, or where there are none, the nearest."""
    count = max(1, int(duration // STEP))
    centres = (np.arange(len(states)) + 0.5) * duration / len(states) / STEP
    within = np.arange(count)[:, None] == np.minimum(centres.astype(np.int64), count - 1)
    distances = np.abs(centres - (np.arange(count)[:, None] + 0.5))
    nearest = np.arange(len(states)) == distances.argmin(axis=1)[:, None]
    weights = np.where(within.any(axis=1, keepdims=True), within, nearest).astype(np.float32)
    means: Floats = (weights @ states) / weights.sum(axis=1, keepdims=True)
    return means
