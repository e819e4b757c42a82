"""One turn of a project's loop: notice what changed, learn, rank, publish."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from backend.errors import NotConnected
from backend.interface.names import unnamed
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.media.access import access_of
from backend.mirror.pool import Labelling, Pool
from backend.project import round as rounds
from backend.project.history import History
from backend.project.loop import Connection, Hint, ProjectLoop
from backend.project.pin import pinned_version
from backend.project.predictor import Served
from backend.project.reconcile import is_read, reconcile, synchronise
from backend.project.training import Training
from backend.queue.cleanup import clean_up
from backend.queue.overwritten import is_of, read_project, set_aside
from backend.queue.publish import write
from backend.queue.upkeep import Upkeep
from backend.settings import Settings
from backend.studio.api import Studio
from backend.trainer.process import Trainer
from backend.types import Json
from model.storage.store import Store, Version

log = logging.getLogger(__name__)

THOROUGH: set[Hint] = {"start", "beat", "project", "tasks"}
"""Hints after which the project itself is looked at, not only its newest annotations."""

SHOWN_UNREADABLE = 50


@dataclass(frozen=True)
class Ranked:
    """What the last published order was made from; a new one is due when this differs.

    covered: how many of the `total` tasks had a vector by the encoder; names: how many of the
    labels' names had; pinned: the version whose head ranked them, None when one was fitted to the
    labels.
    """

    revision: int
    config: LabelConfig
    encoder: int
    covered: int
    total: int
    names: int
    pinned: str | None


def is_due(before: Ranked | None, now: Ranked, all_read: bool) -> bool:
    """Whether anything changed that changes the order. Tasks and vectors that are still coming
    count each time they have doubled, and when they are all there; all_read: whether all tasks are
    known."""
    if before is None or before.config != now.config or before.names < now.names:
        return True
    if all_read and before.revision != now.revision:
        return True
    enough = now.covered >= 2 * before.covered or (all_read and now.covered == now.total)
    grown = now.covered > before.covered and enough
    return before.encoder != now.encoder or before.pinned != now.pinned or grown


class Turns:
    """What the loop's thread alone touches: the session, the mirror, what was ranked last."""

    def __init__(
        self,
        loop: ProjectLoop,
        connection: Connection,
        folder: Path,
        settings: Settings,
        trainer: Trainer,
    ) -> None:
        if not connection.url or not connection.token:
            raise NotConnected(
                "Label Studio's address or token is unknown. Set LABEL_STUDIO_URL and "
                "LABEL_STUDIO_API_KEY, so that the backend can read labels and set the order"
            )
        self._loop = loop
        self._project = loop.project
        self._settings = settings
        self._studio = Studio(connection.url, connection.token, connection.spare_token)
        # Before anything is written: requests name projects that may not exist.
        described = read_project(self._studio, self._project)
        folder.mkdir(parents=True, exist_ok=True)
        self._pool = Pool.mended(folder / "pool.sqlite")
        if not is_of(self._pool, described):
            self._pool.close()
            trainer.cancel(self._project)
            raise set_aside(folder)
        self._store = Store(folder)
        if not trainer.is_busy_with(self._project):  # it may be writing an encoder just now
            self._store.clear_unfinished()
        access = access_of(connection, settings)
        self._training = Training(loop, self._store, settings, trainer, access)
        self._history = History(folder)
        self._upkeep = Upkeep(loop, self._studio, self._pool, connection, settings)
        self._xml = ""
        self._config: LabelConfig | None = None
        self._ranked: Ranked | None = None
        self._is_all_labelled = False
        """Whether the last round had nothing to put in order."""

    def close(self) -> None:
        """Close files and connections."""
        self._pool.close()
        self._history.close()
        self._studio.close()

    def turn(self, hints: set[Hint]) -> float:
        """Do all that the hints ask for. Returns the seconds that publishing took."""
        config, thorough = self._config, bool(hints & THOROUGH)
        self._upkeep.tell_what_was_missed()
        if hints & {"start", "train"}:
            self._pool.forgive_all_unreadable()
        if config is None or thorough:
            config = self._look_thoroughly()
        else:
            synchronise(self._pool, self._studio, self._project, config)
        all_read = is_read(self._pool)
        if not all_read:  # go on after this turn, and train when all labels are known
            for hint in {"tasks", *(hints & {"train"})}:
                self._loop.wake(hint)
        pinned = pinned_version(self._pool, self._store, config)
        now = self._look_at_pool(config, pinned)
        if now is None:
            return 0.0
        labelling = self._pool.labelling(config, self._settings.empty_is_none)
        due = now.covered > 0 and is_due(self._ranked, now, all_read)
        seconds = self._fast_round(now, labelling, pinned) if due else 0.0
        self._look_after_review(labelling)
        if pinned is None and all_read:
            self._training.request_deep_round(labelling, forced="train" in hints)
        elif pinned is not None and "train" in hints:
            log.warning("project %d: no training while a version is pinned", self._project)
        if thorough and self._loop.served is not None:
            keep_hours = self._settings.keep_predictions_hours
            served = self._loop.served.version
            clean_up(self._studio, self._pool, self._store, self._project, served, keep_hours)
        return seconds

    def _look_thoroughly(self) -> LabelConfig:
        """Look at the project itself, too: its labelling config, its counts, its settings."""
        before = self._pool.annotation_count()
        project = self._upkeep.look()
        config = self._look_after_project(project)
        self._pool.forgive_unreadable(time.time())
        reconcile(self._pool, self._studio, project, config, before)
        if not self._pool.count():
            self._upkeep.forget_tab()
        share = self._pool.count() / max(1, int(project["task_number"]))
        self._loop.reading = None if is_read(self._pool) else min(1.0, share)
        return config

    def _look_after_project(self, project: Json) -> LabelConfig:
        """Read the labelling config anew and put right what settings pages have overwritten."""
        self._loop.title = str(project.get("title") or "")
        self._xml = project["label_config"]
        before, config = self._config, parse(self._xml, self._training.ignored)
        self._config = config
        if config.left_out and config != before:
            log.info("project %d: left to people: %s", self._project, "; ".join(config.left_out))
        if config != before:
            self._tell_unnamed(config)
        self._training.see(self._xml, config)
        reads = [[source.kind, source.data_key] for source in config.sources]
        if self._pool.fact("reads") not in (None, reads):
            self._pool.rekey(config)
        self._pool.remember("reads", reads)
        self._upkeep.put_webhook_right(self._xml)
        if self._loop.served is None:
            self._load_served(config)
        served = self._loop.served
        if served is not None and not self._upkeep.put_order_right(project, served.version.name):
            self._notice_gone(served.version)
        return config

    def _tell_unnamed(self, config: LabelConfig) -> None:
        """Names that say nothing cannot stand in for the first labels; people may write better."""
        found = unnamed(config) if self._settings.label_names else []
        if found:
            log.info(
                "project %d: the names of %d of %d labels say nothing to a reader, such as '%s'; a "
                "hint in the <Choice> would",
                self._project,
                len(found),
                len(config.labels),
                found[0],
            )

    def _load_served(self, config: LabelConfig) -> None:
        """Serve what was published last: after a start, it is what Label Studio serves."""
        published = self._pool.published()
        names = [name for name in self._store.version_names() if name in published]
        for name in sorted(names, key=lambda name: published[name], reverse=True):
            try:
                version = self._store.load_version(name)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                log.error("project %d: version %s is damaged: %s", self._project, name, error)
                continue
            encoder = self._store.encoders().get(version.encoder)
            if encoder is None or encoder.spec.layout != config.layout:
                continue  # it read something else of a task
            self._loop.served = Served(version, config, self._xml, self._store)
            log.info("project %d: version %s is served again", self._project, name)
            return

    def _notice_gone(self, version: Version) -> None:
        """Its predictions were deleted, or a crash came before they were written."""
        if not self._is_all_labelled:  # another round would write none either
            log.warning("project %d: version %s is gone", self._project, version.name)
            self._ranked = None

    def _look_at_pool(self, config: LabelConfig, pinned: Version | None) -> Ranked | None:
        """What an order would be made from now; None while the first encoder is being prepared."""
        encoder = pinned.encoder if pinned else self._training.newest_encoder()
        if encoder is None:
            return None
        _, keys = self._pool.keys(config, self._settings.seed)
        self._loop.unreadable = self._pool.unreadable(SHOWN_UNREADABLE)
        covered = self._training.request_vectors(encoder, keys)
        names = self._training.names_known(encoder)
        name = pinned.name if pinned else None
        return Ranked(self._pool.revision(), config, encoder, covered, len(keys), names, name)

    def _fast_round(self, now: Ranked, labelling: Labelling, pinned: Version | None) -> float:
        """Learn, rank, publish, switch. Returns the seconds that publishing took."""
        served = self._loop.served
        began = time.monotonic()
        deep = served is None or served.version.encoder != now.encoder
        taken = self._versions_there() if served is None else set()
        outcome = rounds.play(
            self._store,
            labelling,
            now.config,
            self._settings,
            now.encoder,
            self._settings.deep_shortlist if deep else self._settings.shortlist,
            taken,
            None if served is None else served.version,
            pinned,
            lambda ids: self._pool.parts(ids, now.config),
        )
        if outcome is None:
            return 0.0
        if not outcome.predictions:
            self._history.add(outcome)
            log.info("project %d: nothing is left to label", self._project)
            self._is_all_labelled = True
            self._follow_pin_without_order(now, pinned)
            return 0.0
        self._is_all_labelled = False
        learnt = time.monotonic()
        name = outcome.version.name
        write(self._studio, self._pool, self._project, outcome.predictions)
        # Before the switch, so that its webhook is recognised as our own doing.
        self._loop.served = Served(outcome.version, now.config, self._xml, self._store)
        self._upkeep.switch(name)
        self._ranked = now
        if served is None:
            self._upkeep.finish_connecting(name)
        published = time.monotonic()
        self._history.add(outcome)
        log.info(
            "project %d: version %s is served: %d labels, %d of them audit; %d of %d tasks in "
            "order; learnt in %.2f s, published in %.2f s",
            self._project,
            name,
            outcome.version.meta["labels"],
            len(outcome.version.validation),
            len(outcome.predictions),
            outcome.version.meta["ranked"],
            learnt - began,
            published - learnt,
        )
        return published - learnt

    def _versions_there(self) -> set[str]:
        """Version names that Label Studio holds. Those that we know but forgot to have written (a
        damaged mirror was begun anew) are taken back into our care, to be deleted in time."""
        names = set(self._studio.model_versions(self._project))
        for name in names & set(self._store.version_names()) - set(self._pool.published()):
            self._pool.add_published(name, time.time())
        return names

    def _follow_pin_without_order(self, now: Ranked, pinned: Version | None) -> None:
        """Nothing is left to put in order; predictions on demand follow the pin all the same."""
        if pinned is not None:
            self._loop.served = Served(pinned, now.config, self._xml, self._store)
        elif self._ranked is not None and self._ranked.pinned is not None:
            self._load_served(now.config)
        self._ranked = now

    def _look_after_review(self, labelling: Labelling) -> None:
        """After each deep round the labels are reviewed, and the tab for that is filled anew."""
        served = self._loop.served
        if served is None or not labelling.answers:
            return
        encoder = served.version.encoder
        if not self._upkeep.show_review(self._store, encoder):
            self._training.request_review(encoder)
