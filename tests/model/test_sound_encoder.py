"""Tiny networks of random weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    HubertConfig,
    HubertModel,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from model.encoders.errors import NotAnEncoder
from model.encoders.sounds import SoundEncoder, _mean_over_time
from model.encoders.text import BUNDLED, resolve
from model.media.sounds import read_sound
from model.types import Floats
from tests.model.test_sounds import tone, write_wave

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    # Weights large enough for a signal to get through an untrained network.
    "initializer_range": 0.2,
}
WAVES: dict[str, Any] = {
    **SMALL,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


def wav2vec2(folder: Path) -> Path:
    Wav2Vec2Model(Wav2Vec2Config(**WAVES)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def hubert(folder: Path) -> Path:
    HubertModel(HubertConfig(**WAVES)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def wavlm(folder: Path) -> Path:
    WavLMModel(WavLMConfig(**WAVES)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def ast(folder: Path) -> Path:
    """As published: a classifier."""
    ASTForAudioClassification(ASTConfig(**SMALL)).save_pretrained(folder)
    with pytest.warns(UserWarning, match="At least one mel filter"):
        ASTFeatureExtractor().save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def whisper(folder: Path) -> Path:
    config = WhisperConfig(
        vocab_size=100,
        d_model=24,
        encoder_layers=3,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        init_std=0.2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def clap(folder: Path) -> Path:
    config = ClapConfig(
        text_config={**SMALL, "vocab_size": 50, "num_hidden_layers": 1},
        audio_config={
            "patch_embeds_hidden_size": 8,
            "hidden_size": 64,
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 1, 2, 2],
        },
    )
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)
    return folder


FAMILIES = [
    pytest.param(wav2vec2, 24, 16_000, id="Wav2Vec2"),
    pytest.param(hubert, 24, 16_000, id="HuBERT"),
    pytest.param(wavlm, 24, 16_000, id="WavLM"),
    pytest.param(ast, 24, 16_000, id="AST"),
    pytest.param(whisper, 24, 16_000, id="Whisper"),
    pytest.param(clap, 64, 48_000, id="CLAP"),
]


@pytest.fixture(autouse=True)
def same_weights() -> None:
    torch.manual_seed(0)


@pytest.fixture
def encoder(tmp_path: Path) -> SoundEncoder:
    return SoundEncoder(str(wav2vec2(tmp_path / "wav2vec2")))


def encode(encoder: SoundEncoder, sounds: list[Floats]) -> Floats:
    return encoder.encode([encoder.read(sound) for sound in sounds])


def tones(rate: int) -> list[Floats]:
    """Of several lengths; two are equally long."""
    of_length = [(1.0, 440), (0.01, 500), (2.0, 900), (1.0, 880), (11.0, 300)]
    return [tone(seconds, rate, pitch) for seconds, pitch in of_length]


@pytest.mark.parametrize(("build", "dimension", "rate"), FAMILIES)
def test_every_family_gives_the_same_vectors_each_time_it_is_loaded(
    tmp_path: Path, build: Callable[[Path], Path], dimension: int, rate: int
) -> None:
    """CLAP's extractor cuts long sounds at random."""
    source = str(build(tmp_path / "source"))
    encoder = SoundEncoder(source)
    sounds = tones(rate)
    vectors = encode(encoder, sounds)
    assert (encoder.dimension, encoder.rate) == (dimension, rate)
    assert vectors.shape == (5, dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(encode(SoundEncoder(source), sounds), vectors)


@pytest.mark.parametrize(("build", "_dimension", "rate"), FAMILIES)
def test_pitch_tells_tones_apart_and_the_rate_of_the_file_does_not(
    tmp_path: Path, build: Callable[[Path], Path], _dimension: int, rate: int
) -> None:
    encoder = SoundEncoder(str(build(tmp_path / "source")))
    encoder.low_precision = False
    files = {(440, 44_100), (440, 22_050), (880, 44_100)}
    paths = {
        (pitch, source): write_wave(
            tmp_path / f"{pitch}-{source}.wav", tone(1, source, pitch), source
        )
        for pitch, source in files
    }
    sounds = {which: read_sound(path, rate) for which, path in paths.items()}
    low, again, high = encode(
        encoder, [sounds[440, 44_100], sounds[440, 22_050], sounds[880, 44_100]]
    )
    assert np.linalg.norm(low - high) > 5 * np.linalg.norm(low - again)


def test_whisper_is_averaged_over_the_sound_and_not_over_the_silence_after_it(
    tmp_path: Path,
) -> None:
    encoder = SoundEncoder(str(whisper(tmp_path)))
    encoder.low_precision = False
    sound = tone(3, encoder.rate)
    read = encoder.extractor(sound, sampling_rate=encoder.rate, return_tensors="pt")
    with torch.inference_mode():
        states = encoder.network(read["input_features"]).last_hidden_state
    assert states.shape[1] == 1500
    mean = states[0, :150].mean(dim=0)
    np.testing.assert_allclose(encoder.read(sound)[0], mean / mean.norm(), atol=1e-3)


def test_states_are_averaged_over_what_the_mask_calls_sound() -> None:
    states = torch.tensor([[[1.0], [2.0], [6.0]], [[1.0], [2.0], [6.0]]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    assert _mean_over_time(states, mask).tolist() == [[1.5], [3.0]]
    assert _mean_over_time(states, None).tolist() == [[3.0], [3.0]]
    assert _mean_over_time(states, 0 * mask).tolist() == [[1.0], [1.0]]


def test_no_sounds_have_no_vectors(encoder: SoundEncoder) -> None:
    assert encoder.encode([]).shape == (0, 24)


def test_what_is_said_of_a_sound_is_one_state(encoder: SoundEncoder) -> None:
    states = encoder.read(tone(1.0, encoder.rate))
    assert states.shape == (1, encoder.state_dimension)
    assert states.dtype == np.float16


def test_what_is_no_audio_encoder_is_refused(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    ViTModel(ViTConfig(**SMALL)).save_pretrained(pictures)
    ViTImageProcessorPil().save_pretrained(pictures)
    for name in (resolve(BUNDLED), str(pictures), str(tmp_path)):
        with pytest.raises(NotAnEncoder, match=f"^{name} is no audio encoder: it must be"):
            SoundEncoder(name)
