"""Small pictures of what tasks show, from the cache of fetched media: nothing is fetched for them,
and browsers never reach another server."""

import io
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from PIL import Image

from backend.explore.view import PoolView
from backend.interface.objects.image import addresses
from backend.media.media import cached
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from model.media.clips import read_clip
from model.media.errors import UnreadableMedia
from model.media.pictures import read_picture
from model.types import Medium

SIDE = 320
"""Pixels of the longer side."""

SECONDS = 3.0
"""That reading one file may take: a picture that takes longer is not shown."""


def _first_frame(path: Path) -> Image.Image:
    return read_clip(path, 3, seconds=SECONDS)[0]


READERS: dict[Medium, Callable[[Path], Image.Image]] = {
    "image": lambda path: read_picture(path, seconds=SECONDS),
    "images": lambda path: read_picture(path, seconds=SECONDS),
    "video": _first_frame,
}
"""Medium -> how a picture of its files is made."""


def thumbnail(view: PoolView, folder: Path, task: int, place: int) -> bytes | None:
    """This part of what a task shows as a JPEG, of several pictures the first; None if it is no
    picture or clip, if its file is not in the cache any more, and if it cannot be read."""
    layout = view.config.layout
    if not 0 <= place < len(layout) or layout[place] not in READERS:
        return None
    if not (view.ids == task).any():  # a number of any size comes with the address
        return None
    with closing(Pool(folder / MIRROR)) as pool:
        (parts,) = pool.parts([task], view.config)
    part, settings = parts[place], view.settings
    if part is None:
        return None
    media = settings.model_dir / "media"
    first = addresses(part)[0] if layout[place] == "images" else part
    path = cached(media, settings.label_studio_url, first)
    try:
        return None if path is None else _jpeg(READERS[layout[place]](path))
    except (UnreadableMedia, OSError):
        return None


def _jpeg(picture: Image.Image) -> bytes:
    picture.thumbnail((SIDE, SIDE))
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=80)
    return packed.getvalue()
