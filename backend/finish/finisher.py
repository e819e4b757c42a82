"""One `finish` from beginning to end: the split is told first, then it is acted upon."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.dataset.record import Record, read_record
from backend.errors import BackendError, StudioError, explained
from backend.finish.annotations import Annotations, person_of
from backend.finish.dataset import plan_of_items
from backend.finish.files import Format, Records, TaskRecords, format_of, write_file
from backend.finish.ledger import ANNOTATIONS, PREDICTIONS, TAB, Ledger, Run
from backend.finish.pace import Pace
from backend.finish.plan import Chosen, Plan, chosen_version, plan_of
from backend.finish.predictions import Predictions
from backend.finish.told import told
from backend.finish.undo import Undo
from backend.finish.writing import Outcome, Writer, write_all
from backend.folder.lock import Lock, holder_of, is_served, lock_of
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.mirror.finished import FACT
from backend.mirror.identity import is_of
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.progress import counting
from backend.project.encoder_spec import ignored_by
from backend.project.versions import check_mirror, store_of
from backend.queue.tabs import SURE_TITLE, ensure_sure_tab, sure_version
from backend.settings import Settings
from backend.studio.project import StudioProject
from model.finishing.goal import Goal
from model.storage.damage import Damaged
from model.types import Ints

LOCK = "finish.lock"

Say = Callable[[str], object]


@dataclass(frozen=True)
class Wanted:
    """What people ask for.

    target: PREDICTIONS, ANNOTATIONS or TAB; out: a file in place of these; version: "" for the
    served one; email: the user of the annotations; dry_run: tell the split only; full_speed: nobody
    labels meanwhile.
    """

    goal: Goal
    target: str = PREDICTIONS
    out: Path | None = None
    version: str = ""
    email: str = ""
    dry_run: bool = False
    full_speed: bool = False


class Finisher:
    """The end of one project. For one thread."""

    def __init__(self, studio: StudioProject, settings: Settings, say: Say = print) -> None:
        """Raises UnknownProject when MODEL_DIR knows no such project."""
        self._studio, self._settings, self._say = studio, settings, say
        self._store = store_of(settings.model_dir, studio.number)
        self._folder = self._store.folder
        check_mirror(self._store)

    def finish(self, wanted: Wanted) -> None:
        """Tell the split, then do what is wanted. Raises BackendError."""
        dataset = read_record(self._folder)
        if dataset is not None:
            self._finish_dataset(dataset, wanted)
            return
        made = None if wanted.out is None else format_of(wanted.out)
        with self._locked(wanted.dry_run), closing(Pool(self._folder / MIRROR)) as pool:
            config = self._interface(pool)
            if wanted.dry_run or made is not None:
                plan = self._plan(pool, config, wanted)
                if made is not None and not wanted.dry_run:
                    self._write_file(plan, TaskRecords(pool), wanted, made)
                return
            with self._ledger() as ledger:
                self._write(pool, config, wanted, ledger)

    def _finish_dataset(self, record: Record, wanted: Wanted) -> None:
        """The same for the items of the project's dataset, of which only files are written."""
        made = None if wanted.out is None else format_of(wanted.out, is_of_dataset=True)
        with (
            self._locked(made is None or wanted.dry_run),
            closing(Pool(self._folder / MIRROR)) as pool,
        ):
            config = self._interface(pool)
            try:
                plan, records = plan_of_items(
                    *(self._store, pool, config, self._settings, record),
                    goal=wanted.goal,
                    version=wanted.version,
                )
                self._tell(plan)
                if made is not None and not wanted.dry_run:
                    self._write_file(plan, records, wanted, made)
                elif not wanted.dry_run:
                    self._say("Nothing is written. To write it into a file: --out FILE")
            except Damaged as error:
                raise BackendError(str(error)) from error

    def _write_file(self, plan: Plan, records: Records, wanted: Wanted, made: Format) -> None:
        assert wanted.out is not None
        what = "item" if plan.is_of_dataset else "task"
        with counting("writing", len(plan.ids), what) as bar:
            write_file(plan, records, wanted.out, made, bar.update)
        self._say(f"{len(plan.ids):,} {what}s are in {wanted.out}")

    def undo(self, *, full_speed: bool = False) -> None:
        """Take back what was written into Label Studio. Raises BackendError."""
        with (
            self._locked(),
            closing(Pool(self._folder / MIRROR)) as pool,
            self._ledger() as ledger,
        ):
            self._interface(pool)
            with counting("taking back", 0, "task") as bar:
                undo = Undo(self._studio, pool, ledger, self._pace(full_speed), bar.update)
                if warning := undo.warning():
                    self._say(warning)
                bar.total = undo.count()
                with self._said_how_far(lambda: f"{bar.n:,} of {bar.total:,} tasks are done"):
                    lines = list(undo.all())
            for line in lines:
                self._say(line)
            if not lines:
                raise BackendError(
                    f"There is nothing to take back: finish has written nothing into project "
                    f"{self._studio.number}, or it was taken back already"
                )

    def _plan(self, pool: Pool, config: LabelConfig, wanted: Wanted) -> Plan:
        chosen = chosen_version(self._store, pool, config, wanted.version)
        plan = plan_of(self._store, pool, config, self._settings, wanted.goal, chosen)
        self._tell(plan)
        return plan

    def _tell(self, plan: Plan) -> None:
        for line in told(plan, self._settings.audit_share):
            self._say(line)

    def _write(self, pool: Pool, config: LabelConfig, wanted: Wanted, ledger: Ledger) -> None:
        is_annotations = wanted.target == ANNOTATIONS
        person = person_of(self._studio.session, wanted.email) if is_annotations else None
        run = _unfinished(ledger, wanted, person)
        if run is None:
            plan = self._plan(pool, config, wanted)
            if not len(_places(plan, wanted.target)):
                self._say("Nothing is written")
                return
            name = plan.chosen.version.name
            if wanted.target == PREDICTIONS:
                # Before the first is written: the server deletes what is old.
                kept = [known for known in pool.fact(FACT) or [] if known != name]
                pool.remember(FACT, [*kept, name])
            run = ledger.begin(wanted.target, name, wanted.goal, plan.promises, person)
        else:
            plan = self._plan_of(run, pool, config)
        places = _places(plan, wanted.target)
        writer: Writer = (Annotations if is_annotations else Predictions)(
            self._studio, ledger, run, plan
        )
        done = Outcome()
        with counting("writing", len(places), "task") as bar:

            def tell(outcome: Outcome) -> None:
                nonlocal done
                done += outcome
                bar.update(outcome.tasks)

            with self._said_how_far(lambda: f"{done.tasks:,} of {len(places):,} tasks are done"):
                write_all(plan, places, writer, self._pace(wanted.full_speed), tell)
        if wanted.target == TAB:
            ensure_sure_tab(self._studio, run.version)
        ledger.end(run)
        self._say(_result(wanted.target, run, done))
        self._say(
            f"To take it back: python -m backend finish --project {self._studio.number} --undo"
        )

    def _plan_of(self, run: Run, pool: Pool, config: LabelConfig) -> Plan:
        """The plan by which an interrupted run goes on: its version, and its promises."""
        try:
            found = chosen_version(self._store, pool, config, run.version)
        except BackendError as error:
            raise BackendError(
                f"An interrupted finish cannot go on: {error}. Take back what it wrote with "
                "--undo, and begin again"
            ) from error
        chosen = Chosen(found.version, found.head, "begun with")
        plan = plan_of(self._store, pool, config, self._settings, run.goal, chosen)
        plan.keep(run.promises)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.begun))
        self._say(
            f"Going on with version {run.version} and the promises of {when}, where this was "
            "interrupted"
        )
        return plan

    def _interface(self, pool: Pool) -> LabelConfig:
        """The labelling interface as it is now. Raises BackendError for another project."""
        described = self._studio.describe()
        if not is_of(pool, described):
            raise BackendError(
                f"Project {self._studio.number} in Label Studio is not the one that "
                f"{self._folder} is about: that one was made at another time. Is this the right "
                "Label Studio?"
            )
        settings = self._settings
        return parse(described["label_config"], ignored_by(settings), settings.aliases)

    def _pace(self, full_speed: bool) -> Pace:
        return Pace(not full_speed and is_served(self._settings.model_dir))

    def _locked(self, dry_run: bool = False) -> AbstractContextManager[object]:
        """Held while something is written."""
        if dry_run:
            return nullcontext()
        path = self._folder / LOCK
        lock: Lock | None = lock_of(path)
        if lock is None:
            raise BackendError(
                f"Another finish writes for project {self._studio.number} just now"
                f"{holder_of(path)}. Wait until it is done, or stop it first"
            )
        return lock

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        try:
            with closing(Ledger(self._folder)) as ledger:
                yield ledger
        except sqlite3.Error as error:
            raise BackendError(f"{_reason(error)}. {AGAIN}") from error

    @contextmanager
    def _said_how_far(self, progress: Callable[[], str]) -> Iterator[None]:
        """What interrupts the work is said together with what is done and how it goes on."""
        try:
            yield
        except (StudioError, sqlite3.Error, OSError) as error:
            raise BackendError(f"{_reason(error)}. {progress()}. {AGAIN}") from error
        except KeyboardInterrupt:
            raise BackendError(f"Interrupted. {progress()}. {AGAIN}") from None


