"""What is known of a version beside its arrays, and how it stands in the version's meta.json."""

from dataclasses import dataclass, field, fields
from typing import Any

from model.storage.damage import WrittenLater

LISTS = ("unanswered", "sources", "why")
"""Facts that are tuples, and lists in meta.json."""

FORMAT = 2
"""Grows when meta.json changes so that older code cannot read it. Release 0.1 wrote no number."""


@dataclass(frozen=True)
class VersionFacts:
    """Facts of one version.

    created_at: Unix time; strategy: the query strategy; random_share: of the shortlist, drawn at
    random; labels: tasks with an agreed answer; pool, encoded, ranked: tasks that show something,
    those of them with a vector, and those of these that were open; open: all open tasks;
    unreadable: those of them without a vector because what they show cannot be read, or they show
    nothing; undecided, empty, skipped: tasks without an agreed answer, by reason; validation:
    metrics on the audit labels, see `model.measuring.metrics`, {} without any; label_set:
    identifies the labels that are asked, where fewer are learnt; names: how much the names of the
    labels count, 1 before any label; sources: of weak labels, see
    `model.weak_labels.SourceFigures`; unanswered: questions, of several, that nobody has answered;
    seconds: what the round took; head_of: the pinned version whose head ranks; certifying: as many
    of the first tasks, after those that people picked, are asked for to prove what the model may
    label; outlook: what that is, see
    `model.finishing.outlook.Outlook`, {} where nothing is known; effort: what all annotations took,
    {} where it was not counted; picked_first: as many of the first tasks were asked for by people;
    picked_labels: how many of the labels that the head learnt from are of tasks that people picked;
    why: each of the first tasks is asked for, see `model.choosing.order.Why`; few: of their most
    probable labels those that hardly any task has, with how many; fit: how well the head fits the
    labels, see `model.learner.Outcome`, {} where that is not measured. None: does not apply.
    """

    created_at: float = 0.0
    strategy: str = ""
    random_share: float = 0.0
    labels: int = 0
    pool: int = 0
    encoded: int = 0
    ranked: int = 0
    open: int = 0
    unreadable: int = 0
    undecided: int = 0
    empty: int = 0
    skipped: int = 0
    validation: dict[str, Any] = field(default_factory=dict)
    label_set: str | None = None
    names: float | None = None
    sources: tuple[dict[str, Any], ...] = ()
    unanswered: tuple[str, ...] = ()
    seconds: float = 0.0
    head_of: str | None = None
    certifying: int = 0
    outlook: dict[str, Any] = field(default_factory=dict)
    effort: dict[str, Any] = field(default_factory=dict)
    picked_first: int = 0
    picked_labels: int = 0
    why: tuple[str, ...] = ()
    few: dict[str, int] = field(default_factory=dict)
    fit: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is written, without what does not apply."""
        # Not asdict, which copies the figures of each of a taxonomy's labels.
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values = {name: value for name, value in values.items() if value is not None}
        lists = {name: list(values[name]) for name in LISTS}
        return {"format": FORMAT, **values, **lists}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "VersionFacts":
        """As it was written by this or an earlier release. Raises WrittenLater for another."""
        if values.get("format", 1) > FORMAT:
            raise WrittenLater(
                f"it has format {values['format']}, and this release reads formats up to {FORMAT}: "
                "a later release wrote it"
            )
        known = {one.name for one in fields(cls)}
        found = {name: value for name, value in values.items() if name in known}
        ranked_alone = {"open": found.get("ranked", 0)}  # up to release 0.2
        lists = {name: tuple(found.get(name, ())) for name in LISTS}
        return cls(**{**ranked_alone, **found, **lists})
