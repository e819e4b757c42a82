"""Errors of loading an encoder, in a module that loads no network library."""

from pickle import UnpicklingError

from safetensors import SafetensorError

from model.types import Medium

KINDS: dict[Medium, str] = {
    "text": "text",
    "tokens": "text",
    "beside": "text",
    "document": "text",
    "image": "image",
    "images": "image",
    "proposals": "detection",
    "video": "image",
    "footage": "video",
    "audio": "audio",
    "track": "audio",
    "steps": "audio",
}
"""Which kind of encoder reads each medium."""

UNLOADABLE = (OSError, ValueError, ImportError, RuntimeError, UnpicklingError, SafetensorError)
"""What transformers raises for a folder or a name that it cannot load. UnpicklingError: PyTorch's
own files of weights are read without running what is in them, and refused if they need that."""


class NotAnEncoder(OSError):
    """`name`, a folder or a hub name, cannot be loaded as an encoder of `medium`; `reason` says why
    and what is expected."""

    def __init__(self, name: str, medium: Medium, reason: str) -> None:
        super().__init__(f"{name} is no {KINDS[medium]} encoder: {reason}")
        self.name = name
        self.medium = medium
