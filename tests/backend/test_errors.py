"""Errors as people read them."""

import errno

import pytest

from backend.errors import BadRequest, explained, reported
from model.encoders.errors import NotAnEncoder
from model.types import Medium


@pytest.mark.parametrize(
    ("medium", "setting", "kind"),
    [
        ("text", "ENCODER", "text"),
        ("tokens", "ENCODER", "text"),
        ("image", "IMAGE_ENCODER", "image"),
        ("audio", "AUDIO_ENCODER", "audio"),
    ],
)
def test_what_is_no_encoder_is_reported_by_the_setting_that_names_it(
    medium: Medium, setting: str, kind: str
) -> None:
    error = NotAnEncoder("a/b", medium, "it must be a folder")
    assert explained(error) == f"{setting}=a/b is no {kind} encoder: it must be a folder"


def test_our_own_errors_speak_for_themselves_and_others_by_their_type() -> None:
    assert explained(BadRequest("no task")) == "no task"
    assert explained(KeyError("x")) == "KeyError: 'x'"


def test_a_command_on_a_full_disk_ends_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert reported(fail) == 2
    assert capsys.readouterr().err.startswith("error: The disk of MODEL_DIR is full (")
