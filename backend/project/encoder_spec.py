"""Which encoder the settings name for what a project shows."""

from backend.settings import Settings
from model.types import EncoderSpec, Layout, Medium, is_of_lists, is_of_pairs

NONE = "none"
"""In place of an encoder's name: what it would read is left out."""


def spec_of(layout: Layout, settings: Settings) -> EncoderSpec:
    """The encoder that the settings name for what a project shows."""
    if settings.video_encoder:
        layout = tuple("footage" if medium == "video" else medium for medium in layout)
    text = settings.encoder if {"text", "tokens", "document"} & set(layout) else ""
    image = settings.image_encoder if {"image", "images", "video"} & set(layout) else ""
    image = settings.detector if "proposals" in layout else image
    audio = settings.audio_encoder if {"audio", "track", "steps"} & set(layout) else ""
    windows = settings.max_windows if text else 1
    video = settings.video_encoder if "footage" in layout else ""
    return EncoderSpec(layout, text, image, settings.max_tokens, audio, windows, video)


def ignored_by(settings: Settings) -> tuple[Medium, ...]:
    """The media that nothing reads by these settings."""
    ignored: list[Medium] = []
    if not settings.detector:
        ignored += ["proposals"]
    if settings.image_encoder == NONE:
        ignored += ["image", "images"] if settings.video_encoder else ["image", "images", "video"]
    if settings.audio_encoder == NONE:
        ignored += ["audio", "steps"]
    if settings.audio_encoder == NONE or not settings.clip_sound:
        ignored += ["track"]
    return tuple(ignored)


def is_tunable(layout: Layout) -> bool:
    """Whether deep rounds teach the encoder anything: sounds, several pictures a task, and clips
    as wholes take too long for that where they are alone. Networks of texts and pictures are tuned,
    and of clips single frames are learnt from, but not of pairs of clips. Of lists nothing is
    tuned: what deep rounds learn from are vectors of whole examples."""
    if is_of_lists(layout):
        return False
    if is_of_pairs(layout):
        return not {"text", "document", "image"}.isdisjoint(layout)
    return not set(layout) <= {"audio", "steps", "images", "footage"}
