"""One turn's view of certification: audit labels that are asked for first, to prove what the model
may label by itself."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.dataset.record import has_dataset
from backend.errors import BadRequest, UnknownVersion
from backend.mirror import certified
from backend.mirror.certified import Certifying
from backend.mirror.labelling import Labelling
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.project.round import Round
from backend.project.versions import version_of
from backend.settings import Settings
from backend.words import roughly
from model.finishing.goal import Goal
from model.storage.store import Store, Version
from model.types import MARKED, OF_LISTS


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


def said_elsewhere(folder: Path) -> str:
    """How to see what the model may label by itself where the pool of the project in this folder is
    a dataset, in a sentence; "" where it is not. Audit labels prove things of the whole dataset:
    the tasks are what the model was unsure of."""
    if not has_dataset(folder):
        return ""
    return (
        "The tasks here are a choice of the dataset's items, so what the model can label by itself "
        "is said of the whole dataset: here a while after the first labels, and at any time by a "
        f"command: python -m backend finish --project {folder.name} --dry-run"
    )


STOPPED = "Asking for audit labels was stopped; those that were given count."


def start(pool: Pool, store: Store, goal: Goal, budget: int) -> None:
    """Have at most `budget` audit labels asked for first that help to prove the goal, from the next
    order on, which must be made due (`ProjectLoop.wake`). Begins anew where such asking goes on.
    Raises UnknownVersion where nothing can be proved, BadRequest for another budget and where the
    pool is a dataset."""
    if not 1 <= budget <= certified.MOST_BUDGET:
        raise BadRequest(
            f"A budget of {budget} audit labels cannot be asked for: it must be between 1 and "
            f"{certified.MOST_BUDGET}, such as 100"
        )
    instead = said_elsewhere(store.folder)
    if instead:
        raise BadRequest(
            "Audit labels cannot be asked for first where the pool is a dataset: most of the items "
            "that would prove something are no tasks. Label on, audit tasks come among the others. "
            f"{instead}"
        )
    _check_provable(_last(pool, store))
    certified.begin(pool, goal, budget)


def stop(pool: Pool) -> None:
    """Ask for no more. Changes nothing where nothing is asked for."""
    if certified.current(pool) is not None:
        certified.end(pool, STOPPED)


def seen(folder: Path) -> tuple[bool, str]:
    """Whether it goes on in a project's folder, and how the last one ended, or ""."""
    path = folder / MIRROR
    if not path.is_file():  # opening would make it, and the server takes up what has one
        return False, ""
    with closing(Pool(path)) as pool:
        return certified.current(pool) is not None, str(pool.fact(certified.ENDED) or "")


def _last(pool: Pool, store: Store) -> Version | None:
    """The version that was written into Label Studio last."""
    name = next(reversed(pool.published()), None)
    return None if name is None else version_of(store, name)


def _check_provable(version: Version | None) -> None:
    if version is None or version.head is None:
        raise UnknownVersion(
            "There is no version yet that knows labels, so nothing can be proved of it. Label some "
            "tasks first, then ask for audit labels"
        )
    if version.head.kind in MARKED:
        marks = "Spans" if version.head.kind == "spans" else "Boxes"
        raise UnknownVersion(
            f"{marks} cannot be certified: the promise is made of whole tasks, and the model "
            f"labels no task with {marks.lower()} by itself. Label on; the status page measures "
            "the model"
        )
    if version.head.kind in OF_LISTS:
        raise UnknownVersion(
            "Answers about a list that each task has of its own cannot be certified yet. Label on; "
            "the status page measures the model"
        )


def look(pool: Pool, settings: Settings, labelling: Labelling, instead: str = "") -> Certification:
    """What goes on. Ended here where its budget is used, and where the pool is a dataset by now:
    then `instead` says so, see `said_elsewhere`."""
    now = certified.current(pool)
    if now is not None and instead:
        certified.end(pool, f"Certification ended, because the pool is a dataset now. {instead}.")
        now = None
    if now is None:
        return Certification(Goal(settings.goal_precision, settings.goal_confidence))
    # What the model annotates meanwhile is no label.
    unlabelled = np.concatenate([labelling.ids[labelling.open], labelling.finished])
    given = certified.answered(pool, now, unlabelled)
    found = Certification(now.goal, now, given)
    if found.left > 0:
        return found
    certified.end(pool, f"Certification ended: its {now.budget} labels are given.")
    return Certification(now.goal)


def follow(pool: Pool, found: Certification, played: Round) -> Certification:
    """What goes on after a round: what it asks for is remembered, and where it asks for nothing,
    certification ends, unless tasks that people picked may have left no room for it."""
    if found.now is None:
        return found
    facts = played.version.facts
    if facts.certifying:
        asked = played.version.shortlist[facts.picked_first :][: facts.certifying]
        pool.add_certified(asked, time.time())
    if facts.certifying or facts.picked_first:
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
        f"Certification ended after {labels}: the model can label {roughly(outlook['coverage'])} "
        f"of the open tasks at a precision of {goal.precision:g}, and {found.left} more labels "
        "would probably not add to that."
    )


def sentence_of(pool: Pool, found: Certification) -> str:
    """The state for the status page; "" where there never was any."""
    if found.now is None:
        return str(pool.fact(certified.ENDED) or "")
    return (
        f"Audit labels are asked for first, to prove what the model may label: {found.given} of at "
        f"most {found.now.budget} are given."
    )
