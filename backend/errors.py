"""Everything that can go wrong by name. A message says what is wrong, why, and how to fix it."""


class BackendError(Exception):
    """Base of all errors that we raise on purpose."""


class BadSetting(BackendError):
    """An environment variable has a value that cannot be used."""


class BadRequest(BackendError):
    """A caller sent something that is not what Label Studio sends."""


class UnknownProject(BackendError):
    """A request names a project that was never connected."""


class UnsupportedConfig(BackendError):
    """A labelling config that we cannot learn from.

    `reason` is the short form: Label Studio's settings page shows nothing but the HTTP reason.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}. {advice}")
        self.reason = reason


class StudioError(BackendError):
    """A call to Label Studio failed. `status` is its HTTP status, or None without an answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NotConnected(BackendError):
    """We do not know how to reach Label Studio for this project."""


class TrainerDied(BackendError):
    """The trainer process ended in the middle of a job."""


class JobFailed(BackendError):
    """The trainer process reported an error."""
