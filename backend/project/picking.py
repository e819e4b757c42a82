"""Tasks that people ask to have labelled next: which of them can be, and why the others cannot."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backend.errors import BadRequest
from backend.mirror.picked import MOST_PICKED
from backend.mirror.pool import Pool
from backend.settings import Settings
from backend.types import Json
from model.choosing.audit import in_reserve

MOST_IDS, MOST_DIGITS = 5_000, 15
"""More tasks are not looked at in one request; a task's number is shorter."""


@dataclass(frozen=True)
class Picked:
    """What became of the tasks of a request, each of which counts once.

    asked: the ids of those that are asked for from now on, in this order; and how many are not,
    because they are audit tasks, are annotated, are no tasks that people can open, wait already, or
    are more than may wait at a time.
    """

    asked: tuple[int, ...] = ()
    audit: int = 0
    labelled: int = 0
    unknown: int = 0
    waiting: int = 0
    too_many: int = 0

    @property
    def sentence(self) -> str:
        """All of it in words."""
        count = len(self.asked)
        begin = f"{count or 'No'} {'task is' if count <= 1 else 'tasks are'} asked for next."
        rest = "; ".join(self._left_out())
        return f"{begin} {rest}." if rest else begin

    def _left_out(self) -> Iterator[str]:
        if self.audit:
            belong = "belongs" if self.audit == 1 else "belong"
            yield (
                f"{self.audit} {belong} to the audit reserve, which is drawn at random and never "
                "chosen"
            )
        if self.labelled:
            yield f"{self.labelled} {_are(self.labelled)} labelled already"
        if self.waiting:
            yield f"{self.waiting} {'waits' if self.waiting == 1 else 'wait'} already"
        if self.unknown:
            tasks = "is no task" if self.unknown == 1 else "are no tasks"
            yield f"{self.unknown} {tasks} of this project that people can open"
        if self.too_many:
            yield (
                f"{self.too_many} {_are(self.too_many)} left out, because at most {MOST_PICKED} "
                "may wait at a time"
            )

    def to_json(self) -> Json:
        """As the page's request is answered."""
        return {**vars(self), "asked": list(self.asked), "sentence": self.sentence}


def ids_in(text: str) -> list[int]:
    """The ids in a text, with commas between them. Raises BadRequest for anything else."""
    found = []
    for part in text.split(",") if text.strip() else []:
        name = part.strip()
        if not (name.isascii() and name.isdigit()) or len(name) > MOST_DIGITS:
            raise BadRequest(
                f"{name[:50]!r} is no number of a task: send the numbers of the tasks with commas "
                "between them, such as 12,15,31"
            )
        found.append(int(name))
    return found


def pick(pool: Pool, settings: Settings, ids: Sequence[int]) -> Picked:
    """Have the first of these tasks asked for before all others, as many as may wait at a time,
    from the next order on. Left out is what is no open task, and audit tasks: they are drawn at
    random. Raises BadRequest for no ids, and for more than MOST_IDS."""
    if not ids:
        raise BadRequest(
            "No task is named: send the numbers of the tasks to label next, such as 12,15,31"
        )
    if len(ids) > MOST_IDS:
        raise BadRequest(
            f"{len(ids):,} tasks are named, and at most {MOST_IDS:,} are looked at in one request. "
            f"Send fewer: at most {MOST_PICKED} may wait at a time"
        )
    found = _sorted_out(pool, settings, list(dict.fromkeys(ids)))
    pool.picks.add(np.array(found.asked, dtype=np.int64), time.time())
    return found


def stop(pool: Pool) -> int:
    """Go back to the usual order: forget the tasks that wait. Returns how many they were."""
    return pool.picks.drop_open()


def _sorted_out(pool: Pool, settings: Settings, ids: Sequence[int]) -> Picked:
    wait, audits = set(pool.picks.waiting().tolist()), _audits(pool, settings, ids)
    why_not = {task: _why_not(pool, task, audits, wait) for task in ids}
    free = [task for task, reason in why_not.items() if reason is None]
    room = max(0, MOST_PICKED - len(wait))
    left_out = Counter(reason for reason in why_not.values() if reason is not None)
    return Picked(tuple(free[:room]), **left_out, too_many=len(free[room:]))


def _why_not(pool: Pool, task: int, audits: set[int], wait: set[int]) -> str | None:
    """The field of Picked that counts this task, None if it may be asked for."""
    is_open = pool.picks.is_open(task)
    if is_open is None:
        return "unknown"
    if not is_open:
        return "labelled"
    if task in audits:
        return "audit"
    return "waiting" if task in wait else None


def _audits(pool: Pool, settings: Settings, ids: Sequence[int]) -> set[int]:
    """Those of the tasks whose labels only measure."""
    tasks = np.array(ids, dtype=np.int64)
    reserve = in_reserve(pool.items.tickets(tasks), settings.audit_share, settings.seed)
    return {*tasks[reserve].tolist(), *pool.certified().tolist()}


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
