"""How many items of a dataset cannot be encoded, and why: the trainer counts them part by part, and
the status page and the doctor say it.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from backend.dataset.record import read_reads, vectors_of, write_whole

FILE = "broken.json"


@dataclass(frozen=True)
class Broken:
    """counts: part -> how many of its items have no vector, for all parts that were counted;
    example: the id of one of them; reason: why it has none; reads: what was read of each item, see
    backend.dataset.record.reads_of."""

    counts: dict[str, int] = field(default_factory=dict)
    example: str = ""
    reason: str = ""
    reads: str | None = None

    @property
    def count(self) -> int:
        """How many items cannot be encoded."""
        return sum(self.counts.values())

    @property
    def sentence(self) -> str:
        """For people, without a full stop; "" if all can be encoded."""
        if not self.count:
            return ""
        items, they = ("item", "It is") if self.count == 1 else ("items", "They are")
        return (
            f"{self.count:,} {items} of the dataset cannot be encoded, such as {self.example!r}: "
            f"{self.reason}. {they} imported last, and the model says nothing of "
            f"{'it' if self.count == 1 else 'them'}"
        )


def read_broken(project: Path, encoder: int) -> Broken:
    """Of the parts that this encoder has encoded, as far as they were counted."""
    try:
        found = Broken(**json.loads((vectors_of(project, encoder) / FILE).read_text()))
    except (OSError, ValueError, TypeError):  # to count again does no harm
        return Broken()
    return found if found.reads == read_reads(project) else Broken()


def write_broken(project: Path, encoder: int, broken: Broken) -> None:
    write_whole(vectors_of(project, encoder) / FILE, asdict(broken))
