"""Takes back what `finish` wrote: its annotations, unless a person changed them, and its
predictions."""

import time
from collections.abc import Callable, Iterator, Sequence

from backend.finish.annotations import ours_in
from backend.finish.ledger import ANNOTATIONS, PREDICTIONS, TAB, Ledger, Run
from backend.finish.pace import Pace
from backend.finish.predictions import name_of
from backend.mirror.finished import FACT, MARK, META
from backend.mirror.pool import Pool
from backend.queue.cleanup import OPEN_SECONDS
from backend.queue.tabs import SURE_TITLE, remove_sure_tab
from backend.studio.project import StudioProject
from backend.types import Json

AT_ONCE, TASKS_AT_ONCE = 20, 200
"""Deletions between two waits; of predictions, which mostly go together, the tasks."""

MANY = 5000
"""So many predictions of a served version take minutes."""

Tell = Callable[[int], object]


class Undo:
    """For one project. Whatever interrupts it, it can be begun again."""

    def __init__(
        self, studio: StudioProject, pool: Pool, ledger: Ledger, pace: Pace, tell: Tell
    ) -> None:
        """`tell` is called with how many tasks are done, again and again."""
        self._studio, self._pool, self._ledger = studio, pool, ledger
        self._pace, self._tell = pace, tell

    def count(self) -> int:
        """How many tasks there are to look at."""
        known = sum(self._ledger.count(run) for run in self._ledger.runs())
        return known + len(self._strays())

    def warning(self) -> str:
        """What will take long, in a sentence without a full stop; "" if nothing will."""
        runs = [run for run in self._ledger.runs() if run.target == PREDICTIONS]
        count = sum(self._ledger.count(run) for run in runs if self._is_in_use(run.version))
        if count < MANY:
            return ""
        return (
            f"{count:,} predictions are of the version that Label Studio serves, or served within "
            f"the last {OPEN_SECONDS / 3600:.0f} hours, so they are deleted task by task: some ten "
            "a second, or eighty with --full-speed. Once another version has been served for that "
            "long, all of them go at once. Whatever interrupts this, give the same command again"
        )

    def all(self) -> Iterator[str]:
        """Take back everything, the newest first. Yields what was done, in sentences."""
        strays = self._strays()  # what is deleted now, the mirror still knows for a while
        for run in reversed(self._ledger.runs()):
            if run.target == ANNOTATIONS:
                yield self._annotations(run)
            elif run.target == TAB:
                yield self._tab(run)
            else:
                yield self._predictions(run)
            self._ledger.forget(run)
        deleted = changed = 0
        for start in range(0, len(strays), AT_ONCE):
            gone, kept = self._delete_annotations(strays[start : start + AT_ONCE])
            deleted, changed = deleted + gone, changed + kept
            self._tell(len(strays[start : start + AT_ONCE]))
        if deleted:
            yield _on_annotations(deleted, changed, "that an earlier finish made")

    def _strays(self) -> list[int]:
        """Tasks with annotations by the model that no run of the ledger knows, for example because
        its file was lost."""
        known = {
            task
            for run in self._ledger.runs()
            if run.target == ANNOTATIONS
            for part in self._ledger.parts(run)
            for task in part
        }
        return [task for task in self._pool.finished_tasks() if task not in known]

    def _annotations(self, run: Run) -> str:
        deleted = changed = 0
        for tasks in self._ledger.parts(run):
            for start in range(0, len(tasks), AT_ONCE):
                some = tasks[start : start + AT_ONCE]
                gone, kept = self._delete_annotations(some)
                deleted, changed = deleted + gone, changed + kept
                self._ledger.note_gone(run, some)
                self._tell(len(some))
        return _on_annotations(deleted, changed, f"of version {run.version}")

    def _delete_annotations(self, tasks: Sequence[int]) -> tuple[int, int]:
        """How many were deleted, and how many are people's by now."""
        wanted, deleted, changed = set(tasks), 0, 0
        with self._pace.working():
            for task in self._studio.states(min(tasks), max(tasks)):
                if task["id"] not in wanted:
                    continue
                ours = ours_in(task)
                for annotation in ours:
                    self._studio.delete_annotation(annotation)
                deleted += len(ours)
                changed += _was_ours(task) and not ours
        return deleted, changed

    def _predictions(self, run: Run) -> str:
        """Those of the served version task by task, because the queue needs the others; and where
        an open page may still show one of the version, which could not submit without it. Else all
        at once."""
        count, version = self._ledger.count(run), run.version
        if self._is_in_use(version):
            for tasks in self._ledger.parts(run):
                for start in range(0, len(tasks), TASKS_AT_ONCE):
                    some = tasks[start : start + TASKS_AT_ONCE]
                    self._delete_predictions(some, version)
                    self._ledger.note_gone(run, some)
                    self._tell(len(some))
        elif not self._is_needed_by_another(run):
            with self._pace.working():
                self._studio.delete_model_version(version)
            self._pool.drop_published(version)
            self._tell(count)
        if not self._is_needed_by_another(run):
            kept = [name for name in self._pool.fact(FACT) or [] if name != version]
            self._pool.remember(FACT, kept)
        return f"Deleted the predictions of version {version} on {count:,} tasks"

    def _tab(self, run: Run) -> str:
        """Nobody serves these predictions."""
        with self._pace.working():
            self._studio.delete_model_version(name_of(run))
        remove_sure_tab(self._studio)
        self._tell(self._ledger.count(run))
        return f'Deleted the tab "{SURE_TITLE}" and its predictions of version {run.version}'

    def _delete_predictions(self, tasks: Sequence[int], version: str) -> None:
        """All in one request where tasks have no others: that is eight times as fast as one by
        one."""
        wanted = set(tasks)
        with self._pace.working():
            states = self._studio.states(min(tasks), max(tasks))
            there = {one["id"]: one.get("predictions") or [] for one in states}
            there = {task: found for task, found in there.items() if task in wanted and found}
            alone = [
                task
                for task, found in there.items()
                if all(one["model_version"] == version for one in found)
            ]
            if alone:
                self._studio.delete_all_predictions(alone)
            for task in there.keys() - set(alone):
                for one in there[task]:
                    if one["model_version"] == version:
                        self._studio.delete_prediction(one["id"])

    def _is_in_use(self, version: str) -> bool:
        """Whether Label Studio serves this version, or did so a moment ago."""
        if self._studio.describe().get("model_version") == version:
            return True
        published = list(self._pool.published().items())
        names = [name for name, _ in published]
        if version not in names:
            return False
        following = published[names.index(version) + 1 :]
        return not following or time.time() - following[0][1] < OPEN_SECONDS

    def _is_needed_by_another(self, run: Run) -> bool:
        return any(
            other.number != run.number
            and other.target == PREDICTIONS
            and other.version == run.version
            for other in self._ledger.runs()
        )


def _was_ours(task: Json) -> bool:
    """Whether an annotation of a task still bears our mark, although a person saved it again."""
    return any(
        isinstance(region, dict) and MARK in (region.get(META) or {})
        for annotation in task.get("annotations") or []
        for region in annotation.get("result") or []
    )


def _on_annotations(deleted: int, changed: int, which: str) -> str:
    kept = f"; {changed:,} that people saved again are theirs and stay" if changed else ""
    return f"Deleted {deleted:,} annotations {which}{kept}"
