"""What a project's turn leaves for others to read: one frozen value, replaced whole."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # they import the learning libraries
    from backend.interface.questions import LabelConfig
    from model.storage.store import Store, Version


@dataclass(frozen=True)
class Served:
    """The version that a project serves, with the labelling interface of that moment."""

    version: "Version"
    config: "LabelConfig"
    xml: str
    store: "Store"


@dataclass(frozen=True)
class Unreadable:
    """How many tasks cannot be read, and the first of them with the reason."""

    count: int = 0
    reasons: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """A project as the last turn of its loop knew it.

    served: None before the first version; title, studio_address: the project's title and Label
    Studio's address for browsers, "" while unknown; reading: the share of the tasks that is known
    while all are read for the first time, else None; publish_seconds: how long this turn wrote an
    order into Label Studio.
    """

    served: Served | None = None
    title: str = ""
    studio_address: str = ""
    unreadable: Unreadable = Unreadable()
    reading: float | None = None
    publish_seconds: float = 0.0
