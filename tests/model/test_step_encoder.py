"""The states of sounds step by step, by tiny networks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.encoders.errors import NotAnEncoder
from model.encoders.joint import JointEncoder
from model.encoders.steps import StepEncoder, means_by_step, places_of
from model.spans.tags import Tokens
from model.storage.store import EncoderMeta, Store, write_encoder_meta
from model.types import EncoderSpec, in_words, is_of_tokens
from tests.model.hearing import BANDS, log_mel_network, made_sound
from tests.model.test_sound_encoder import ast, clap, hubert, wav2vec2, wavlm, whisper
from tests.model.test_sounds import tone

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("make", [wav2vec2, hubert, wavlm, ast, whisper])
@pytest.mark.parametrize("seconds", [0.05, 0.3, 2.55, 12.34])
def test_a_sound_has_a_state_for_each_whole_step(
    make: Callable[[Path], Path], seconds: float, tmp_path: Path
) -> None:
    encoder = StepEncoder(str(make(tmp_path)))
    states = encoder.read(tone(seconds, encoder.rate))
    assert states.shape == (max(1, int(10 * seconds + 1e-9)), encoder.dimension)
    assert states.dtype == np.float16
    assert np.linalg.norm(states.astype(np.float32), axis=1) == pytest.approx(1.0, abs=1e-2)


@pytest.mark.parametrize("make", [ast, log_mel_network])
def test_what_is_heard_late_is_in_late_steps(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """Also behind the ten or thirty seconds that a network reads at once."""
    encoder = StepEncoder(str(make(tmp_path)))
    sound = np.zeros(40 * encoder.rate, np.float32)
    heard = tone(2.0, encoder.rate)
    sound[33 * encoder.rate : 35 * encoder.rate] = heard
    states = encoder.read(sound).astype(np.float32)
    others = states[np.r_[305:328, 352:398]]
    inside = np.linalg.norm(states[331:349] - others.mean(axis=0), axis=1)
    outside = np.linalg.norm(others - others.mean(axis=0), axis=1)
    assert inside.min() > outside.max()


def test_a_network_that_does_not_say_when_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnEncoder, match="does not say when what is heard in a sound"):
        StepEncoder(str(clap(tmp_path)))


def test_states_are_averaged_by_step() -> None:
    states = np.arange(10, dtype=np.float32)[:, None]
    assert means_by_step(states, 200.0).tolist() == [[2.0], [7.0]]
    assert means_by_step(states, 250.0).tolist() == [[1.5], [6.5]], (
        "the rest goes with the last step"
    )
    assert means_by_step(states[:2], 400.0).tolist() == [[0.0], [0.0], [1.0], [1.0]]
    assert means_by_step(states[:1], 20.0).tolist() == [[0.0]]
    assert places_of(2).tolist() == [[0, 100], [100, 200]]


def test_sounds_become_tokens_that_are_kept_with_their_places(tmp_path: Path) -> None:
    network = str(log_mel_network(tmp_path / "network"))
    spec = EncoderSpec(("steps",), "", "", 256, network)
    encoder = JointEncoder(spec)
    assert not encoder.is_tunable
    assert (encoder.rate, encoder.dimension) == (16_000, BANDS)
    rng = np.random.default_rng(0)
    states = [encoder.frozen["steps"].read(made_sound(rng).samples) for _ in range(3)]
    tokens = encoder.encode([(one,) for one in states])
    assert isinstance(tokens, Tokens)
    assert np.diff(tokens.bounds).tolist() == list(map(len, states))
    assert tokens.places_of(1).tolist() == places_of(len(states[1])).tolist()
    store = Store(tmp_path / "store")
    with store.new_encoder(0) as folder:
        meta = EncoderMeta(
            network, "", 256, encoder.dimension, layout=("steps",), audio_base=network
        )
        write_encoder_meta(folder, meta)
    kept = store.tokens(0)
    assert store.encoded(0).dimension == BANDS
    kept.append(np.array([5, 6, 7]), tokens)
    found = kept.take(kept.rows(np.array([7])))
    assert found.states.tolist() == states[2].tolist()
    assert found.places.tolist() == places_of(len(states[2])).tolist()
    assert store.most_vectors() == 0


def test_what_is_read_step_by_step_is_called_so() -> None:
    assert in_words(("steps",)) == "steps of sounds"
    assert is_of_tokens(("steps",))
    assert not is_of_tokens(("audio",))


def test_what_was_heard_is_kept_while_an_encoder_uses_the_network(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in (0, 1):
        with store.new_encoder(number) as folder:
            meta = EncoderMeta("network", "", 256, 4, layout=("steps",), audio_base="network")
            write_encoder_meta(folder, meta)
    key = np.array([7])
    store.frozen("steps", "network", 4).append(key, [np.ones((3, 4), np.float16)])
    store.delete_encoder(0)
    assert store.frozen("steps", "network", 4).rows(key).tolist() == [0]
    store.delete_encoder(1)
    assert store.frozen("steps", "network", 4).rows(key).tolist() == [-1]
