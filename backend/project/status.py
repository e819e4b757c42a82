"""What a project's turn leaves for others to read: one frozen value, replaced whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backend.dataset.broken import Broken
from backend.dataset.coverage import Coverage
from backend.dataset.disk import Shortage
from backend.words import roughly

if TYPE_CHECKING:  # they import the learning libraries
    from backend.interface.questions import LabelConfig
    from backend.mirror.copied import Copied
    from model.storage.facts import VersionFacts
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
class NotLearnt:
    """How many tasks have annotations from which something is not learnt, why, and the first."""

    reason: str
    tasks: int
    first: int


@dataclass(frozen=True)
class Arriving:
    """The items that arrive, where people have time for so many a day. arrived, kept: how many came
    in the last 24 hours, and were kept for people; waiting: how many of those that were kept are
    not imported yet."""

    labels_a_day: int
    arrived: int = 0
    kept: int = 0
    waiting: int = 0

    @property
    def sentence(self) -> str:
        """For people, with a full stop."""
        waiting = f"; {self.waiting:,} are still to be imported" if self.waiting else ""
        return (
            f"In the last 24 hours {self.arrived:,} items arrived, and {self.kept:,} of them were "
            f"kept for people, who have time for {self.labels_a_day:,} a day{waiting}."
        )


@dataclass(frozen=True)
class DatasetStatus:
    """The project's pool outside of Label Studio. tasks: how many of the items are tasks, or were;
    open_tasks: how many of these nobody has annotated yet; encoded: the share that the newest
    encoder has encoded; is_ranked: whether the model chooses what is imported, where it is not
    drawn at random; broken: which items cannot be encoded; shortage: of the disk;
    arriving: None where the model chooses from all items alike; waits: why
    nothing of it is imported, in a sentence without a full stop, or ""; coverage: what the model
    can label of it by itself."""

    address: str
    items: int
    tasks: int
    open_tasks: int
    encoded: float
    is_ranked: bool
    broken: Broken = field(default_factory=Broken)
    shortage: Shortage | None = None
    arriving: Arriving | None = None
    waits: str = ""
    coverage: Coverage | None = None

    @property
    def open_items(self) -> int:
        """How many items nobody has labelled, those that are tasks included."""
        return self.items - self.tasks + self.open_tasks

    @property
    def sentence(self) -> str:
        """For people, with a full stop."""
        count = f"{self.tasks:,} of its {self.items:,} items are tasks here so far"
        if not self.is_ranked:
            why = "because texts with spans and pictures with boxes are not ranked outside"
            arriving = "" if self.arriving is None else f" {self.arriving.sentence}"
            return f"{count}. They are drawn at random, {why}.{arriving}"
        broken = f" {self.broken.sentence}." if self.broken.count else ""
        if self.arriving is not None:
            share = "all are" if self.encoded >= 1.0 else f"{roughly(self.encoded)} of it is"
            return f"{count}; {share} encoded. {self.arriving.sentence}{broken}"
        if self.encoded < 1.0:
            share = roughly(self.encoded)
            return f"{count}; {share} of the dataset is encoded and can be ranked.{broken}"
        whole = "all that can be encoded are" if broken else "all are encoded"
        return f"{count}; {whole}, and the model chooses which ones follow.{broken}"


@dataclass(frozen=True)
class Status:
    """A project as the last turn of its loop knew it.

    served: None before the first version; open_tasks: how many tasks nobody has annotated yet;
    title, studio_address: the project's title and Label Studio's address for browsers, "" while
    unknown; nothing_shown: that tasks show nothing, in a sentence, or ""; not_learnt: why
    annotations are not learnt, the most frequent reason first; reading: the share of the tasks that
    is known while all are read for the first time, else None; publish_seconds: how long this turn
    wrote an order into Label Studio; people: the names of annotators by their users' ids, for the
    status page alone; beginning: what the project took over from an earlier one, in sentences, or
    ""; certifying: how the proof of what the model may label goes on, or how it ended, or "";
    is_certifying: whether it goes on; dataset: None without one; config: None before the labelling
    interface was read; copied: near copies among the tasks; counted: how many tasks count as
    labelled because a copy of theirs is.
    """

    served: Served | None = None
    open_tasks: int = 0
    title: str = ""
    studio_address: str = ""
    unreadable: Unreadable = Unreadable()
    nothing_shown: str = ""
    not_learnt: tuple[NotLearnt, ...] = ()
    reading: float | None = None
    publish_seconds: float = 0.0
    beginning: str = ""
    certifying: str = ""
    is_certifying: bool = False
    dataset: DatasetStatus | None = None
    config: "LabelConfig | None" = None
    people: Mapping[int, str] = field(default_factory=dict, repr=False)
    copied: "Copied | None" = field(default=None, repr=False)
    counted: int = 0


def what_is_left(facts: "VersionFacts") -> str:
    """What is asked for when no task with a vector is open any more, without a full stop."""
    waiting = facts.open - facts.unreadable
    if waiting > 0:
        are = "is" if waiting == 1 else "are"
        if not facts.encoded:
            return f"no task is encoded yet; all {facts.open} are asked at random"
        return (
            f"all {facts.encoded} encoded tasks are labelled; {waiting} {are} not encoded yet and "
            f"{are} asked at random"
        )
    if not facts.encoded:
        return f"no task can be read; all {facts.unreadable} are asked at random"
    return (
        f"all tasks that can be read are labelled; {facts.unreadable} more cannot be read and "
        f"{'is' if facts.unreadable == 1 else 'are'} asked at random"
    )
