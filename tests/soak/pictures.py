"""A second project of the soak: a few pictures, and one small file that decodes to gigabytes."""

import base64
import struct
import zlib

import numpy as np

from backend.studio.api import Studio
from backend.types import Json
from tests.studio.test_shown_media import COLOURS, PICTURES, picture

GOOD = 6
SIDE = 9_999
"""Pixels of the poisoned picture: 1.9 GB and 15 s to read, and 194 KB on disk."""


def pictures_project(studio: Studio) -> int:
    """The project's number."""
    project = int(studio.create_project(title="Pictures", label_config=PICTURES)["id"])
    rng = np.random.default_rng(0)
    colours = [list(COLOURS)[number % len(COLOURS)] for number in range(GOOD)]
    contents = [*(picture(colour, rng) for colour in colours), poison()]
    studio.of(project).import_tasks([{"image": address_of(content)} for content in contents])
    return project


def address_of(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def poison() -> bytes:
    """A grey PNG of 16 bits, all black."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 0, 0, 0, 0)
    row, packed = bytes(1 + 2 * SIDE), zlib.compressobj(9)
    rows = b"".join(packed.compress(row) for _ in range(SIDE)) + packed.flush()
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def contradictions(state: Json) -> list[str]:
    """What is wrong with the project, by its state as the backend describes it."""
    wrong = []
    if state["served"] is None or state["open_tasks"] != GOOD + 1:
        wrong.append(f"{state['open_tasks']} of {GOOD + 1} pictures are open and in an order")
    reasons = [one["reason"] for one in state["unreadable_tasks"]]
    if len(reasons) != 1 or "too large" not in reasons[0]:
        wrong.append(f"one picture is too large to be read; the reasons given are {reasons}")
    return wrong
