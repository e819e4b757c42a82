"""The errors of the backend. Each message says what is wrong, why, and how to fix it."""

import errno
import sys
from collections.abc import Callable

from model.dataset.engine import EngineFailed
from model.encoders.errors import NotAnEncoder
from model.storage.damage import Damaged, WrittenLater
from model.types import Medium

ENCODER_SETTINGS: dict[Medium, str] = {
    "text": "ENCODER",
    "tokens": "ENCODER",
    "beside": "ENCODER",
    "document": "ENCODER",
    "image": "IMAGE_ENCODER",
    "images": "IMAGE_ENCODER",
    "proposals": "DETECTOR",
    "video": "IMAGE_ENCODER",
    "footage": "VIDEO_ENCODER",
    "audio": "AUDIO_ENCODER",
    "track": "AUDIO_ENCODER",
    "steps": "AUDIO_ENCODER",
}
"""Medium -> the setting that names its encoder."""


class BackendError(Exception):
    """Base of all errors that we raise on purpose."""


class BadSetting(BackendError):
    """An environment variable has a value that cannot be used."""


class BadRequest(BackendError):
    """A request is not of the form that Label Studio sends."""


class UnknownProject(BackendError):
    """A request names a project that was never connected."""


class UnknownVersion(BackendError):
    """A version that does not exist, or is too incomplete to be served."""


class UnsupportedConfig(BackendError):
    """A labelling interface that we cannot learn from.

    `reason` is the short form: Label Studio's settings page shows only the HTTP reason phrase.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}. {advice}")
        self.reason, self.advice = reason, advice


class StudioError(BackendError):
    """A call to Label Studio failed. `status` is its HTTP status, or None without an answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ItemsRefused(BackendError):
    """Label Studio does not take items of a dataset as tasks."""


class TooManySent(BackendError):
    """More items are sent than can be added."""


class DatasetBusy(BackendError):
    """Another command, or the server, changes a project's dataset at this moment."""


class DatasetDamaged(BackendError):
    """What was written down of a project's dataset cannot be read."""


class ProjectGone(StudioError):
    """Label Studio has no project with this number, or the token's user may not see it."""


class NotConnected(BackendError):
    """We do not know how to reach Label Studio for this project."""


class LetGo(BackendError):
    """We have no business in this project, at least for now: no fault, and nothing to repair."""


class NotListed(LetGo):
    """Label Studio does not list this backend for the project."""


class NoSuchProject(BackendError):
    """Label Studio has no project with this number, and we never worked in one."""


class AnotherBackend(LetGo):
    """Another backend of this kind orders the same project."""


class ModelDirInUse(BackendError):
    """Another server works in the same MODEL_DIR."""


class NewerData(BackendError):
    """A later release wrote what this one is to read."""


class ProjectReplaced(BackendError):
    """The project with this number in Label Studio is not the one that we learnt about."""


class CannotTransfer(BackendError):
    """A project cannot begin with what an earlier one learnt."""


class TrainerDied(BackendError):
    """The trainer process ended in the middle of a job."""


class TrainerHung(TrainerDied):
    """The trainer process made no progress for too long, and was ended."""


class JobFailed(BackendError):
    """The trainer process reported an error."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means that there is no room to write."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # SQLite and safetensors have their own errors for this, and only the text says so.
    return any(words in str(error) for words in ("disk is full", "No space left"))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there is no memory left, of the machine or of its GPU."""
    # By name: importing torch takes seconds, and the server starts without it.
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def explained(error: BaseException) -> str:
    """The sentence that people see for an error, ours or another."""
    if isinstance(error, BackendError | Damaged | WrittenLater | EngineFailed):
        return str(error)
    if isinstance(error, NotAnEncoder):
        return f"{ENCODER_SETTINGS[error.medium]}={error}"
    if is_disk_full(error):
        return (
            f"The disk of MODEL_DIR is full ({error}). The last version is still served, and every "
            "label is safe in Label Studio; learning resumes by itself once there is room"
        )
    return f"{type(error).__name__}: {error}"


def reported(run: Callable[[], int | None]) -> int:
    """The exit code of a program whose errors are sentences: what people can fix needs no trace."""
    try:
        return run() or 0
    except BackendError as error:
        print(f"error: {error}", file=sys.stderr)
    except PermissionError as error:
        print(
            f"error: {error.filename} cannot be written ({error.strerror}). Choose a folder that "
            "you may write to; in the container this is /data",
            file=sys.stderr,
        )
    except OSError as error:
        if not is_disk_full(error):
            raise
        print(f"error: {explained(error)}", file=sys.stderr)
    return 2
