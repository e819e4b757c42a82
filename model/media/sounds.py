"""Sound files to samples of one kind: one channel, at the rate that an encoder reads."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, groupby
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from model.media.errors import UnreadableMedia
from model.media.files import opened, refuse_disguise
from model.media.limits import MAX_SECONDS
from model.types import Floats

RATE = 16_000
"""Samples a second: what nearly all encoders of speech and sounds read."""
MAX_READ_SECONDS = 20.0
"""Wall-clock time for one sound."""
MIN_SOURCE_RATE = 1000
"""A file may say that a sample lasts a second: its packets would not fit into memory."""

DEMUXERS = (
    "wav,w64,mp3,flac,ogg,aac,aiff,au,caf,amr,ac3,eac3,wv,ape,"
    "mov,mp4,m4a,3gp,matroska,webm,avi,mpegts,mpeg,flv,asf"
)
NO_SAMPLE = "no sound can be read: it is empty, damaged, cut off or of an unknown codec"


def read_sound(
    path: Path,
    rate: int = RATE,
    *,
    seconds: float = MAX_READ_SECONDS,
    most: float = MAX_SECONDS,
) -> Floats:
    """The first `most` seconds of a sound file, or of a video's sound: float32 samples (n,) in
    [-1, 1], `rate` a second, the mean of the channels. From a damaged file, the readable part.

    `seconds` is the wall-clock time that it may take. Raises UnreadableMedia if there is no sound
    in it, if none can be read or if time is up, and OSError if there is no file.
    """
    refuse_disguise(path, "sound")
    until = time.monotonic() + seconds
    with opened(path, DEMUXERS, "sound") as container:
        frames = _decoded(container, _audio_stream(container), until)
        try:
            sound = _beginning(_mono(frames, rate), round(most * rate))
        except av.FFmpegError as error:
            raise UnreadableMedia(NO_SAMPLE) from error
    if not len(sound):
        raise UnreadableMedia(NO_SAMPLE)
    if not np.isfinite(sound).all():
        raise UnreadableMedia("its samples are not all numbers")
    return sound.clip(-1.0, 1.0)


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise UnreadableMedia("there is no sound in it")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise UnreadableMedia(NO_SAMPLE)
    return stream


def _decoded(container: InputContainer, stream: AudioStream, until: float) -> Iterator[AudioFrame]:
    """Frames from the beginning, up to the end or to where the file breaks off."""
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            if time.monotonic() > until:
                raise UnreadableMedia("it takes too long to read")
            # A damaged packet is a click; what comes after it is as good as before.
            with suppress(av.FFmpegError):
                yield from packet.decode()


def _mono(frames: Iterable[AudioFrame], rate: int) -> Iterator[Floats]:
    """Frames to samples of one channel at `rate`, piece by piece."""
    # Broadcasts change their rate or channels on the way, which one resampler refuses.
    for _, alike in groupby(frames, key=_setup):
        # Averaged here, as FFmpeg would weight the channels so that two are louder than one; not
        # as "fltp", as PyAV reads planes from the ninth on where there is no memory.
        resampler = AudioResampler(format="flt", rate=rate)
        for frame in chain(alike, [None]):
            for piece in resampler.resample(frame):
                channels = len(piece.layout.channels)
                yield piece.to_ndarray().reshape(-1, channels).mean(axis=1)


def _setup(frame: AudioFrame) -> tuple[int, str, str]:
    if frame.sample_rate < MIN_SOURCE_RATE:
        raise UnreadableMedia(f"{frame.sample_rate} samples a second: too few to be a sound")
    return frame.sample_rate, frame.layout.name, frame.format.name


def _beginning(pieces: Iterable[Floats], most: int) -> Floats:
    """The first `most` samples (fewer if there are no more) of pieces in order, float32."""
    kept: list[Floats] = []
    length = 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length >= most:
            break
    return np.concatenate([np.zeros(0, np.float32), *kept])[:most]