def _places(plan: Plan, target: str) -> Ints:
    """The places among the plan's tasks of those that are written."""
    if target == PREDICTIONS:
        return np.arange(len(plan.ids))
    if target == ANNOTATIONS:
        return np.flatnonzero(plan.stands)
    # Audit tasks that are accepted together with the others would measure the model by itself.
    return np.flatnonzero(plan.stands & ~plan.is_audit)


AGAIN = "Nothing is lost or written twice: give the same command again, and it goes on from there"


def _reason(error: Exception) -> str:
    if isinstance(error, StudioError):
        return str(error)
    return f"What was written cannot be noted in MODEL_DIR: {explained(error)}"


def _unfinished(ledger: Ledger, wanted: Wanted, person: int | None) -> Run | None:
    """The run that the same command began, if that was interrupted."""
    same = [
        run
        for run in ledger.runs()
        if (run.target, run.goal, run.person) == (wanted.target, wanted.goal, person)
        and wanted.version in ("", run.version)
        and not run.is_ended
    ]
    return same[-1] if same else None


def _result(target: str, run: Run, done: Outcome) -> str:
    there = f"; {done.there:,} had one before" if done.there else ""
    taken = (
        f"; {done.taken:,} were labelled, skipped or deleted meanwhile and are left alone"
        if done.taken
        else ""
    )
    if target == TAB:
        return (
            f'The Data Manager tab "{SURE_TITLE}" shows {done.written + done.there:,} tasks'
            f"{taken}; audit tasks are left to people. To accept them, select them there, choose "
            "Create Annotations From Predictions, and the predictions named "
            f'"{sure_version(run.version)}"'
        )
    return f"Wrote {done.written:,} {target} of version {run.version}{there}{taken}"
