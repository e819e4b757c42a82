"""What is common to all ways of writing into Label Studio: part by part, each noted in the ledger
before and after, at a pace that leaves time for the people who label meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from backend.finish.ledger import Ledger, Run
from backend.finish.pace import Pace
from backend.finish.plan import Part, Plan
from backend.types import Json
from model.types import Ints


@dataclass(frozen=True)
class Outcome:
    """Tasks: written; there: that had it before; taken: that people labelled, skipped or deleted
    meanwhile."""

    written: int = 0
    there: int = 0
    taken: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            *(getattr(self, one.name) + getattr(other, one.name) for one in fields(self))
        )

    @property
    def tasks(self) -> int:
        return self.written + self.there + self.taken


class Writer(Protocol):
    """One way of writing."""

    @property
    def rows(self) -> int:
        """How many tasks to write next."""

    def settle(self) -> int:
        """Find out what an interrupted start has written. Returns after which id to go on."""

    def write(self, part: Part) -> Outcome:
        """Write this, at most `rows` tasks. Raises StudioError."""


def write_all(
    plan: Plan, places: Ints, writer: Writer, pace: Pace, tell: Callable[[Outcome], object]
) -> None:
    """Write about these of the plan's tasks, by id. `tell` is called with what each part came
    to."""
    with pace.working():
        after = writer.settle()
    before = int(np.searchsorted(plan.ids[places], after, side="right"))
    if before:
        tell(Outcome(there=before))
    start = before
    while start < len(places):
        part = plan.part(places[start : start + writer.rows])
        with pace.working():
            tell(writer.write(part))
        start += len(part.ids)


def last_done(ledger: Ledger, run: Run, doubtful: list[int]) -> int:
    """After which id a run goes on, where these tasks are in doubt."""
    return min(doubtful) - 1 if doubtful else ledger.last(run)


def versions_of(task: Json) -> set[str]:
    """The versions of a task's predictions."""
    return {str(one.get("model_version")) for one in task.get("predictions") or []}
