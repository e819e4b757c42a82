"""Sounds are made here: tones of one pitch."""

import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from model.media.errors import UnreadableMedia
from model.media.limits import MAX_SECONDS
from model.media.sounds import RATE, read_sound
from model.types import Floats

REAL = Path(__file__).parents[3] / "shared" / "data" / "video-clips"
PITCH = 440


def tone(seconds: float, rate: int, pitch: float = PITCH) -> Floats:
    """Samples in [-0.5, 0.5], float32."""
    times = np.arange(int(seconds * rate)) / rate
    found: Floats = (0.5 * np.sin(2 * np.pi * pitch * times)).astype(np.float32)
    return found


def pitch_of(sound: Floats, rate: int = RATE) -> float:
    return float(np.abs(np.fft.rfft(sound)).argmax() * rate / len(sound))


def write_wave(path: Path, channels: Floats, rate: int) -> Path:
    """Channels (c, n) or one channel (n,) in 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(np.atleast_2d(channels)))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((channels.T * 32767).round().astype("<i2").tobytes())
    return path


def header(rate: int, size: int, *, kind: int = 1, channels: int = 1, width: int = 2) -> bytes:
    """What a WAV file of `size` bytes of samples begins with; kind 1 is integers, 3 floats."""
    frame = channels * width
    form = struct.pack("<IHHIIHH", 16, kind, channels, rate, rate * frame, frame, 8 * width)
    begin = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form
    return begin + b"data" + struct.pack("<I", size)


def packets(stream: AudioStream, samples: Floats, rate: int) -> "Iterator[av.Packet[AudioStream]]":
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate = rate
    codec = stream.codec_context
    resampler = av.AudioResampler(codec.format, "mono", rate, codec.frame_size or None)
    for given in (frame, None):
        for piece in resampler.resample(given):
            yield from stream.encode(piece)
    yield from stream.encode()


def write_sound(path: Path, codec: str, rate: int, seconds: float = 2) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, AudioStream)
        container.mux(list(packets(stream, tone(seconds, rate), rate)))
    return path


def write_video(path: Path, *, sound: bool, pitch: float = PITCH) -> Path:
    with av.open(path, "w") as container:
        pictures = container.add_stream("mpeg4", rate=10)
        assert isinstance(pictures, VideoStream)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        if sound:
            stream = container.add_stream("aac", rate=44_100, layout="mono")
            assert isinstance(stream, AudioStream)
            container.mux(list(packets(stream, tone(2, 44_100, pitch), 44_100)))
        grey = np.full((48, 64, 3), 99, dtype=np.uint8)
        for _ in range(20):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(grey)))
        container.mux(pictures.encode())
    return path


def test_samples_at_the_right_rate_are_taken_as_they_are(tmp_path: Path) -> None:
    samples = np.array([0, 16384, -32768, 32767], dtype="<i2")
    path = tmp_path / "short.wav"
    path.write_bytes(header(RATE, 8) + samples.tobytes())
    found = read_sound(path)
    assert found.dtype == np.float32
    assert found.tolist() == [0.0, 0.5, -1.0, 32767 / 32768]


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.wav", "pcm_s16le", 44_100),
        ("a.wav", "pcm_f32le", 8_000),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.flac", "flac", 48_000),
        ("a.ogg", "libopus", 48_000),
        ("a.m4a", "aac", 44_100),
        ("a.webm", "libopus", 48_000),
    ],
)
def test_a_tone_keeps_its_pitch_and_loudness(
    tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    sound = read_sound(write_sound(tmp_path / name, codec, rate))
    assert len(sound) == pytest.approx(2 * RATE, rel=0.03)
    assert pitch_of(sound) == pytest.approx(PITCH, abs=1)
    assert sound[RATE // 2 :].std() == pytest.approx(0.5 * np.sqrt(0.5), rel=0.05)


def test_the_sound_of_a_video_is_read(tmp_path: Path) -> None:
    sound = read_sound(write_video(tmp_path / "film.mp4", sound=True))
    assert len(sound) == pytest.approx(2 * RATE, rel=0.03)
    assert pitch_of(sound) == pytest.approx(PITCH, abs=1)


def test_the_beginning_is_read_at_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    rate = 8_000
    samples = np.concatenate([tone(MAX_SECONDS, rate), tone(9, rate, 2 * PITCH)])
    sound = read_sound(write_wave(tmp_path / "long.wav", samples, rate), 24_000)
    assert len(sound) == MAX_SECONDS * 24_000
    assert pitch_of(sound[-24_000:], 24_000) == pytest.approx(PITCH, abs=1)


@pytest.mark.parametrize("channels", [2, 6, 9])
def test_channels_are_averaged(tmp_path: Path, channels: int) -> None:
    """PyAV reads planes from the ninth on out of bounds, and the process crashes."""
    samples = np.zeros((channels, RATE), dtype=np.float32)
    samples[-1] = tone(1, RATE)
    sound = read_sound(write_wave(tmp_path / "many.wav", samples, RATE))
    np.testing.assert_allclose(sound, samples[-1] / channels, atol=1e-4)


def test_samples_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    samples = np.array([0.25, 9.0, -9.0], dtype="<f4")
    path.write_bytes(header(RATE, 12, kind=3, width=4) + samples.tobytes())
    assert read_sound(path).tolist() == [0.25, 1.0, -1.0]


def test_a_sound_may_change_its_rate(tmp_path: Path) -> None:
    first = write_sound(tmp_path / "1.mp3", "libmp3lame", 44_100)
    second = write_sound(tmp_path / "2.mp3", "libmp3lame", 22_050)
    both = tmp_path / "both.mp3"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    sound = read_sound(both)
    assert len(sound) == pytest.approx(4 * RATE, rel=0.05)
    assert pitch_of(sound[-RATE:]) == pytest.approx(PITCH, abs=1)


def test_what_is_left_of_a_sound_that_was_cut_off_counts(tmp_path: Path) -> None:
    path = write_wave(tmp_path / "half.wav", tone(2, RATE), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(read_sound(path)) == pytest.approx(RATE, rel=0.01)


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.flac", "flac")])
def test_a_sound_goes_on_behind_its_damage(tmp_path: Path, name: str, codec: str) -> None:
    path = write_sound(tmp_path / name, codec, 44_100, seconds=4)
    content = bytearray(path.read_bytes())
    content[9_000:10_000] = np.random.default_rng(0).bytes(1_000)
    path.write_bytes(content)
    sound = read_sound(path)
    assert len(sound) > 3 * RATE
    assert pitch_of(sound[-RATE:]) == pytest.approx(PITCH, abs=1)


def cut(path: Path) -> Path:
    """For an M4A it is the table, which is at the end."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def file(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_bad_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    other = write_wave(tmp_path / "other.wav", tone(1, RATE), RATE)
    play_list = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n"
    not_a_number = np.array([0, np.nan], dtype="<f4").tobytes()
    noise = np.random.default_rng(0).bytes(51_000)
    bad = [
        ("the file is empty", file(tmp_path / "secret-0", "")),
        ("an HTML page instead of a sound", file(tmp_path / "secret-1", "<html>no</html>")),
        ("not a sound", file(tmp_path / "secret-2", "words " * 900)),
        ("not a sound|no sound can be read", file(tmp_path / "secret-3.mp3", noise)),
        ("damaged, cut off", cut(write_sound(tmp_path / "secret-4.m4a", "aac", 44_100))),
        ("there is no sound in it", write_video(tmp_path / "secret-5.mp4", sound=False)),
        ("it is empty", file(tmp_path / "secret-6.wav", header(RATE, 40_000))),
        ("1 samples a second", file(tmp_path / "secret-7.wav", header(1, 51_000) + noise)),
        (
            "not all numbers",
            file(tmp_path / "secret-8.wav", header(RATE, 8, kind=3, width=4) + not_a_number),
        ),
        (
            "no sound can be read",
            file(tmp_path / "secret-9.wav", header(8_000, 51_000, channels=255) + noise),
        ),
        # A play list would let a file open any other one.
        ("of an unknown kind", file(tmp_path / "secret-10.m3u8", play_list)),
    ]
    for reason, path in bad:
        with pytest.raises(UnreadableMedia, match=reason) as refused:
            read_sound(path)
        assert "secret" not in str(refused.value)


def test_a_sound_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMedia, match="too long"):
        read_sound(write_wave(tmp_path / "a.wav", tone(1, RATE), RATE), seconds=0.0)


def test_a_file_that_is_not_there_is_no_bad_sound(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_sound(tmp_path / "none")


@pytest.mark.skipif(not REAL.is_dir(), reason="there are no real clips in shared/data/video-clips")
def test_real_clips_have_a_sound_or_say_that_they_have_none() -> None:
    """The streams that av reports are the oracle."""
    for clip in sorted(REAL.iterdir()):
        with av.open(clip) as container:
            has_sound = bool(container.streams.audio)
        if has_sound:
            assert read_sound(clip).std() > 0.001
        else:
            with pytest.raises(UnreadableMedia, match="there is no sound in it"):
                read_sound(clip)
