"""One turn of a project's loop: notice what changed, learn, rank, publish, look after the order."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from backend import round as rounds
from backend.annotations import Json
from backend.connect import ensure_first_tab, ensure_webhook
from backend.errors import BackendError, NotConnected, StudioError
from backend.jobs import Job, Trainer
from backend.label_config import LabelConfig, parse
from backend.loop import Connection, Hint, ProjectLoop
from backend.pool import Labelling, Pool, synchronise
from backend.predictor import Served
from backend.publish import delete_old_versions, put_order_right, switch, write
from backend.settings import Settings
from backend.studio import Studio
from model.store import Store

log = logging.getLogger(__name__)

THOROUGH: set[Hint] = {"start", "beat", "project", "tasks"}
"""Hints after which the project itself is looked at, not only its newest annotations."""

KEPT_ENCODERS = 3


@dataclass(frozen=True)
class Ranked:
    """What the last published order was made from; a new one is due when this differs.

    covered: how many of the `total` tasks had a vector by the encoder.
    """

    revision: int
    config: LabelConfig
    encoder: int
    covered: int
    total: int


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
        folder.mkdir(parents=True, exist_ok=True)
        self._loop = loop
        self._project = loop.project
        self._connection = connection
        self._settings = settings
        self._trainer = trainer
        self._store = Store(folder)
        self._store.clear_unfinished()
        self._pool = Pool(folder / "pool.sqlite")
        self._studio = Studio(connection.url, connection.token)
        self._xml = ""
        self._config: LabelConfig | None = None
        self._ranked: Ranked | None = None
        self._deep_failed_at = 0

    def turn(self, hints: set[Hint]) -> float:
        """Do all that the hints ask for. Returns the seconds that publishing took."""
        thorough = bool(hints & THOROUGH)
        config = self._config
        if config is None or thorough:
            config = self._look_after_project()
        synchronise(self._pool, self._studio, self._project, config, deletions=thorough)
        encoder = self._encoder()
        if encoder is None:
            return 0.0
        covered, total = self._request_vectors(encoder)
        now = Ranked(self._pool.revision(), config, encoder, covered, total)
        labelling = self._pool.labelling(config, self._settings.empty_is_none)
        due = covered > 0 and self._is_due(now)
        seconds = self._fast_round(now, labelling) if due else 0.0
        self._request_deep_round(labelling, forced="train" in hints)
        if thorough:
            self._clean_up()
        return seconds

    def _look_after_project(self) -> LabelConfig:
        """Read the labelling config anew and put right what settings pages have overwritten."""
        project = self._studio.project(self._project)
        self._xml = project["label_config"]
        config = self._config = parse(self._xml)
        reads = [config.data_key, config.is_html]
        if self._pool.fact("reads") not in (None, reads):
            self._pool.rekey(config)
        self._pool.remember("reads", reads)
        if self._connection.backend_url:
            url = self._connection.backend_url
            ensure_webhook(self._studio, self._project, url, self._settings)
        if self._loop.served is None:
            self._load_served(config)
        if self._loop.served is not None:
            self._put_order_right(project, self._loop.served.version.name)
        return config

    def _load_served(self, config: LabelConfig) -> None:
        """After a start: serve what was published last."""
        published = self._pool.published()
        names = [name for name in self._store.version_names() if name in published]
        if names:
            newest = max(names, key=lambda name: published[name])
            version = self._store.load_version(newest)
            self._loop.served = Served(version, config, self._xml, self._store)
            log.info("project %d: version %s is served again", self._project, newest)

    def _put_order_right(self, project: Json, version: str) -> None:
        try:
            restored = put_order_right(self._studio, project, version)
        except StudioError as error:
            if error.status != 400:
                raise
            # Its predictions were deleted, or a crash came before they were written.
            log.warning("project %d: version %s is gone from Label Studio", self._project, version)
            self._ranked = None
            return
        if restored:
            log.info("project %d: put right %s", self._project, " and ".join(restored))

    def _encoder(self) -> int | None:
        """The number of the encoder to rank with; None while the first is being prepared.

        The newest one that has encoded the whole pool; before any has, the oldest, whose vectors
        come while we rank.
        """
        settings = self._settings
        fitting = [
            number
            for number, meta in self._store.encoders().items()
            if (meta.base, meta.max_tokens) == (settings.encoder, settings.max_tokens)
        ]
        if not fitting:
            self._submit("base", self._new_encoder())
        complete = [number for number in fitting if self._store.is_complete(number)]
        usable = complete[-1:] or fitting[:1] or list(self._store.encoders())[-1:]
        return usable[0] if usable else None

    def _new_encoder(self) -> Json:
        number = max(self._store.encoders(), default=-1) + 1
        settings = self._settings
        return {"encoder": number, "base": settings.encoder, "max_tokens": settings.max_tokens}

    def _request_vectors(self, encoder: int) -> tuple[int, int]:
        """Have encoded what has no vector. Returns how many tasks have one by `encoder`, of how
        many."""
        _, keys = self._pool.keys()
        covered = {
            number: int((self._store.vectors(number).rows(keys) >= 0).sum())
            for number in {encoder, max(self._store.encoders())}
        }
        for number, count in covered.items():
            if count < len(keys) or not self._store.is_complete(number):
                self._submit(f"embed {number}", {"encoder": number})
        return covered[encoder], len(keys)

    def _is_due(self, now: Ranked) -> bool:
        """Whether anything changed that changes the order. Vectors that are still coming count
        each time they have doubled, and when they are all there."""
        before = self._ranked
        if before is None or before.revision != now.revision or before.config != now.config:
            return True
        enough = now.covered == now.total or now.covered >= 2 * before.covered
        grown = now.covered > before.covered and enough
        return before.encoder != now.encoder or grown

    def _fast_round(self, now: Ranked, labelling: Labelling) -> float:
        """Learn, rank, publish, switch. Returns the seconds that publishing took."""
        served = self._loop.served
        began = time.monotonic()
        deep = served is None or served.version.encoder != now.encoder
        taken = set(self._studio.model_versions(self._project)) if served is None else set()
        outcome = rounds.play(
            self._store,
            labelling,
            now.config,
            self._settings,
            now.encoder,
            self._settings.deep_shortlist if deep else self._settings.shortlist,
            taken,
            None if served is None else served.version,
        )
        if outcome is None:
            self._ranked = now
            log.info("project %d: nothing is left to label", self._project)
            return 0.0
        learnt = time.monotonic()
        name = outcome.version.name
        write(self._studio, self._pool, self._project, outcome.predictions)
        # Before the switch, so that its webhook is recognised as our own doing.
        self._loop.served = Served(outcome.version, now.config, self._xml, self._store)
        switch(self._studio, self._project, name)
        self._ranked = now
        if served is None:
            self._finish_connecting(name)
        published = time.monotonic()
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

    def _finish_connecting(self, version: str) -> None:
        """The first order stands: now, and not before, let Label Studio follow it."""
        put_order_right(self._studio, self._studio.project(self._project), version)
        if not self._pool.fact("tab"):
            ensure_first_tab(self._studio, self._project)
            self._pool.remember("tab", True)

    def _request_deep_round(self, labelling: Labelling, forced: bool) -> None:
        """Fine-tune when there are enough new labels, or when somebody pressed Start Training."""
        settings = self._settings
        answers = labelling.answers
        tuned_on = max((meta.labels for meta in self._store.encoders().values()), default=0)
        wanted = max(
            settings.deep_round_first,
            int(tuned_on * (1.0 + settings.deep_round_growth)),
            self._deep_failed_at + 1,
        )
        due = settings.deep_rounds and len(answers) >= wanted
        if len(set(answers.values())) < 2:
            if forced:
                log.warning("project %d: training needs two different labels", self._project)
            return
        if due or forced:
            facts = {
                "audit_share": settings.audit_share,
                "empty_is_none": settings.empty_is_none,
                "labels": len(answers),
            }
            self._submit("tune", {**self._new_encoder(), **facts})

    def _submit(self, what: str, request: Json) -> None:
        name = (self._project, what)
        if self._trainer.knows(name):
            return
        facts = {
            "job": what.split(maxsplit=1)[0],
            "folder": str(self._store.folder.resolve()),
            "config": self._xml,
            "seed": self._settings.seed,
            **request,
        }
        log.info("project %d: %s (encoder %d) is queued", self._project, what, facts["encoder"])
        self._trainer.submit(
            Job(name, facts, self._job_progressed, self._job_done, self._job_failed)
        )

    # The trainer's thread calls these three; all they do is leave hints.

    def _job_progressed(self, job: Job, answer: Json) -> None:
        if answer["stage"] == "embed":
            self._loop.wake("vectors")

    def _job_done(self, job: Job, answer: Json) -> None:
        log.info("project %d: %s is done: %s", self._project, job.name[1], answer)
        self._loop.wake("vectors")

    def _job_failed(self, job: Job, error: BackendError) -> None:
        log.error("project %d: %s failed: %s", self._project, job.name[1], error)
        if job.request["job"] == "tune":
            self._deep_failed_at = job.request["labels"]

    def _clean_up(self) -> None:
        """Delete predictions that no open page can show any more, and what belongs to them."""
        served = self._loop.served
        if served is None:
            return
        keep_seconds = self._settings.keep_predictions_hours * 3600.0
        deleted = delete_old_versions(
            self._studio, self._pool, self._project, served.version.name, keep_seconds, time.time()
        )
        for name in deleted:
            self._store.delete_version(name)
        for number in list(self._store.encoders())[:-KEPT_ENCODERS]:
            if number < served.version.encoder:
                self._store.delete_encoder(number)
        if deleted:
            log.info("project %d: deleted %d old versions", self._project, len(deleted))
