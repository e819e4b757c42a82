"""What a check of the doctor found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from backend.doctor.observation import Observation
from backend.settings import Settings
from backend.studio.project import StudioProject

Repair = Callable[[StudioProject, Observation, Settings], str]
"""Fixes something through Label Studio's API; returns what it did. Raises BackendError."""


@dataclass(frozen=True)
class Finding:
    """`sentence` says what was found and why it matters, `fix` what to do about it.

    A hint is not an error. repair: what --fix does about it, if it can do anything.
    """

    name: str
    verdict: Literal["ok", "wrong", "hint"]
    sentence: str
    fix: str = ""
    repair: Repair | None = None
