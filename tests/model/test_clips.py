"""Clips are made here, of one colour a second; the real ones come with some checkouts."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from PIL import Image

from model.media.clips import MAX_SECONDS, read_clip
from model.media.errors import UnreadableMedia
from model.media.limits import FRAMES
from model.media.pictures import SHORTER_SIDE

REAL = Path(__file__).parents[3] / "shared" / "data" / "video-clips"
SIZE = (64, 48)


def grey_of(second: float) -> int:
    return int(10 + 8 * second) % 250


def write_clip(
    path: Path,
    seconds: float,
    *,
    rate: int = 10,
    size: tuple[int, int] = SIZE,
    keyframe_every: int = 250,
    codec: str = "mpeg4",
    kind: str | None = None,
    **options: str,
) -> Path:
    """A video of `seconds` whose every frame is as grey as `grey_of` its second says."""
    with av.open(path, "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = keyframe_every
        stream.codec_context.time_base = Fraction(1, rate)
        container.start_encoding()
        for number in range(int(seconds * rate)):
            grey = np.full((*reversed(size), 3), grey_of(number // rate), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(grey)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def greys(pictures: list[Image.Image]) -> list[int]:
    return [round(float(np.asarray(picture).mean())) for picture in pictures]


def near(*seconds: float) -> object:
    return pytest.approx([grey_of(second) for second in seconds], abs=3)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "clip.ts", "clip.webm"])
def test_frames_are_spread_evenly(tmp_path: Path, name: str) -> None:
    codec = "libvpx" if name.endswith("webm") else "mpeg4"
    pictures = read_clip(write_clip(tmp_path / name, 8, codec=codec), 4)
    assert greys(pictures) == near(1, 3, 5, 7)
    assert {(picture.mode, picture.size) for picture in pictures} == {("RGB", SIZE)}


@pytest.mark.parametrize("keyframe_every", [5, 1000])
def test_a_long_clip_is_sampled_by_seeking(tmp_path: Path, keyframe_every: int) -> None:
    """With many keyframes, and with a single one, where every seek ends up."""
    clip = write_clip(tmp_path / "long.mp4", 30, keyframe_every=keyframe_every)
    assert greys(read_clip(clip, 3)) == near(5, 15, 25)


def test_only_the_beginning_of_a_long_video_is_looked_at(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "film.mp4", 2 * MAX_SECONDS, rate=1)
    assert greys(read_clip(clip, 2)) == near(75, 225)


def test_a_clip_of_one_frame_gives_it_once(tmp_path: Path) -> None:
    assert greys(read_clip(write_clip(tmp_path / "one.mp4", 0.1))) == near(0)


def test_a_clip_that_does_not_say_its_length_is_read_to_its_end(tmp_path: Path) -> None:
    """As browsers record them."""
    clip = write_clip(tmp_path / "live.mkv", 20, live="1")
    with av.open(clip) as container:
        assert container.duration is None
    found = greys(read_clip(clip, 3))
    assert found[0] == pytest.approx(grey_of(0), abs=3)
    assert found[1] == pytest.approx(grey_of(10), abs=20)
    assert found[2] == pytest.approx(grey_of(19), abs=20)


def test_a_large_frame_is_shrunk(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "large.mp4", 0.5, size=(1024, 512))
    assert read_clip(clip)[0].size == (2 * SHORTER_SIDE, SHORTER_SIDE)


def test_frames_that_take_too_much_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of 16 bits a colour take up to four times as much as others of the same size."""
    monkeypatch.setattr("model.media.clips.MAX_FRAME_BYTES", 100_000)
    assert read_clip(write_clip(tmp_path / "small.mp4", 0.5, size=(256, 256)))
    clip = write_clip(tmp_path / "large.mp4", 0.5, size=(512, 256))
    with pytest.raises(UnreadableMedia, match="too large: frames of 512 x 256 pixels of 12 bits"):
        read_clip(clip)


def test_a_telephone_held_upright_gives_an_upright_clip(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "turned.mp4", 0.5)
    content = bytearray(clip.read_bytes())
    # The matrix of the track header in 16.16 and 2.30 bits: a quarter to the right.
    begin = content.index(b"tkhd") + 44
    one = 1 << 16
    turned = (0, one, 0, -one, 0, 0, SIZE[1] * one, 0, 1 << 30)
    content[begin : begin + 36] = np.array(turned, dtype=">i4").tobytes()
    clip.write_bytes(content)
    assert read_clip(clip)[0].size == (SIZE[1], SIZE[0])


def test_what_is_left_of_a_clip_that_was_cut_off_counts(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "half.mkv", 8, keyframe_every=5)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    pictures = read_clip(clip, 8)
    assert 2 <= len(pictures) <= 5
    assert greys(pictures)[:2] == near(0, 1)


def test_a_title_may_be_written_in_any_encoding(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", 1)
    content = clip.read_bytes()
    assert b"Lavf" in content
    clip.write_bytes(content.replace(b"Lavf", b"\xc4\xe3\xba\xc3"))
    assert greys(read_clip(clip, 1)) == near(0)


def write_sound(path: Path) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        assert isinstance(stream, AudioStream)
        silence = np.zeros((1, 800), dtype=np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut_mp4(path: Path) -> Path:
    """Its table of frames is at the end, and is missing."""
    write_clip(path, 3)
    path.write_bytes(path.read_bytes()[:-600])
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_a_bad_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    other = write_clip(tmp_path / "other.mp4", 1)
    bad = {
        "the file is empty": text(tmp_path / "secret-0", ""),
        "an HTML page instead of a video": text(tmp_path / "secret-1", "<html>no</html>"),
        "not a video": text(tmp_path / "secret-2", "words " * 900),
        "no frame can be read: .* cut off": cut_mp4(tmp_path / "secret-3.mp4"),
        "there is no video in it": write_sound(tmp_path / "secret-4.mkv"),
        "damaged, cut off": write_clip(tmp_path / "secret-5.mkv", 0),
        "more than 10 million pixels; it has 4096 x 2560": write_clip(
            tmp_path / "secret-6.avi", 0.1, size=(4096, 2560), codec="mjpeg"
        ),
        # A play list would let a file open any other one.
        "of an unknown kind": text(
            tmp_path / "secret-7.m3u8",
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
        ),
    }
    for reason, path in bad.items():
        with pytest.raises(UnreadableMedia, match=reason) as refused:
            read_clip(path)
        assert "secret" not in str(refused.value)


def test_a_clip_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMedia, match="too long"):
        read_clip(write_clip(tmp_path / "clip.mp4", 1), seconds=0.0)


def test_a_file_that_is_not_there_is_no_bad_clip(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_clip(tmp_path / "none")


@pytest.mark.skipif(not REAL.is_dir(), reason="there are no real clips in shared/data/video-clips")
def test_real_clips_are_read() -> None:
    clips = sorted(REAL.iterdir())
    assert len(clips) == 5
    for clip in clips:
        pictures = read_clip(clip)
        assert len(pictures) == FRAMES
        assert {min(picture.size) <= SHORTER_SIDE for picture in pictures} == {True}
        # Films move: no picture is the one before it.
        arrays = [np.asarray(picture, dtype=np.float32) for picture in pictures]
        moves = [np.abs(b - a).mean() for a, b in pairwise(arrays)]
        assert min(moves) > 0.5
        assert min(array.std() for array in arrays) > 5
