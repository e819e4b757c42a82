"""Short videos: frames spread over a clip."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from model.media.errors import UnreadableMedia
from model.media.files import opened, refuse_disguise
from model.media.limits import FRAMES
from model.media.pictures import check_size, reduced
from model.types import Floats

MAX_SECONDS = 300.0
"""Only the beginning of a longer video is used."""
MAX_PIXELS = 10_000_000
"""A frame: 4K has 9 million, 8K has 33."""
MAX_FRAME_BYTES = 30_000_000
"""A frame as it is decoded, 3 bytes a pixel with 10 bits a colour: decoders hold up to 16."""
MAX_READ_SECONDS = 20.0
"""Wall-clock time for one clip."""
FAR = 3.0
"""Seconds of video from which on seeking is quicker than to decode what lies between."""

DEMUXERS = "mov,mp4,m4a,3gp,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif"
NO_FRAME = "no frame can be read: the video is empty, damaged, cut off or of an unknown codec"


def read_clip(
    path: Path, frames: int = FRAMES, *, seconds: float = MAX_READ_SECONDS
) -> list[Image.Image]:
    """1 to `frames` pictures from a video file, spread evenly over its first MAX_SECONDS: RGB,
    upright, of a size as in `read_picture`. From a damaged file, the readable ones.

    `seconds` is the wall-clock time that it may take. Raises UnreadableMedia if no frame can be
    read, if frames are too large or if time is up, and OSError if there is no file.
    """
    refuse_disguise(path, "video")
    until = time.monotonic() + seconds
    with opened(path, DEMUXERS, "video") as container:
        stream = _video_stream(container)
        duration = _duration(container, stream)
        if duration is None:
            pictures = _thinned(_decoded(container, stream, until), frames)
        else:
            times = _sampled_times(stream, duration, frames)
            pictures = [_picture(frame) for frame in _shown_at(times, container, stream, until)]
    if not pictures:
        raise UnreadableMedia(NO_FRAME)
    return pictures


def _video_stream(container: InputContainer) -> VideoStream:
    # The cover of a song is a video stream of one frame.
    streams = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    if not streams:
        raise UnreadableMedia("there is no video in it")
    if streams[0].codec_context is None:
        raise UnreadableMedia(NO_FRAME)
    check_size(streams[0].width, streams[0].height, MAX_PIXELS)
    _check_frame_bytes(streams[0])
    return streams[0]


def _check_frame_bytes(stream: VideoStream) -> None:
    kind = stream.codec_context.format
    bits = kind.padded_bits_per_pixel if kind is not None else 0
    if stream.width * stream.height * bits > 8 * MAX_FRAME_BYTES:
        raise UnreadableMedia(
            f"too large: frames of {stream.width} x {stream.height} pixels of {bits} bits take "
            f"more than {MAX_FRAME_BYTES // 1_000_000} MB each. Replace it with a smaller video"
        )


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds of video; None if the file does not say, as with those that browsers record."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _sampled_times(stream: VideoStream, duration: float, frames: int) -> Floats:
    """The middles of `frames` equal parts of the video, in seconds of the stream's own clock."""
    begin = float((stream.start_time or 0) * (stream.time_base or 0))
    part = min(duration, MAX_SECONDS) / frames
    times: Floats = begin + part * (np.arange(frames) + 0.5)
    return times


def _shown_at(
    times: Floats, container: InputContainer, stream: VideoStream, until: float
) -> Iterator[VideoFrame]:
    """The frames that are shown at the ascending `times`, each one once.

    If the video ends before the first of them, its last frame.
    """
    lasts = 1 / float(stream.average_rate or 25)
    frames = _decoded(container, stream, until)
    end, frame, is_taken = times[0], None, False
    for moment in times:
        if is_taken and moment < end:
            continue
        if moment - end > FAR and stream.time_base:
            # A file that cannot seek is decoded further from its current position.
            with suppress(av.FFmpegError):
                container.seek(int(moment / stream.time_base), stream=stream)
                frames = _decoded(container, stream, until)
        for frame in frames:
            end = lasts + (end if frame.time is None else frame.time)
            if end > moment:
                is_taken = True
                yield frame
                break
    if frame is not None and not is_taken:
        yield frame


def _decoded(container: InputContainer, stream: VideoStream, until: float) -> Iterator[VideoFrame]:
    """Frames from the container's current position, up to the first damage or the end."""
    with suppress(av.FFmpegError):
        for frame in container.decode(stream):
            if time.monotonic() > until:
                raise UnreadableMedia("it takes too long to read")
            yield frame


def _thinned(frames: Iterable[VideoFrame], most: int) -> list[Image.Image]:
    """At most `most` of the frames, evenly spread, without knowing how many will come."""
    kept: list[Image.Image] = []
    step = 1
    for number, frame in enumerate(frames):
        if frame.time is not None and frame.time > MAX_SECONDS:
            break
        if number % step == 0:
            kept.append(_picture(frame))
        if len(kept) == 2 * most:
            kept, step = kept[::2], 2 * step
    places = np.linspace(0, len(kept) - 1, min(most, len(kept))).round().astype(int)
    return [kept[place] for place in places]


def _picture(frame: VideoFrame) -> Image.Image:
    check_size(frame.width, frame.height, MAX_PIXELS)
    if "f32" in frame.format.name or "f16" in frame.format.name:
        raise UnreadableMedia("pixels of floating-point numbers are not read")  # FFmpeg may abort
    width, height = reduced(frame.width, frame.height)
    small = frame.reformat(width=width, height=height, format="rgb24")
    picture = Image.fromarray(small.to_ndarray())
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture
