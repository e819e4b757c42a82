"""One turn of a project's loop: notice what changed, learn, rank, publish."""

import logging
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

from backend.dataset.record import reads_of
from backend.errors import LetGo, NotConnected, ProjectGone
from backend.folder.damage import mended
from backend.folder.format import migrate
from backend.folder.leftovers import delete_leftovers
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.review import read as read_review
from backend.project import certification, reread, weak_reading
from backend.project.certification import Certification
from backend.project.context import ProjectContext
from backend.project.due import Ranked, is_due
from backend.project.earlier_votes import EarlierVotes
from backend.project.feed import Feed
from backend.project.history import History
from backend.project.item_training import ItemTraining
from backend.project.loop import Hint
from backend.project.map_drawing import MapDrawing
from backend.project.near_copies import NearCopies
from backend.project.opening import opened_mirror
from backend.project.people import names_of, people_in
from backend.project.pin import pinned_version
from backend.project.published import last_published, names_there
from backend.project.reconcile import is_read, reconcile, synchronise
from backend.project.refreshes import Refreshes
from backend.project.round import FastRounds, Round
from backend.project.status import Served, Status, Unreadable, what_is_left
from backend.project.training import Training
from backend.project.unit import Setup
from backend.project.unlearnt import log_limits, log_new_reasons, not_learnt, sentence_on
from backend.queue.cleanup import clean_up
from backend.queue.publish import write
from backend.queue.upkeep import MISSED, Upkeep
from backend.studio.api import Studio
from backend.types import Json
from model.finishing.goal import Goal
from model.storage.store import Store, Version
from model.storage.vectors import LEAST_UNUSED

log = logging.getLogger(__name__)

THOROUGH: set[Hint] = {"start", "beat", "project", "tasks"}
"""Hints after which the project itself is looked at, not only its newest annotations."""

SHOWN_UNREADABLE = 50

Looking = Generator[Status, None, LabelConfig]
"""Looks at the project and returns its labelling config; what others should see is yielded."""


