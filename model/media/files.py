"""Checks of picture, video and sound files: a file may be something else."""

import re
from pathlib import Path

import av
from av.container import InputContainer

from model.media.errors import UnreadableMedia

HEAD = 512
DISGUISES = {
    rb"(<!--.*?-->\s*)?<(!doctype html|html|head|body|script)\b": (
        "an HTML page instead of a {kind}: its address may need a login, or have expired"
    ),
    rb"(<\?xml.*?)?<svg\b": "an SVG drawing, which is not read: convert it to PNG",
    rb"<\?xml|<error>": "an XML message instead of a {kind}: its address may have expired",
    rb"\{\s*\"|\[\s*[\{\"]": "a JSON message instead of a {kind}",
}
"""Pattern of a file's beginning -> why it is refused."""


def refuse_disguise(path: Path, kind: str) -> None:
    """Raise UnreadableMedia if the file is empty or begins like a page or a message.

    `kind` names what was expected: "picture" or "video".
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise UnreadableMedia("the file is empty")
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for pattern, reason in DISGUISES.items():
        if re.match(pattern, begins, re.DOTALL):
            raise UnreadableMedia(reason.format(kind=kind))


def opened(path: Path, demuxers: str, kind: str) -> InputContainer:
    """A video or sound file of one of the `demuxers` (comma separated). All others are refused
    unread: play lists would let a file open others. Raises UnreadableMedia."""
    try:
        # Titles come in any encoding.
        options = {"format_whitelist": demuxers}
        return av.open(path, "r", options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        reason = f"not a {kind}, or one that is damaged, cut off or of an unknown kind"
        raise UnreadableMedia(reason) from error
