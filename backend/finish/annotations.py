"""Annotations of the tasks that need no person, by a user of their own.

Label Studio takes an annotation from whoever may write, for any user (`completed_by`), and refuses
a second one with the same `unique_id`, so that none is ever made twice.
"""

import uuid

from backend.errors import BackendError, StudioError
from backend.finish.ledger import Ledger, Run
from backend.finish.plan import Part, Plan
from backend.finish.writing import Outcome, last_done
from backend.interface.preannotations import results_of
from backend.mirror.finished import finished_by, marked
from backend.studio.project import StudioProject
from backend.studio.session import Session
from backend.studio.users import users
from backend.types import Json

AT_ONCE = 20
"""Tasks between two looks at what people do meanwhile; Label Studio takes each annotation by
itself, 0.1 to 0.25 s."""

SPACE = uuid.UUID("5b0d6f0e-6c0f-4c0e-9d55-0f3a3a3f7c11")
"""For `unique_id`; any other would do."""


class Annotations:
    """See backend.finish.writing.Writer."""

    def __init__(self, studio: StudioProject, ledger: Ledger, run: Run, plan: Plan) -> None:
        self._studio, self._ledger, self._run, self._plan = studio, ledger, run, plan

    @property
    def rows(self) -> int:
        return AT_ONCE

    def settle(self) -> int:
        doubtful, _ = self._ledger.in_doubt(self._run)
        after = last_done(self._ledger, self._run, doubtful)
        if doubtful:
            self._check(doubtful)
        return after

    def write(self, part: Part) -> Outcome:
        wanted = dict(zip(part.ids.tolist(), self._results(part), strict=True))
        looked = self._studio.open_tasks(int(part.ids[0]), int(part.ids[-1]))
        free = [task["id"] for task in looked if task["id"] in wanted]
        if not free:
            return Outcome(taken=len(wanted))
        self._ledger.note_sent(self._run, free)
        for task in free:
            self._studio.annotate(task, self._annotation(task, wanted[task]))
        held = self._check(free)
        return Outcome(held, 0, len(wanted) - held)

    def _results(self, part: Part) -> list[list[Json]]:
        results = results_of(part.probs, self._plan.chosen.head, self._plan.config)
        return [marked(result, self._run.version, self._run.person) for result in results]

    def _annotation(self, task: int, result: list[Json]) -> Json:
        name = f"{self._run.number} {self._run.begun} {self._run.version} {task}"
        return {
            "result": result,
            "completed_by": self._run.person,
            "unique_id": str(uuid.uuid5(SPACE, name)),
        }

    def _check(self, tasks: list[int]) -> int:
        """Note which of the tasks have our annotation, and take it back where a person labelled the
        task in the same moment. Returns how many have it."""
        wanted, held = set(tasks), []
        for task in self._studio.states(min(tasks), max(tasks)):
            if task["id"] not in wanted:
                continue
            ours = ours_in(task)
            if ours and len(ours) == len(task["annotations"]):  # nobody else made one
                held.append(task["id"])
                continue
            for annotation in ours:
                self._studio.delete_annotation(annotation)
        self._ledger.note_done(self._run, held)
        self._ledger.note_gone(self._run, sorted(wanted - set(held)))
        return len(held)


def ours_in(task: Json) -> list[int]:
    """The ids of the annotations of a task, as Label Studio sends it, that the model made."""
    return [
        int(annotation["id"])
        for annotation in task.get("annotations") or []
        if finished_by(annotation) is not None
    ]


def person_of(session: Session, email: str) -> int:
    """The user whose annotations they become. Raises BackendError when none is named, because
    nobody could tell whose labels are whose, or there is no such user."""
    if not email:
        own = session.json("GET", "/api/current-user/whoami")
        raise BackendError(
            f"Say with --as EMAIL whose annotations they become. As those of {own['email']}, the "
            "token's user, the model's labels could not be told from theirs in Label Studio's "
            "pages: better make a user for the model (sign up in another browser, or invite it)"
        )
    try:
        known = users(session)
    except StudioError as error:
        if error.status is None:
            raise
        raise BackendError(
            f"Label Studio does not say which users there are: {error}. Use the token of an "
            "administrator"
        ) from error
    wanted = email.strip().lower()
    found = [user["id"] for user in known if str(user.get("email")).lower() == wanted]
    if not found:
        there = ", ".join(str(user.get("email")) for user in known[:10])
        raise BackendError(
            f"Label Studio has no user {email}; there are {there}. Make one for the model: sign up "
            "with its address in another browser, or invite it"
        )
    return int(found[0])