class Turns:
    """The work on one project: it owns the session, the mirror, and what was ranked last. Used by
    the loop's thread alone."""

    def __init__(self, context: ProjectContext) -> None:
        connection, settings = context.connection, context.settings
        if not connection.url or not connection.token:
            raise NotConnected(
                "Label Studio's address or token is unknown. Set LABEL_STUDIO_URL and "
                "LABEL_STUDIO_API_KEY, so that the backend can read labels and set the order"
            )
        self._context = context
        self._project = context.number
        self._settings = settings
        server = Studio(
            connection.url, connection.token, connection.spare_token, headers=connection.headers
        )
        self._studio = server.of(context.number)
        self._pool = opened_mirror(context, self._studio)
        self._store = Store(context.folder)
        if not context.trainer.is_busy_with(self._project):  # it may be writing an encoder just now
            self._store.clear_unfinished()
        migrate(self._store)
        self._history = History(context.folder)
        self._upkeep = Upkeep(self._studio, self._pool, context.inbox, connection)
        address = self._upkeep.studio_address
        reached = replace(connection, studio_address=address)
        self._training = Training(replace(context, connection=reached), self._store)
        self._earlier_votes = EarlierVotes(self._store, self._training.beginning)
        asking = ItemTraining(context, self._store, self._training)
        self._feed = Feed(context, self._store, self._pool, self._studio, asking)
        self._map = MapDrawing(context, self._store, self._pool, self._training)
        self._copies = NearCopies(self._store, self._pool, self._training)
        self._status = replace(context.status, studio_address=address)
        self._mend()
        if context.status.served is None and not context.trainer.is_busy_with(self._project):
            self._compact()  # nobody uses a vector yet
        self._xml = ""
        self._config: LabelConfig | None = None
        self._ranked: Ranked | None = None
        self._refreshes = Refreshes(context)
        self._named: int | None = None
        """The encoder after whose review we asked who the annotators are."""
        self._is_all_labelled = False
        """Whether the last round had nothing to put in order."""
        self._lost: Mapping[str, list[int]] = {}
        """What the last round could not learn of annotations."""
        self._certification = Certification(Goal())
        self._elsewhere = ""
        """See backend.project.certification.said_elsewhere."""

    def close(self) -> None:
        """Close files and connections."""
        self._pool.close()
        self._history.close()
        self._studio.session.close()

    def turn(self, hints: set[Hint]) -> Iterator[Status]:
        """Do all that the hints ask for: look, learn and rank where the order would change, ask the
        trainer for what is due. Yields the status as soon as others should see it."""
        try:
            yield from self._turn(hints)
        except Exception as error:
            if isinstance(error, ProjectGone | LetGo):
                self._context.trainer.cancel(self._project)  # others wait for it
                self._context.progress.drop()
            yield self._status  # with all that was seen before it failed
            raise
        finally:
            self._note_what_was_missed()

    def _turn(self, hints: set[Hint]) -> Iterator[Status]:
        self._status, self._upkeep.write_seconds = replace(self._status, publish_seconds=0.0), 0.0
        began, began_at = time.monotonic(), time.time()
        if hints & {"start", "train"}:
            self._pool.retry_all_unreadable()
        if "train" in hints:  # after a start all was looked at
            self._mend()
        config = yield from self._look(hints)
        labelling = self._labelling(config)
        self._see_what_is_lost(labelling)
        self._status = replace(
            self._status,
            open_tasks=labelling.open_tasks,
            copied=labelling.copied,
            counted=len(labelling.counted),
        )
        pinned = pinned_version(self._pool, self._store, config)
        self._elsewhere = certification.said_elsewhere(self._context.folder)
        if not self._elsewhere:  # at once, or the page speaks of a dataset that was taken away
            self._status = replace(self._status, dataset=None)
        found = certification.look(self._pool, self._settings, labelling, self._elsewhere)
        self._see_certification(found)
        now = self._look_at_pool(config, labelling, pinned)
        yield self._status
        if now is not None:
            yield from self._order(hints, now, labelling, pinned)
        if is_read(self._pool):
            # After the order, which people wait for: an import takes Label Studio a second.
            dataset = self._feed.look(labelling, config, began_at)
            self._status = replace(self._status, dataset=dataset)
        self._refreshes.forget(before=began)
        yield self._status

    def _order(
        self, hints: set[Hint], now: Ranked, labelling: Labelling, pinned: Version | None
    ) -> Iterator[Status]:
        """Learn and rank where the order would change, and do what follows from that."""
        can_rank = now.covered > 0
        # Else vectors come soon, unless nothing of what is known can be read.
        can_rank |= now.total == 0 and labelling.open_tasks > labelling.unread
        if can_rank and is_due(self._ranked, now, is_read(self._pool)):
            yield from self._fast_round(now, labelling, pinned)
        self._look_after_review(labelling)
        self._request_deep_round(hints, labelling, pinned)
        self._map.request(now.encoder, now.config)
        if hints & THOROUGH:
            self._clean_up()

    def _labelling(self, config: LabelConfig) -> Labelling:
        """What people have labelled, and what others say."""
        settings = self._settings
        found = self._pool.labelling(config, settings.empty_is_none)
        copied = self._copies.of(found, config)
        found = found.with_copies(copied, count=settings.count_copies)
        weak = self._pool.weak_sources(config, settings.weak_fields, settings.empty_is_none)
        return replace(found, weak=weak)

    def _see_certification(self, found: Certification) -> None:
        """What goes on of it now, also for others to read."""
        self._certification = found
        about = certification.sentence_of(self._pool, found)
        self._status = replace(self._status, certifying=about, is_certifying=found.now is not None)

    def _see_what_is_lost(self, labelling: Labelling) -> None:
        lost = not_learnt(labelling, self._lost)
        log_new_reasons(self._project, self._status.not_learnt, lost)
        self._status = replace(self._status, not_learnt=lost)

    def _mend(self) -> None:
        """Set aside what is damaged, and say so."""
        for sentence in mended(self._store, time.time()):
            self._note(sentence)
        served = self._status.served
        if served is not None and served.version.encoder not in self._store.encoders():
            self._status = replace(self._status, served=None)

    def _compact(self) -> None:
        """Give back the space of vectors that no task needs any more."""
        are_many = self._store.most_vectors() >= self._pool.count() + LEAST_UNUSED
        if not are_many or not is_read(self._pool):
            return
        dropped = self._store.compact(self._pool.content_keys())
        log.info("project %d: dropped %d vectors of deleted tasks", self._project, dropped)

    def _note(self, trouble: str) -> None:
        log.error("project %d: %s", self._project, trouble)
        self._context.troubles.note(trouble)

    def _look(self, hints: set[Hint]) -> Looking:
        """Bring the mirror up to date, after some hints by a look at the project itself."""
        was_read = is_read(self._pool)
        if self._config is None or hints & THOROUGH:
            config = yield from self._look_thoroughly()
        else:
            config = self._config
            synchronise(self._pool, self._studio, config)
        if was_read:
            self._reread(config, is_start="start" in hints)
        else:
            reread.skip(self._pool, time.time())
        self._read_predictions()
        if not is_read(self._pool):  # go on after this turn, and train when all labels are known
            for hint in {"tasks", *(hints & {"train"})}:
                self._context.wake(hint)
        return config

    def _reread(self, config: LabelConfig, *, is_start: bool) -> None:
        """After a start and once a day, read what is annotated again, a part in each turn."""
        now = time.time()
        if is_start or reread.is_due(self._pool, now):
            reread.begin(self._pool, now)
        if not reread.is_going_on(self._pool):
            return
        reread.read_on(self._pool, self._studio, config)
        if reread.is_going_on(self._pool):
            self._context.wake("vectors")

    def _read_predictions(self) -> None:
        """Read what other programs predict, a part in each turn."""
        if weak_reading.is_going_on(self._pool) and is_read(self._pool):
            trouble = weak_reading.read_on(self._pool, self._studio)
            if trouble:
                self._note(trouble)
            if weak_reading.is_going_on(self._pool):
                self._context.wake("vectors")

    def _look_thoroughly(self) -> Looking:
        """Look at the project itself, too: its labelling config, its counts, its settings."""
        before = self._pool.annotation_count()
        project = self._upkeep.look()
        config = yield from self._look_after_project(project)
        self._pool.retry_unreadable(time.time())
        reconcile(self._pool, self._studio, project, config, before)
        if self._settings.weak_predictions:
            for sentence in weak_reading.look(self._pool, self._studio, time.time()):
                self._note(sentence)
        else:
            weak_reading.forget(self._pool)
        if not self._pool.count():
            self._upkeep.forget_tab()
        share = min(1.0, self._pool.count() / max(1, int(project["task_number"])))
        reading = None if is_read(self._pool) else share
        self._status = replace(self._status, reading=reading)
        return config

    def _look_after_project(self, project: Json) -> Looking:
        """Read the labelling config again and restore what settings pages have overwritten."""
        self._status = replace(self._status, title=str(project.get("title") or ""))
        yield self._status
        config = self._read_interface(project["label_config"])
        self._status = replace(self._status, config=config)
        self._upkeep.ensure_webhook(self._xml)
        if self._status.served is None:
            # Now, and not after all is read: predictions are asked for, and our own webhooks come.
            yield from self._serve(self._last_published(config), config)
        served = self._status.served
        if served is not None and not self._upkeep.restore_order(project, served.version.name):
            self._notice_gone(served.version)
        self._status = replace(
            self._status,
            studio_address=self._upkeep.studio_address,
            publish_seconds=self._upkeep.write_seconds,
        )
        return config

    def _last_published(self, config: LabelConfig) -> Version | None:
        return last_published(self._pool, self._store, config, self._note)

    def _read_interface(self, xml: str) -> LabelConfig:
        before, config = self._config, parse(xml, self._training.ignored, self._settings.aliases)
        self._xml, self._config = xml, config
        if config != before:
            log_limits(self._project, config, names_are_read=self._settings.label_names)
        self._training.see(xml, config)
        reads = reads_of(config)
        if self._pool.fact("reads") not in (None, reads):
            self._pool.rekey(config)
        self._pool.remember("reads", reads)
        return config

    def _serve(self, version: Version | None, config: LabelConfig) -> Iterator[Status]:
        """Have the status name this version, and others see it; nothing changes for None."""
        if version is not None:
            served = Served(version, config, self._xml, self._store)
            self._status = replace(self._status, served=served)
            yield self._status

    def _notice_gone(self, version: Version) -> None:
        """Its predictions were deleted, or a crash came before they were written."""
        if not self._is_all_labelled:  # another round would write none either
            log.warning("project %d: version %s is gone", self._project, version.name)
            self._ranked = None

    def _look_at_pool(
        self, config: LabelConfig, labelling: Labelling, pinned: Version | None
    ) -> Ranked | None:
        """What an order would be made from now; None while the first encoder is being prepared."""
        encoder = pinned.encoder if pinned else self._training.newest_encoder()
        if encoder is None:
            return None
        _, keys = self._pool.keys(config, self._settings.seed)
        self._see_beginning()
        unreadable = Unreadable(*self._pool.unreadable(SHOWN_UNREADABLE))
        nothing = sentence_on(self._pool.nothing_shown(), config)
        if nothing and nothing != self._status.nothing_shown:
            log.warning("project %d: %s", self._project, nothing)
        self._status = replace(self._status, unreadable=unreadable, nothing_shown=nothing)
        covered = self._training.request_vectors(encoder, keys)
        self._copies.request(encoder, config, keys)
        names = self._training.names_known(encoder)
        name = pinned.name if pinned else None
        return Ranked(
            *(self._pool.revision(), config, encoder, covered, len(keys), names, name),
            used=0.0 if is_read(self._pool) else self._used(labelling),
            certifying=self._certification.now,
            is_outside=bool(self._elsewhere),
        )

    def _see_beginning(self) -> None:
        """What the project took over from an earlier one, and what labels say of it."""
        beginning = self._training.beginning.sentence()
        if beginning and beginning != self._status.beginning:
            log.info("project %d: %s", self._project, beginning)
        self._status = replace(self._status, beginning=beginning)

    def _used(self, labelling: Labelling) -> float:
        """The share of the served order that is not open any more."""
        served = self._status.served
        return 0.0 if served is None else labelling.used(served.version.shortlist)

    def _fast_round(
        self, now: Ranked, labelling: Labelling, pinned: Version | None
    ) -> Iterator[Status]:
        """Learn and rank, then publish the order; or see that nothing is left to order."""
        began = time.monotonic()
        rounds = FastRounds(self._store, now.config, self._settings)
        played = rounds.play(labelling, self._setup(now, pinned))
        if played is None:
            return
        learnt = time.monotonic()
        self._context.metrics.round.observe(learnt - began)
        self._is_all_labelled = not played.predictions
        self._lost = played.lost
        self._see_what_is_lost(labelling)
        self._see_certification(certification.follow(self._pool, self._certification, played))
        now = replace(now, certifying=self._certification.now)
        if played.predictions:
            yield from self._publish(played, now)
        else:
            everything = "all tasks that are read so far are labelled"
            nothing = everything if labelling.unread else "no task is left to label"
            log.info("project %d: %s", self._project, nothing)
            yield from self._follow_pin_without_order(now, pinned)
        self._history.add(played)
        if played.predictions:
            self._log_published(played, learnt - began)

    def _setup(self, now: Ranked, pinned: Version | None) -> Setup:
        served = self._status.served
        is_deep = served is None or served.version.encoder != now.encoder
        taken = set(self._pool.published())  # also those whose folders were damaged
        if served is None:
            taken |= names_there(self._studio, self._pool, self._store)
        return Setup(
            encoder=now.encoder,
            size=self._settings.deep_shortlist if is_deep else self._settings.shortlist,
            taken=taken,
            texts=lambda ids: self._pool.parts(ids, now.config),
            previous=None if served is None else served.version,
            pinned=pinned,
            sources=self._earlier_votes,
            goal=None if self._elsewhere else self._certification.goal,
            certify=self._certification.left,
        )

    def _publish(self, played: Round, now: Ranked) -> Iterator[Status]:
        """Write the predictions, serve the version, and have Label Studio switch to it."""
        is_first, began = self._status.served is None, time.monotonic()
        write(self._studio, self._pool, played.predictions)
        # Others see it before the switch, so that its webhook is recognised as our own doing.
        yield from self._serve(played.version, now.config)
        self._upkeep.switch(played.version.name)
        self._ranked = replace(now, unranked=played.unranked)
        if is_first:
            self._upkeep.finish_connecting(played.version.name)
        seconds = time.monotonic() - began
        self._context.metrics.publish.observe(seconds)
        seconds += self._status.publish_seconds
        self._status = replace(self._status, publish_seconds=seconds)
        self._refreshes.note(played.version)

    def _log_published(self, played: Round, seconds: float) -> None:
        facts = played.version.facts
        at_random = f", the last {played.unranked} at random" if played.unranked else ""
        log.info(
            "project %d: version %s is served: %d labels, %d of them audit; %d of %d open tasks in "
            "order%s; learnt in %.2f s, published in %.2f s",
            self._project,
            played.version.name,
            facts.labels,
            len(played.version.validation),
            len(played.predictions),
            facts.open,
            at_random,
            seconds,
            self._status.publish_seconds,
        )
        if facts.ranked == 0:
            log.info("project %d: %s", self._project, what_is_left(facts))

    def _follow_pin_without_order(self, now: Ranked, pinned: Version | None) -> Iterator[Status]:
        """Nothing is left to put in order; predictions on demand follow the pin all the same."""
        if pinned is not None:
            yield from self._serve(pinned, now.config)
        elif self._ranked is not None and self._ranked.pinned is not None:
            yield from self._serve(self._last_published(now.config), now.config)
        self._ranked = now

    def _look_after_review(self, labelling: Labelling) -> None:
        """After each deep round the labels are reviewed, and the tab for that is filled again."""
        served = self._status.served
        if served is None or not labelling.answers:
            return
        encoder = served.version.encoder
        if not self._upkeep.show_review(self._store, encoder):
            self._training.request_review(encoder)
        elif self._named != encoder:
            people = people_in(read_review(self._context.folder))
            self._status = replace(self._status, people=names_of(self._studio.session, people))
            self._named = encoder

    def _request_deep_round(
        self, hints: set[Hint], labelling: Labelling, pinned: Version | None
    ) -> None:
        is_forced = "train" in hints
        if pinned is None and is_read(self._pool):
            self._training.request_judgement(labelling)  # a deep round then begins with the better
            self._training.request_deep_round(labelling, forced=is_forced)
        elif pinned is not None and is_forced:
            log.warning("project %d: no training while a version is pinned", self._project)

    def _clean_up(self) -> None:
        served = self._status.served
        if served is not None:
            hours, rows = self._settings.keep_predictions_hours, self._settings.shortlist
            clean_up(self._studio, self._pool, self._store, served.version, hours, rows)
        delete_leftovers(self._context.folder, time.time())

    def _note_what_was_missed(self) -> None:
        if self._upkeep.missed():
            self._context.troubles.note(MISSED)
        changing = self._upkeep.kept_changing()
        if changing is not None:
            self._context.troubles.note(changing)
