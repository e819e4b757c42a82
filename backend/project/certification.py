"""One turn's view of certification: audit labels that are asked for first, to prove what the model
may label by itself."""

import time
from dataclasses import dataclass

from backend.mirror import certified
from backend.mirror.certified import Certifying
from backend.mirror.labelling import Labelling
from backend.mirror.pool import Pool
from backend.project.round import Round
from backend.settings import Settings
from model.finishing.goal import Goal


@dataclass(frozen=True)
class Certification:
    """goal: the precision that is to be proved; now: what goes on, None: nothing; given: how many
    of the labels that were asked for are there."""

    goal: Goal
    now: Certifying | None = None
    given: int = 0

    @property
    def left(self) -> int:
        """How many audit labels may still be asked for first."""
        return 0 if self.now is None else max(0, self.now.budget - self.given)


def look(pool: Pool, settings: Settings, labelling: Labelling) -> Certification:
    """What goes on. Ended here where its budget is used."""
    now = certified.current(pool)
    if now is None:
        return Certification(Goal(settings.goal_precision, settings.goal_confidence))
    given = certified.answered(pool, now, labelling.ids[labelling.open])
    found = Certification(now.goal, now, given)
    if found.left > 0:
        return found
    certified.end(pool, f"Certification ended: its {now.budget} labels are given.")
    return Certification(now.goal)


def follow(pool: Pool, found: Certification, played: Round) -> Certification:
    """What goes on after a round: what it asks for is remembered, and where it asks for nothing,
    certification ends."""
    if found.now is None:
        return found
    facts = played.version.facts
    if facts.certifying:
        pool.add_certified(played.version.shortlist[: facts.certifying], time.time())
        return found
    certified.end(pool, _reason(found, played))
    return Certification(found.goal)


def _reason(found: Certification, played: Round) -> str:
    outlook, goal = played.version.facts.outlook, found.goal
    if not outlook:
        return "Certification ended: the model knows no labels yet, so there is nothing to prove."
    labels = f"{found.given} label" + ("" if found.given == 1 else "s")
    if not outlook["coverage"]:
        return (
            f"Certification ended after {labels}: {found.left} more would probably not prove a "
            f"precision of {goal.precision:g}. Label on, or ask for a lower precision or more "
            "labels."
        )
    return (
        f"Certification ended after {labels}: the model can label {outlook['coverage']:.0%} of the "
        f"open tasks at a precision of {goal.precision:g}, and {found.left} more labels would "
        "probably not add to that."
    )


def sentence_of(pool: Pool, found: Certification) -> str:
    """The state for the status page; "" where there never was any."""
    if found.now is None:
        return str(pool.fact(certified.ENDED) or "")
    return (
        f"Audit labels are asked for first, to prove what the model may label: {found.given} of at "
        f"most {found.now.budget} are given."
    )
