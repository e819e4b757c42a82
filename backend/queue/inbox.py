"""What requests reported about a project, and the secret that identifies our own webhook."""

import time
from collections import deque
from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_urlsafe

from backend.types import Json

REMEMBERED = 16
"""How many of the last changes are kept, each with the whole project."""


SUBMITS = 1000
"""How many labels are remembered until the next turn."""


@dataclass(frozen=True)
class ProjectState:
    """A project as Label Studio described it, and when (time.monotonic)."""

    project: Json
    at: float


@dataclass(frozen=True)
class SetupCall:
    """A request to /setup: our address as it names it, what it says is Label Studio's address for
    browsers ("" for nothing usable), and when it came (time.monotonic)."""

    own_address: str
    studio_address: str
    at: float


@dataclass(frozen=True)
class Submit:
    """A webhook about a label: of which task, and when it came (time.monotonic)."""

    task: int
    at: float


class Inbox:
    """Requests write to it, and the loop's thread reads it. All methods may be called from any
    thread."""

    def __init__(self, identity: str = "") -> None:
        self.identity = identity or token_urlsafe()
        """What this process answers to /versions; see backend.queue.listing."""
        self.secret = token_urlsafe()
        """What our own webhook sends; reports without it are ignored."""
        self._changes: deque[ProjectState] = deque(maxlen=REMEMBERED)
        self._submits: deque[Submit] = deque(maxlen=SUBMITS)
        self._setups: deque[SetupCall] = deque(maxlen=REMEMBERED)

    def knows(self, secret: object) -> bool:
        """Whether this is our secret. Compared in constant time."""
        return isinstance(secret, str) and compare_digest(secret.encode(), self.secret.encode())

    def report(self, project: Json) -> None:
        """Our webhook reported a change of the project, possibly one that we made."""
        self._changes.append(ProjectState(project, time.monotonic()))

    def changes(self) -> list[ProjectState]:
        """The last changes, newest last."""
        return list(self._changes)

    def submit(self, task: int) -> None:
        """Our webhook reported a label of this task."""
        self._submits.append(Submit(task, time.monotonic()))

    def take_submits(self) -> list[Submit]:
        """The labels that were reported since the last call, oldest first."""
        taken = []
        while self._submits:
            taken.append(self._submits.popleft())
        return taken

    def call(self, own_address: str, studio_address: str) -> None:
        """Somebody called /setup; see backend.queue.listing for what that is worth."""
        self._setups.append(SetupCall(own_address, studio_address, time.monotonic()))

    def called_as(self) -> str:
        """Our address as the last call of /setup named it; "" before the first."""
        return self._setups[-1].own_address if self._setups else ""

    def setups_since(self, moment: float) -> list[SetupCall]:
        """The calls of /setup from this time on (time.monotonic), oldest first."""
        return [call for call in self._setups if call.at >= moment]

    def new_secret(self) -> str:
        """Replace the secret; a webhook with the one before is no longer ours."""
        self.secret = token_urlsafe()
        return self.secret
