"""A prediction on every open task, so that Label Studio's own export carries them.

Their scores are those of predictions made on demand, so that the queue stays as it is.
"""

import time
from collections.abc import Callable

from backend.errors import StudioError
from backend.finish.ledger import TAB, Ledger, Run
from backend.finish.pace import Batches
from backend.finish.plan import Part, Plan
from backend.finish.writing import Outcome, last_done, versions_of
from backend.interface.preannotations import confidence_of, demand_score, results_of
from backend.queue.tabs import sure_version
from backend.studio.project import StudioProject
from backend.types import Json

DOUBT_SECONDS = 60.0
"""For so long after it was sent, a request whose answer nobody waited for may still be written."""
LOOK_SECONDS = 2.0

REFUSED, TOO_LARGE = 400, 413


def name_of(run: Run) -> str:
    """The version under which Label Studio knows the predictions of a run."""
    return sure_version(run.version) if run.target == TAB else run.version


class Predictions:
    """See backend.finish.writing.Writer."""

    def __init__(
        self,
        studio: StudioProject,
        ledger: Ledger,
        run: Run,
        plan: Plan,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._studio, self._ledger, self._run, self._plan = studio, ledger, run, plan
        self._batches = Batches()
        self._name = name_of(run)
        self._sleep = sleep

    @property
    def rows(self) -> int:
        return self._batches.rows

    def settle(self) -> int:
        """Wait for what Label Studio may still be writing."""
        doubtful, sent = self._ledger.in_doubt(self._run)
        after = last_done(self._ledger, self._run, doubtful)
        while doubtful:
            self._ledger.note_done(self._run, self._held(doubtful))
            doubtful, _ = self._ledger.in_doubt(self._run)
            if doubtful and time.time() > sent + DOUBT_SECONDS:
                self._ledger.note_gone(self._run, doubtful)
                break
            if doubtful:
                self._sleep(LOOK_SECONDS)
        return after

    def write(self, part: Part) -> Outcome:
        looked = self._open(part)
        free = [task for task, has_one in looked.items() if not has_one]
        self._import(part, free)
        taken = len(part.ids) - len(looked)
        return Outcome(len(free), len(looked) - len(free), taken)

    def _import(self, part: Part, free: list[int]) -> None:
        """Write about these tasks; without those that are deleted at the very moment, with which
        Label Studio refuses all."""
        if not free:
            return
        self._ledger.note_sent(self._run, free)
        try:
            self._send(self._rows(part, free))
        except StudioError as error:
            if error.status != REFUSED:
                raise
            looked = self._open(part)
            left = [task for task in free if looked.get(task) is False]
            if len(left) == len(free):
                raise
            gone = [task for task in free if task not in looked]
            self._ledger.note_gone(self._run, gone)
            self._import(part, left)
            free = [task for task in free if task in looked]
        self._ledger.note_done(self._run, free)

    def _send(self, rows: list[Json]) -> None:
        began = time.monotonic()
        try:
            created = self._studio.import_predictions(rows, self._batches.bytes)
        except StudioError as error:
            if error.status != TOO_LARGE:
                raise
            self._batches.note_too_large()
            created = self._studio.import_predictions(rows, self._batches.bytes)
        self._batches.note(len(rows), time.monotonic() - began)
        if created != len(rows):
            raise StudioError(
                f"Label Studio kept {created} of {len(rows)} predictions of version "
                f"{self._run.version}. It drops those that do not fit the labelling interface: was "
                "it changed just now?"
            )

    def _rows(self, part: Part, tasks: list[int]) -> list[Json]:
        head, config, wanted = self._plan.chosen.head, self._plan.config, set(tasks)
        results = results_of(part.probs, head, config)
        sure = confidence_of(part.probs, head, config).tolist()
        return [
            {
                "task": task,
                "result": result,
                "score": demand_score(confidence),
                "model_version": self._name,
            }
            for task, result, confidence in zip(part.ids.tolist(), results, sure, strict=True)
            if task in wanted
        ]

    def _open(self, part: Part) -> dict[int, bool]:
        """Those of the tasks that are open right now, and whether they have a prediction of this
        version."""
        wanted = set(part.ids.tolist())
        return {
            task["id"]: self._name in versions_of(task)
            for task in self._studio.open_tasks(int(part.ids[0]), int(part.ids[-1]))
            if task["id"] in wanted
        }

    def _held(self, tasks: list[int]) -> list[int]:
        """Those of the tasks that have a prediction of this version."""
        wanted = set(tasks)
        return [
            task["id"]
            for task in self._studio.states(min(tasks), max(tasks))
            if task["id"] in wanted and self._name in versions_of(task)
        ]
